"""The tasks that ask how a host is: its units, what was changed behind deployer's back, what its services wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from invoke.context import Context
from rich.live import Live
from rich.text import Text

from deployer.allocate import allocate
from deployer.budget import Claim
from deployer.doctor import Reading, diagnose, question
from deployer.errors import BudgetError, RenderError, VerificationFailed
from deployer.inventory import Entry, Inventory
from deployer.record import Record, on_record
from deployer.render import render
from deployer.report.condition import drift_document, print_drift, print_status, status_document
from deployer.report.oom import oom_document, print_oom
from deployer.report.terminal import remark, result_console
from deployer.report.watch import View, plain
from deployer.tasks.doctor import PATIENCE_S
from deployer.tasks.fleet import Answer, ask
from deployer.tasks.shell import entries_of, entry_of, task
from deployer.turns import Tell


@task
def status(_context: Context, *, host: str = "", inventory: str = "", json: bool = False) -> int:
    """Show how hosts are now: their units against their limits, memory, disk and last deploy."""
    entries, _ = entries_of(host, inventory)

    def look(entry: Entry, tell: Tell) -> Answer:
        with on_record(entry, say=partial(tell, "")) as record:
            found = record.status()
        runs = all(unit["active"] in ("active", "reloading") for unit in found["units"].values())
        return Answer(
            status_document(entry.name, found),
            lambda console: print_status(console, entry.name, found),
            0 if runs else VerificationFailed.exit_code,
        )

    return ask("status", entries, look, json=json)


@task
def drift(_context: Context, *, host: str = "", inventory: str = "", json: bool = False) -> int:
    """Find what was changed on hosts behind deployer's back: files, units, and what servers run with. Changes nothing.

    Files and units are held against each host's own record; what runs, against the budget, as `doctor` does.
    """
    entries, inventory_of = entries_of(host, inventory)

    def look(entry: Entry, tell: Tell) -> Answer:
        with on_record(entry, say=partial(tell, "")) as record:
            found = record.drift()
            readings = _running_otherwise(record, entry, inventory_of, partial(tell, ""))
        return Answer(
            drift_document(entry.name, found, readings),
            lambda console: print_drift(console, entry.name, found, readings),
            VerificationFailed.exit_code if found or readings else 0,
        )

    return ask("drift", entries, look, json=json)


@task
def logs(
    _context: Context,
    *,
    host: str = "",
    inventory: str = "",
    unit: str = "",
    lines: int = 100,
    since: str = "",
    follow: bool = False,
) -> None:
    """Read what a host's services wrote to its journal, the newest last."""
    entry, _ = entry_of(host, inventory)
    console = result_console()
    units = [name if "." in name else f"{name}.service" for name in unit.split(",") if name]
    with on_record(entry, say=remark) as record:
        record.logs(
            lambda line: console.print(Text(line), soft_wrap=True),
            units=units,
            lines=lines,
            since=since,
            follow=follow,
        )


@task
def oom(_context: Context, *, host: str = "", inventory: str = "", since: str = "", json: bool = False) -> int:
    """Say what was killed on hosts for want of memory: when, which unit, and what it held against its limit.

    Looks back a week unless `--since` says otherwise; ends with 7 if anything was killed.
    """
    entries, inventory_of = entries_of(host, inventory)

    def look(entry: Entry, tell: Tell) -> Answer:
        with on_record(entry, say=partial(tell, "")) as record:
            found = record.oom(since)
        claims = _claims_by_unit(entry, inventory_of)
        return Answer(
            oom_document(entry.name, found),
            lambda console: print_oom(console, entry.name, found, claims),
            VerificationFailed.exit_code if found.kills or found.uncounted else 0,
        )

    return ask("oom", entries, look, json=json)


@task
def watch(_context: Context, *, host: str = "", inventory: str = "") -> None:
    """Show a host's units against their limits, live, until interrupted; into a file or a pipe, a line each second."""
    entry, _ = entry_of(host, inventory)
    console, view = result_console(), View(entry.name)
    with on_record(entry, say=remark) as record:
        units = [unit for unit in record.status()["units"] if unit.endswith(".service")]
        with suppress(KeyboardInterrupt):  # the way to end it
            if not console.is_terminal:
                record.watch(units, lambda sample: console.print(Text(plain(sample)), soft_wrap=True))
                return
            with Live(console=console, auto_refresh=False, screen=True) as live:

                def show(sample: Mapping[str, Any]) -> None:
                    view.take(sample)
                    live.update(view.now(), refresh=True)

                record.watch(units, show)


def _claims_by_unit(entry: Entry, inventory: Inventory) -> dict[str, Claim]:
    """Find what the budget priced for each unit; nothing for an inventory that does not fit by now."""
    try:
        rendered = render(entry.declaration, allocate(entry.declaration), template_folders=inventory.template_folders)
    except (BudgetError, RenderError):
        return {}
    claims = rendered.budget.claims
    return {one.unit: claims[one.taker] for one in rendered.wanted.units if one.taker in claims}


def _running_otherwise(
    record: Record, entry: Entry, inventory: Inventory, say: Callable[[str], None]
) -> tuple[Reading, ...]:
    """Ask what the servers run with; an inventory that does not fit by now has nothing to compare with."""
    try:
        rendered = render(entry.declaration, allocate(entry.declaration), template_folders=inventory.template_folders)
    except (BudgetError, RenderError) as error:
        say(f"what runs is not compared: {error.message.partition(chr(10))[0]}")
        return ()
    told = record.agent.call(question(rendered), timeout_s=PATIENCE_S)
    return tuple(one for one in diagnose(rendered, told).readings if one.state == "differs")

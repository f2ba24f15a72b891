"""The tasks about a host's own record: what was deployed, the way back, and what a dead deploy left open."""

from __future__ import annotations

from functools import partial

from invoke.context import Context

from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.record import NOTHING, on_record
from deployer.report.plan import deploy_document, plan_document, print_applied, print_plan
from deployer.report.record import history_document, print_history, print_settled, recover_document
from deployer.report.terminal import print_document, remark, result_console
from deployer.tasks.applying import apply_watched, show_plan
from deployer.tasks.fleet import Answer, ask
from deployer.tasks.shell import entries_of, task
from deployer.turns import Tell


@task
def history(_context: Context, *, host: str = "", inventory: str = "", json: bool = False, limit: int = 20) -> int:
    """List what was deployed to hosts, by whom, from where, and how it ended. The record lives on each host."""
    entries, _ = entries_of(host, inventory)

    def look(entry: Entry, tell: Tell) -> Answer:
        with on_record(entry, say=partial(tell, "")) as record:
            found = record.history(limit)
        return Answer(history_document(entry.name, found), lambda console: print_history(console, entry.name, found))

    return ask("history", entries, look, json=json)


@task
def rollback(
    context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    to: str = "",
    wait: int = 0,
    parallel: int = 8,
) -> int:
    """Go back to the deploy before the last, or to an earlier one, in a transaction like any other.

    Configs, units, releases and kernel settings go back; databases, packages, users and secrets stay as they are,
    and the plan says which. `deployer --dry rollback --host NAME` only shows that plan. Of many hosts, one that cannot
    go back stops no other.
    """
    entries, _ = entries_of(host, inventory)
    dry = bool(context.config.run.dry)
    if len(entries) == 1:
        _back_alone(entries[0], to, wait, json=json, dry=dry)
        return 0
    if to not in ("", NOTHING):
        raise UsageError("a transaction is one host's; many hosts go back by one, or to `nothing`", where=f"--to {to}")

    def back(entry: Entry, tell: Tell) -> Answer:
        with on_record(entry, say=partial(tell, "")) as record:
            planned = record.way_back(to or None)
            if dry:
                return Answer(plan_document(planned), lambda console: print_plan(console, planned))
            for warning in planned.warnings:
                tell("", warning)
            applied = None if planned.is_empty else record.apply(planned, tell, wait_s=wait)
        return Answer(deploy_document(planned, applied, None), lambda console: print_applied(console, planned, applied))

    return ask("rollback", entries, back, json=json, at_once=parallel)


def _back_alone(entry: Entry, to: str, wait_s: float, *, json: bool, dry: bool) -> None:
    with on_record(entry, say=remark) as record:
        planned = record.way_back(to or None)
        if dry:
            show_plan(planned, json=json)
            return
        applied = apply_watched(planned, lambda steps: record.apply(planned, steps.step, wait_s=wait_s))
    if json:
        print_document(deploy_document(planned, applied, None))
    else:
        print_applied(result_console(), planned, applied)


@task
def recover(
    _context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    wait: int = 0,
    leave_database: str = "",
) -> int:
    """Finish or take back a deploy that died half way, now; the host does so by itself within minutes.

    A database that cannot be put back from its dump keeps the deploy open. `--leave-database blog` says that somebody
    has seen to it by hand: it stays as it stands, and the rest is taken back.
    """
    entries, _ = entries_of(host, inventory)
    leave = [name.strip() for name in leave_database.split(",") if name.strip()]

    def settle(entry: Entry, tell: Tell) -> Answer:
        with on_record(entry, say=partial(tell, "")) as record:
            settled = record.recover(wait_s=wait, leave_databases=leave)
        return Answer(
            recover_document(entry.name, settled), lambda console: print_settled(console, entry.name, settled)
        )

    return ask("recover", entries, settle, json=json)

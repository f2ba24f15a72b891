"""The tasks that hold `deployer` against other settings and what articles claim, on local VPSes of their own."""

from __future__ import annotations

import os

from invoke.context import Context
from rich.text import Text

from deployer.comparison import Ground, Pace, compare as compared, contenders, table
from deployer.comparison.claims import CLAIMS, claims_table
from deployer.comparison.trials import try_claims
from deployer.errors import UsageError, VerificationFailed
from deployer.inventory import Entry
from deployer.report.benchmark import put_into
from deployer.report.terminal import Steps, result_console
from deployer.tasks.bench import FIGURES, machine
from deployer.tasks.shell import entry_of, task


@task
def compare(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    runs: int = 3,
    hold_s: int = 30,
    write: bool = False,
) -> int:
    """Run the blog by Debian's defaults, by articles, by MySQLTuner and by us, side by side on equal local VPSes."""
    entry, found = entry_of(host, inventory)
    pace = Pace.of(hold_s)
    with Steps() as steps:
        ground = Ground.beside(entry, steps.say)
        with contenders(ground, template_folders=found.template_folders, warmup_s=pace.load_s) as field:
            measured = compared(field, runs=runs, pace=pace)
        text, behind = table(field, measured, pace)
    return _published("bench.compare", f"{_where(entry)}.\n{text}", missed=behind, write=write)


@task
def claims(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    runs: int = 3,
    hold_s: int = 10,
    only: str = "",
    write: bool = False,
) -> None:
    """Hold what articles claim against what is measured on local VPSes of their own: true or not."""
    entry, _ = entry_of(host, inventory)
    known = [claim.key for claim in CLAIMS]
    keys = [key.strip() for key in only.split(",") if key.strip()] or known
    if unknown := sorted(set(keys) - set(known)):
        raise UsageError(f"there is no claim {unknown[0]!r}", where="--only", next_step=f"one of {', '.join(known)}")
    if write and keys != known:
        raise UsageError(
            "the table of all claims is written, not one of some", where="--only", next_step="leave it out"
        )
    with Steps() as steps:
        found = try_claims(entry, keys, runs=runs, seconds=float(hold_s), say=steps.say)
    commands = {key: f"invoke bench.claims --only {key}" for key in known}
    about = (
        f"{_where(entry)}; each load for {hold_s} s; on a machine of two cores a host of 2 cores shares them with the "
        "generator."
    )
    _published("bench.claims", f"{about}\n\n{claims_table(found, commands)}", missed=0, write=write)


def _where(entry: Entry) -> str:
    """Say what it was measured on, and whether the generator had a core that the hosts had not."""
    cores = entry.host.hardware.cpu_cores
    own = "the generator on the others" if (os.cpu_count() or 1) > cores else "which they share with the generator"
    return f"{machine()}; hosts on {cores} of its cores, {own}"


def _published(name: str, text: str, *, missed: int, write: bool) -> int:
    result_console().print(Text(text), soft_wrap=True)
    if write:
        put_into(FIGURES, name, text)
    return VerificationFailed.exit_code if missed else 0

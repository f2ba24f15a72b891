"""The task that load-tests hosts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from invoke.context import Context
from rich.text import Text

from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.loadorigins import origins_of
from deployer.proof import check_load
from deployer.report.reports import write_reports
from deployer.report.terminal import print_document
from deployer.tasks.fleet import Answer, ask
from deployer.tasks.shell import entries_of, task
from deployer.tasks.verification import load_test, run_verify
from deployer.turns import Tell
from deployer.verify.journeys import journeys_of


@task
def verify(
    _context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    report: str = "",
    quick: bool = False,
    from_: str = "",
    journeys: str = "",
    users: int = 20,
    seconds: int = 30,
) -> int:
    """Load-test hosts and say whether they keep what the budget promises. Only where the inventory allows it.

    The load comes from this machine, or from hosts that the inventory lets generate it: `--from lg1,lg2`.

    All phases take some minutes, the time is shown; `--quick` is the shorter test that follows a deploy. Many hosts are
    tested one after the other: two tests at once would measure this machine.

    `--journeys FILE.py` has users of a locustfile do what they do there, instead of all phases: so many `--users` for
    so many `--seconds`. That is a closed model (docs/journeys.md).
    """
    entries, found = entries_of(host, inventory)
    for entry in entries:
        check_load(entry)
    if len(entries) > 1:
        if journeys:
            raise UsageError("journeys are made on one host", where=f"--journeys {journeys}", next_step="--host NAME")
        if from_:
            raise UsageError("--from is for the test of one host", where=f"--from {from_}", next_step="--host NAME")
        if report:
            raise UsageError("a report is one host's", where="--report", next_step="--json gives those of many")
        return ask("verify", entries, partial(_tested, whole=not quick), json=json, at_once=1)
    entry = entries[0]
    made = journeys_of(journeys, users=users, duration_s=seconds) if journeys else None
    origins = origins_of(from_, entry, found)
    document, code = run_verify(entry, quiet=json, whole=not quick and not made, origins=origins, journeys=made)
    if report:
        write_reports(Path(report), [document])
    if json:
        print_document(document)
    return code


def _tested(entry: Entry, tell: Tell, *, whole: bool) -> Answer:
    """Load-test a host beside others; its verdict is printed after the last of them."""
    document, code, text = load_test(entry, tell, whole=whole)
    return Answer(document, lambda console: console.print(Text.from_ansi(text), soft_wrap=True), code)

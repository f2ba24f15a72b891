"""The tasks about a host's own record: what was deployed, the way back, and what a dead deploy left open."""

from __future__ import annotations

from invoke.context import Context
from rich.text import Text

from deployer.apply import Applied
from deployer.record import on_record
from deployer.report.plan import deploy_document, plan_document, print_applied, print_notes, print_plan, print_warnings
from deployer.report.record import history_document, print_history, recover_document
from deployer.report.terminal import Steps, print_document, result_console, talk_console
from deployer.tasks.shell import entry_of, task


@task
def history(_context: Context, *, host: str = "", inventory: str = "", json: bool = False, limit: int = 20) -> None:
    """List what was deployed to a host, by whom, from where, and how it ended. The record lives on the host."""
    entry, _ = entry_of(host, inventory)
    with on_record(entry, say=_say) as record:
        found = record.history(limit)
    if json:
        print_document(history_document(entry.name, found))
    else:
        print_history(result_console(), entry.name, found)


@task
def rollback(
    context: Context, *, host: str = "", inventory: str = "", json: bool = False, to: str = "", wait: int = 0
) -> None:
    """Go back to the deploy before the last, or to an earlier one, in a transaction like any other.

    Configs, units, releases and kernel settings go back; databases, packages, users and secrets stay as they are,
    and the plan says which. `deployer --dry rollback --host NAME` only shows that plan.
    """
    entry, _ = entry_of(host, inventory)
    with on_record(entry, say=_say) as record:
        planned = record.way_back(to or None)
        if context.config.run.dry:
            print_document(plan_document(planned)) if json else print_plan(result_console(), planned)
            return
        print_warnings(talk_console(), planned)
        applied: Applied | None = None
        if not planned.is_empty:
            with Steps() as steps:
                applied = record.apply(planned, steps.step, wait_s=wait)
            print_notes(talk_console(), applied)
    if json:
        print_document(deploy_document(planned, applied, None))
    else:
        print_applied(result_console(), planned, applied)


@task
def recover(_context: Context, *, host: str = "", inventory: str = "", json: bool = False, wait: int = 0) -> None:
    """Finish or take back a deploy that died half way, now; the host does so by itself within minutes."""
    entry, _ = entry_of(host, inventory)
    with on_record(entry, say=_say) as record:
        settled = record.recover(wait_s=wait)
    if json:
        print_document(recover_document(entry.name, settled))
        return
    for line in settled or ("nothing was left open",):
        result_console().print(Text.assemble((entry.name, "bold"), f": {line}"), soft_wrap=True)


def _say(line: str) -> None:
    talk_console().print(Text(line), soft_wrap=True)

"""One host's plan shown, and applied with its progress shown: what `deploy`, `rollback` and `demo` have in common."""

from __future__ import annotations

from collections.abc import Callable

from deployer.apply import Applied
from deployer.errors import DeployerError, RolledBack, VerificationFailed
from deployer.inventory import Entry
from deployer.plan import Plan
from deployer.record import take_back
from deployer.report.plan import plan_document, print_notes, print_plan, print_warnings
from deployer.report.terminal import Steps, print_document, result_console, talk_console
from deployer.tasks.shell import print_error


def show_plan(planned: Plan, *, json: bool) -> None:
    """Print a plan as the result of a task."""
    if json:
        print_document(plan_document(planned))
    else:
        print_plan(result_console(), planned)


def apply_watched(planned: Plan, apply: Callable[[Steps], Applied]) -> Applied | None:
    """Say what a plan warns of, and apply it unless there is nothing to do.

    Args:
        planned: The plan.
        apply: Applies it, and tells its steps.
    """
    print_warnings(talk_console(), planned)
    if planned.is_empty:
        return None
    with Steps() as steps:
        applied = apply(steps)
    print_notes(talk_console(), applied)
    return applied


def taken_back_watched(entry: Entry, planned: Plan, applied: Applied) -> tuple[Applied | None, int]:
    """Go back to what was there before a deploy that the host did not bear, with its progress shown.

    Args:
        entry: The host.
        planned: The plan of the deploy.
        applied: The deploy.

    Returns:
        The way back, None where it failed; and the exit code: restored, or live and not as promised, or not known.
    """
    talk_console().print("the load test was missed by the host's own fault: going back", style="bold")
    try:
        with Steps() as steps:
            back = take_back(entry, planned, applied.transaction, steps.step)
    except DeployerError as error:
        print_error(error)
        return None, error.exit_code if error.exit_code in (6, 1) else VerificationFailed.exit_code
    print_notes(talk_console(), back)
    return back, RolledBack.exit_code

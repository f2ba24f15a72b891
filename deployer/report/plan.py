"""A plan and its outcome, as text and as documents."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from deployer.apply import Applied
from deployer.plan import Change, Plan

PLAN_SCHEMA = "deployer/plan/1"
DEPLOY_SCHEMA = "deployer/deploy/1"

_SIGNS = {"add": "+", "create": "+", "install": "+", "remove": "-", "stop": "-", "change": "~"}
_COLOURS = {"+": "green", "-": "red", "~": "yellow", ">": "cyan"}


def print_plan(console: Console, plan: Plan, *, diffs: bool = True) -> None:
    """Print what a deploy would do.

    Args:
        console: Where to.
        plan: The plan.
        diffs: Print the differences of files too; new files are only named, their text is what `render` writes.
    """
    print_warnings(console, plan)
    if plan.is_empty:
        console.print(Text.assemble((plan.host, "bold"), ": no change, the host is as the inventory says"))
        return
    console.print(Text.assemble((plan.host, "bold"), f": {_count(len(plan.changes), 'change')}"))
    for change in plan.changes:
        sign = _SIGNS.get(change.verb, ">")
        console.print(
            Text.assemble(
                (f"  {sign} ", _COLOURS[sign]),
                f"{change.kind:<12}{change.verb:<9}",
                (change.name, "bold"),
                (f"   {change.because}" if change.because else "", "dim"),
            )
        )
        if diffs and change.diff and change.verb == "change":
            _print_diff(console, change)
    _print_what_has_to_be_confirmed(console, plan)


def _print_what_has_to_be_confirmed(console: Console, plan: Plan) -> None:
    if plan.to_be_confirmed:
        text = f"committed only once a new login has worked, as this changes {', '.join(plan.to_be_confirmed)}"
        console.print(Text.assemble(("  i ", "cyan"), text), soft_wrap=True)


def print_warnings(console: Console, plan: Plan) -> None:
    """Print what the user should know."""
    for warning in plan.warnings:
        console.print(Text.assemble(("! ", "yellow"), warning), soft_wrap=True)


def _print_diff(console: Console, change: Change) -> None:
    for line in change.diff.splitlines():
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        console.print(Text("      " + line, style=colour))


def plan_document(plan: Plan) -> dict[str, Any]:
    """Give the plan as data; the form is described in docs/json.md."""
    return {
        "schema": PLAN_SCHEMA,
        "host": plan.host,
        "changes": [
            {"kind": one.kind, "verb": one.verb, "name": one.name, "because": one.because, "diff": one.diff}
            for one in plan.changes
        ],
        "confirm_over_new_connection": list(plan.to_be_confirmed),
        "warnings": list(plan.warnings),
    }


def print_applied(console: Console, plan: Plan, applied: Applied | None) -> None:
    """Print how a deploy ended."""
    if applied is None:
        console.print(Text.assemble((plan.host, "bold"), ": no change, the host is as the inventory says"))
        return
    took_s = sum(step["duration_ms"] for step in applied.steps) / 1000
    console.print(
        Text.assemble(
            (plan.host, "bold"),
            ": ",
            ("live", "bold green"),
            f"   {_count(len(plan.changes), 'change')} in {took_s:.1f} s, transaction {applied.transaction}",
        )
    )


def print_notes(console: Console, applied: Applied) -> None:
    """Print what the host could not do, though the deploy is live, and how migrated databases stand."""
    for note in applied.notes:
        console.print(Text.assemble(("! ", "yellow"), note), soft_wrap=True)


def deploy_document(
    plan: Plan, applied: Applied | None, verdict: dict[str, Any] | None, taken_back: Applied | None = None
) -> dict[str, Any]:
    """Give a deploy's outcome as data; the form is described in docs/json.md."""
    return {
        "schema": DEPLOY_SCHEMA,
        "host": plan.host,
        "outcome": "no change" if applied is None else "live" if taken_back is None else "taken back",
        "transaction": None if applied is None else applied.transaction,
        "steps": [] if applied is None else [dict(step) for step in applied.steps],
        "notes": [] if applied is None else list(applied.notes),
        "plan": plan_document(plan),
        "verdict": verdict,
    }


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")

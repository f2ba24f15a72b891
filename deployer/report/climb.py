"""What a climb tried and found: for people, and as the evidence file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.climb import Outcome, Search, Trial
from deployer.climb.statistics import LEAST_GAIN

SCHEMA = "deployer/tuning/1"
STATISTIC = (
    "gain: mean of ln(B/A) over neighbouring readings of A B B A; noise: half width of its one-sided 95 % interval by "
    f"Student's t; kept if gain - noise >= {LEAST_GAIN:.0%}"
)


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print the trials, why it ended, and the pins to add to the inventory."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for name in ("change", "verdict", "why"):
        table.add_column(name, overflow="fold")
    for trial in outcome.trials:
        style = "green" if trial.decision.verdict == "keep" else "dim"
        table.add_row(trial.step.words, Text(trial.decision.verdict, style), trial.decision.because)
    for one in outcome.refused:
        table.add_row(f"{one.path}: {one.value}", Text("refused", "dim"), one.because)
    console.print(table)
    console.print(Text(f"ended: {outcome.ended}; the host runs {outcome.left_as}"), soft_wrap=True)
    if outcome.pins:
        console.print(Text("to keep what gained, add to the host's entry:", "bold"))
        console.print(Text(yaml_of(outcome.pins)))
    else:
        console.print(Text("nothing is to be changed: no step brought enough"))


def yaml_of(pins: Mapping[str, int]) -> str:
    """Write pins as they stand in an inventory."""
    tree: dict[str, Any] = {}
    for path, value in pins.items():
        *parents, last = path.split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return "\n".join(_lines(tree, 1))


def _lines(tree: Mapping[str, Any], depth: int) -> list[str]:
    lines = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            lines += ["  " * depth + f"{key}:", *_lines(value, depth + 1)]
        else:
            lines.append("  " * depth + f"{key}: {value}")
    return lines


def tuning_document(host: str, outcome: Outcome, *, started_at: str, duration_s: float) -> dict[str, Any]:
    """Give a climb as data, every reading in it; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "host": host,
        "started_at": started_at,
        "duration_s": round(duration_s, 1),
        "statistic": STATISTIC,
        "trials": [_trial(trial) for trial in outcome.trials],
        "refused": [asdict(one) for one in outcome.refused],
        "ended": outcome.ended,
        "left_as": outcome.left_as,
        "pins": dict(outcome.pins),
    }


def print_search(console: Console, search: Search) -> None:
    """Print what would be tried first, and what does not fit; nothing is contacted for it."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for name in ("change", "memory that then moves"):
        table.add_column(name, overflow="fold")
    before = search.best.budget
    while (step := search.next()) is not None:
        moved = [
            f"{taker} {before.grants[taker].memory_mib} -> {grant.memory_mib} MiB"
            for taker, grant in step.candidate.budget.grants.items()
            if grant.memory_mib != before.grants[taker].memory_mib
        ]
        table.add_row(step.words, ", ".join(moved) or "none")
    for one in search.refused:
        table.add_row(Text(f"{one.path}: {one.value}", "dim"), Text(f"refused: {one.because}", "dim"))
    console.print(table)


def _trial(trial: Trial) -> dict[str, Any]:
    step, decision = trial.step, trial.decision
    return {
        "path": step.knob.path,
        "before": step.knob.value,
        "value": step.value,
        "aim": step.knob.aim,
        "pins": dict(step.candidate.pins),
        "grants_mib": {taker: grant.memory_mib for taker, grant in step.candidate.budget.grants.items()},
        "readings": [{"state": state, **asdict(reading)} for state, reading in trial.readings],
        "verdict": decision.verdict,
        "gain": round(decision.gain, 4),
        "noise": None if decision.noise is None else round(decision.noise, 4),
        "because": decision.because,
    }

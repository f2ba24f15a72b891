"""Several runs of a test become one verdict, which is that of the median. Pure.

A line is kept or missed if every run is worth something and all of them agree. While its limit lies between the least
and the most that was measured there are more runs, up to twice as many; then it is inconclusive. The least and the
most of 5 runs hold the median with 93.8 % confidence, of 6 with 96.9 %.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from deployer.verify.verdict import Line, OneRun, Outcome, Verdict

#: Where runs disagree there are at most so many times as many as were asked for.
MOST_FACTOR: Final = 2

_Key = tuple[str, int]


def is_enough(runs: Sequence[Verdict], repeat: int) -> bool:
    """Tell whether no other run begins.

    Args:
        runs: Those so far.
        repeat: How many there are to be.
    """
    if runs and (runs[-1].stopped or runs[-1].findings.cut):
        return True  # a host that suffered is not asked again
    if len(runs) < repeat or len(runs) >= MOST_FACTOR * repeat:
        return len(runs) >= repeat
    return repeat == 1 or not any(_disagree(lines) for lines in _keyed(runs).values() if _is_must(lines))


def together(runs: Sequence[Verdict]) -> Verdict:
    """Make one verdict of them; phases and host are those of the run with the median rate of the cached page.

    Args:
        runs: At least one; where the load of the last one was ended early, that one decides.
    """
    told = tuple(OneRun(outcome=run.outcome, duration_s=run.duration_s, stopped=run.stopped) for run in runs)
    duration_s, last = round(sum(run.duration_s for run in runs), 1), runs[-1]
    if len(runs) == 1:
        return last
    notes = list(dict.fromkeys(note for run in runs for note in run.notes))
    if last.stopped:
        note = f"the load was ended early in run {len(runs)}, which is the one that is shown"
        return replace(last, runs=told, duration_s=duration_s, notes=(*notes, note))
    typical = sorted(range(len(runs)), key=lambda number: _cached_req_per_s(runs[number]))[(len(runs) - 1) // 2]
    note = f"{len(runs)} runs: each line is their median; phases, plots and the host are those of run {typical + 1}"
    keyed = _keyed(runs)
    lines = tuple(_judged(keyed[key]) for key in _keys(runs[typical]))
    return replace(runs[typical], lines=lines, runs=told, duration_s=duration_s, notes=(*notes, note))


def _keyed(runs: Sequence[Verdict]) -> dict[_Key, list[Line | None]]:
    """Find each line in every run; one about a page comes once for each page, in the same order."""
    found = [dict(zip(_keys(run), run.lines, strict=True)) for run in runs]
    keys = dict.fromkeys(key for lines in found for key in lines)
    return {key: [lines.get(key) for lines in found] for key in keys}


def _keys(run: Verdict) -> list[_Key]:
    seen: Counter[str] = Counter()
    keys = []
    for line in run.lines:
        keys.append((line.objective.metric, seen[line.objective.metric]))
        seen[line.objective.metric] += 1
    return keys


def _is_must(lines: Sequence[Line | None]) -> bool:
    return any(line is not None and line.objective.severity == "must" for line in lines)


def _disagree(lines: Sequence[Line | None]) -> bool:
    """Tell whether more runs can tell more: each is worth something, and the limit lies between them."""
    sides = [_side(line) for line in lines]
    return None not in sides and len(set(sides)) > 1 and not _is_never(lines)


def _side(line: Line | None) -> bool | None:
    """Say on which side of its limit a run was; None where it is worth nothing."""
    if line is None or (line.outcome == "inconclusive" and not line.unsure):
        return None
    if line.outcome != "inconclusive" or line.measured_value is None:
        return line.outcome == "kept"
    wanted = line.objective.wanted_value
    return line.measured_value >= wanted if line.objective.at_least else line.measured_value <= wanted


def _is_never(lines: Sequence[Line | None]) -> bool:
    """Tell whether it is about what must not happen at all: then once is once too often."""
    return all(line is None or (not line.objective.wanted_value and not line.objective.at_least) for line in lines)


def _judged(lines: Sequence[Line | None]) -> Line:
    known = [line for line in lines if line is not None]
    middle = _median(known)
    sides = [_side(line) for line in lines]
    outcome: Outcome = "inconclusive"
    if _is_never(lines) and False in sides:
        worst = next(line for line, side in zip(lines, sides, strict=True) if side is False and line is not None)
        middle, outcome = worst, "missed"
        why = f"in run {sides.index(False) + 1}" + (f": {worst.why}" if worst.why else "")
    elif None in sides:
        number = sides.index(None)
        spoilt = lines[number]
        why = f"run {number + 1}: {spoilt.why if spoilt is not None else 'not measured'}"
    elif len(set(sides)) > 1:
        missed = sides.count(False)
        why = f"{missed} of {len(lines)} runs missed it, so the limit lies between the least and the most of them"
    else:
        outcome, why = ("kept", "") if sides[0] else ("missed", middle.why)
    values = tuple(None if line is None else line.measured_value for line in lines)
    return replace(middle, outcome=outcome, why=why, interval=None, unsure=False, runs=values)


def _median(lines: Sequence[Line]) -> Line:
    """Give the middle one; of two the worse. What measured nothing is the worst."""

    def badness(line: Line) -> float:
        value = line.measured_value
        if value is None:
            return float("inf")
        return -value if line.objective.at_least else value

    return sorted(lines, key=badness)[len(lines) // 2]


def _cached_req_per_s(run: Verdict) -> float:
    return next((each.req_per_s for each in run.capacity if each.cached), 0.0)

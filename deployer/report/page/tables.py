"""What the tables of a page say: words and figures with their units. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.report.verdicts import Line, Phase, Run

#: A change of less between two runs is called none.
NOISE_SHARE = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        head: Its columns.
        rows: Its cells; the class of the first cell is ``classes`` of the row.
        classes: ``kept``, ``missed`` or ``inconclusive`` for each row; empty for rows without an outcome.
        words: Columns of words, counted from 0; all others are numbers.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    classes: tuple[str, ...] = ()
    words: frozenset[int] = frozenset({0})


def lines(runs: Sequence[Run]) -> Table:
    """Say what became of each objective; of two runs, also how the second differs."""
    if len(runs) == 1:
        return Table(
            head=("", "objective", "wanted", "measured", "95 % sure of", "margin", "why"),
            rows=tuple(
                (one.outcome, _name(one), wanted(one), measured(one), _interval(one), _margin(one), one.why)
                for one in runs[0].lines
            ),
            classes=tuple(one.outcome for one in runs[0].lines),
            words=frozenset({0, 1, 6}),
        )
    before, after = (dict(_keyed(run)) for run in runs)
    rows, classes = [], []
    for key in dict.fromkeys((*after, *before)):
        old, new = before.get(key), after.get(key)
        named = new or old
        if named is None:
            continue
        outcomes = " → ".join(one.outcome if one else "-" for one in (old, new))
        rows.append((outcomes, named.name, wanted(named), measured(old), measured(new), _change(old, new)))
        classes.append(new.outcome if new else "inconclusive")
    head = ("A → B", "objective", "wanted", "A", "B", "change")
    return Table(head=head, rows=tuple(rows), classes=tuple(classes), words=frozenset({0, 1}))


def knees(runs: Sequence[Run]) -> Table:
    """Say what each trial of the search for the knee brought, by its rate."""
    rows = [
        (f"{_which(runs, number)}{trial.rate_per_s:.0f}", _number(trial.p95_ms, 1), trial.refusal or "kept")
        for number, run in enumerate(runs)
        for trial in (sorted(run.knee.trials, key=lambda one: one.rate_per_s) if run.knee else ())
    ]
    return Table(head=("requests/s", "P95 ms", "trial"), rows=tuple(rows), words=frozenset({2}))


def capacity(runs: Sequence[Run]) -> Table:
    """Say what each page can carry, and what ended it there."""
    rows = [
        (
            f"{_which(runs, number)}{'cached' if one.cached else 'uncached'} {one.path}",
            f"{one.req_per_s:.0f}",
            f"{one.connections}",
            one.binding,
            one.evidence,
        )
        for number, run in enumerate(runs)
        for one in run.capacity
    ]
    return Table(
        head=("page", "req/s", "connections", "ended by", "evidence"), rows=tuple(rows), words=frozenset({0, 3, 4})
    )


def advice(runs: Sequence[Run]) -> Table:
    """Say what would lift the limits that were met."""
    rows = [
        (_which(runs, number) + one.change, one.path, _number(one.req_per_s), one.because)
        for number, run in enumerate(runs)
        for one in run.advice
    ]
    head = ("what would lift it", "for", "at most req/s", "because")
    return Table(head=head, rows=tuple(rows), words=frozenset({0, 1, 3}))


def phases(runs: Sequence[Run]) -> Table:
    """Say what each phase measured."""
    rows = [_phase(_which(runs, number), phase) for number, run in enumerate(runs) for phase in run.phases_but_trials]
    head = (
        "phase",
        "req/s",
        "P50 ms",
        "P95 ms",
        "P99 ms",
        "max ms",
        "errors",
        "generator %",
        "late P99 ms",
        "host CPU %",
    )
    return Table(head=head, rows=tuple(rows))


def steps(runs: Sequence[Run]) -> Table:
    """Say what came of each name of journeys."""
    rows = [
        (
            _which(runs, number) + step.name,
            f"{step.req_per_s:.1f}",
            *(_number(value, 1) for value in (step.p50_ms, step.p95_ms, step.p99_ms, step.max_ms)),
            f"{step.errors}",
            step.first_error,
        )
        for number, run in enumerate(runs)
        for phase in run.phases
        for step in phase.steps
    ]
    head = ("journeys, closed model", "req/s", "P50 ms", "P95 ms", "P99 ms", "max ms", "errors", "first error")
    return Table(head=head, rows=tuple(rows), words=frozenset({0, 7}))


def units(runs: Sequence[Run]) -> Table:
    """Say what each unit took of its limit."""
    rows = []
    for number, run in enumerate(runs):
        for name, unit in (run.host_summary.units if run.host_summary else {}).items():
            share = unit.peak_mib / unit.limit_mib if unit.peak_mib is not None and unit.limit_mib else None
            held = (_number(unit.peak_mib), _number(unit.limit_mib), "-" if share is None else f"{share:.0%}")
            rows.append((_which(runs, number) + name, *held, _number(unit.oom_kills), _number(unit.restarts)))
    return Table(head=("unit", "peak MiB", "limit MiB", "of it", "OOM kills", "restarts"), rows=tuple(rows))


def facts(runs: Sequence[Run]) -> list[str]:
    """Say what a reader has to know besides."""
    found = []
    for number, run in enumerate(runs):
        which = _which(runs, number)
        if run.link_ceiling_req_per_s is not None:
            found.append(f"{which}the link carries {run.link_ceiling_req_per_s:.0f} requests/s of the cached page")
        if run.knee is not None and run.knee.kept_per_s is not None:
            beyond = "" if run.knee.failed_per_s is None else f", {run.knee.failed_per_s:.0f} are not: {run.knee.why}"
            found.append(f"{which}knee: {run.knee.kept_per_s:.0f} requests/s are carried{beyond} ({run.knee.rule})")
        if run.stopped:
            found.append(f"{which}ended early: {run.stopped}")
        if run.host_fault:
            found.append(f"{which}of the host: {run.host_fault}")
        found += [which + note for note in run.notes]
    return found


def _keyed(run: Run) -> list[tuple[tuple[str, str], Line]]:
    """Name lines so that two runs' can be held together; a rate in the name differs from run to run."""
    return [((one.metric, one.name.partition(" P95 at ")[0]), one) for one in run.lines]


def _phase(which: str, phase: Phase) -> tuple[str, ...]:
    latencies = (phase.p50_ms, phase.p95_ms, phase.p99_ms, phase.max_ms)
    return (
        which + phase.name,
        f"{phase.req_per_s:.0f}",
        *(_number(value, 1) for value in latencies),
        f"{sum(phase.errors.values())}",
        f"{100 * phase.generator_cpu_share:.0f}",
        _number(phase.generator_late_p99_ms, 1),
        _number(None if phase.host_cpu_busy_share is None else 100 * phase.host_cpu_busy_share),
    )


def _which(runs: Sequence[Run], number: int) -> str:
    return f"{'AB'[number]}: " if len(runs) > 1 else ""


def wanted(line: Line) -> str:
    """Say what an objective wants, with its unit."""
    if not line.wanted:
        return "none"
    return f"{'≥' if line.more_is_better else '≤'} {_with_unit(line.metric, line.wanted)}"


def measured(line: Line | None) -> str:
    """Say what was measured, with its unit."""
    return "-" if line is None or line.measured is None else _with_unit(line.metric, line.measured)


def _with_unit(metric: str, value: float) -> str:
    if metric.endswith("_ms"):
        return f"{value:.1f} ms"
    if metric.endswith("_req_per_s"):
        return f"{value:.0f} req/s"
    if metric.endswith("_share"):
        return f"{value:.1%}"
    if metric.endswith("_mib"):
        return f"{value:.1f} MiB"
    return f"{value:g}"


def _name(line: Line) -> str:
    return line.name + ("" if line.severity == "must" else f" ({line.severity})")


def _interval(line: Line) -> str:
    if known := [value for value in line.runs if value is not None]:
        low, high = (_with_unit(line.metric, end) for end in (min(known), max(known)))
        return f"{low} to {high} in {len(line.runs)} runs"
    if line.interval is None:
        return ""
    if line.metric.endswith("errors"):
        return f"fewer than {line.interval[1]:.0f}"
    return " to ".join(_with_unit(line.metric, end) for end in line.interval)


def _margin(line: Line) -> str:
    return "" if line.margin_share is None else f"{line.margin_share:+.0%}"


def _change(old: Line | None, new: Line | None) -> str:
    if old is None or new is None or old.measured is None or new.measured is None:
        return ""
    if not old.measured:
        return "" if new.measured == old.measured else f"{new.measured - old.measured:+g}"
    share = (new.measured - old.measured) / old.measured
    if abs(share) < NOISE_SHARE:
        return "none"
    better = (share > 0) == new.more_is_better
    return f"{share:+.0%} {'better' if better else 'worse'}"


def _number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"

"""Whether a test is worth anything by `slo.valid`: if not, it is inconclusive as a whole. Pure.

What holds for every test (``defaults.SOUND``) casts doubt on the misses of a phase alone, as it can only have made
figures worse. What a host's own line would spoil nobody knows, so without it nothing is kept and nothing missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from deployer.objectives import Criterion
from deployer.verify.bottleneck import GENERATOR_ERRORS, wants
from deployer.verify.ceiling import link_share
from deployer.verify.criteria import criteria, host_value, line_of, objective
from deployer.verify.lines import Evidence
from deployer.verify.measured import Measured
from deployer.verify.safety import shown
from deployer.verify.verdict import Line, Objective


def with_validity(lines: Sequence[Line], seen: Evidence) -> list[Line]:
    """Put the lines of ``slo.valid`` behind the others, which are inconclusive unless all of them hold."""
    judged, _ = criteria(seen.slo, seen.findings)
    own = [_line(criterion, seen) for criterion, severity in judged if severity == "valid"]
    broken = [line for line in own if line.outcome != "kept"]
    if broken:
        names = ", ".join(f"{line.objective.name} {line.objective.wanted}" for line in broken)
        lines = [_worthless(line, names) for line in lines]
    return [*lines, *own]


def _worthless(line: Line, names: str) -> Line:
    seemed = {"kept": "; it looked kept", "missed": "; it looked missed", "inconclusive": ""}[line.outcome]
    why = f"the test is not valid ({names}){seemed}"
    return replace(line, outcome="inconclusive", why="; ".join(part for part in (why, line.why) if part))


def _line(criterion: Criterion, seen: Evidence) -> Line:
    about = objective(criterion, "valid")
    if criterion.scope == "gen":
        return _of_phases(criterion, about, seen, _OF_GENERATOR[criterion.metric], "no phase tells it")
    if criterion.scope == "net":
        unknown = "the link's speed is not known (hardware.bandwidth_mbit_per_s), or the load does not pass it"
        return _of_phases(criterion, about, seen, lambda phase: link_share(phase, seen.target), unknown)
    if criterion.scope == "host":
        unknown = seen.host.fault or "this host does not say"
        return _held(criterion, about, host_value(criterion, seen.host), "", unknown)
    line = line_of(criterion, about, seen)
    return replace(line, outcome="kept" if line.outcome == "kept" else "inconclusive")


def _of_phases(
    criterion: Criterion, about: Objective, seen: Evidence, of: Callable[[Measured], float | None], unknown: str
) -> Line:
    """Judge by the worst phase; a search for the knee goes beyond it on purpose."""
    values = {
        name: value
        for name, phase in seen.phases.items()
        if not name.startswith("knee") and (value := of(phase)) is not None
    }
    if not values:
        return about.line("inconclusive", why=unknown)
    worst = (min if criterion.at_least else max)(values, key=lambda name: values[name])
    return _held(criterion, about, values[worst], f"in {worst}", unknown)


def _held(criterion: Criterion, about: Objective, value: float | None, where: str, unknown: str) -> Line:
    if value is None:
        return about.line("inconclusive", why=unknown)
    good = criterion.holds(value)
    return about.line("kept" if good else "inconclusive", shown(criterion, value), value, why="" if good else where)


def _own_errors(phase: Measured) -> int:
    return sum(number for kind, number in phase.errors.items() if kind in GENERATOR_ERRORS)


def _sent_share(phase: Measured) -> float | None:
    """Give the share of the requests that were due and that the generator did not itself keep from being sent."""
    return max(0.0, 1 - _own_errors(phase) / phase.planned) if phase.planned else None


_OF_GENERATOR: Final[dict[str, Callable[[Measured], float | None]]] = {
    "cpu": wants,
    "late.p99": lambda phase: phase.late_p99_ms,
    "sent": _sent_share,
    "errors": lambda phase: float(_own_errors(phase)),
}

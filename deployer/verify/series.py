"""Comparisons held against single seconds and windows of them: of the load, and of the host's samples. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

from deployer.objectives import Criterion

#: Of the host and of its units these only rise; a sample tells how often since the test began.
COUNTERS: Final = frozenset({"oom_kills", "restarts", "listen_drops"})
_SAMPLED: Final = {
    "mem": "memory_share",
    "cpu": "cpu_busy_share",
    "steal": "cpu_steal_share",
    "neighbour": "cpu_neighbour_share",
    "oom_kills": "oom_kills",
    "listen_drops": "listen_drops",
}

_Record = TypeVar("_Record")


def is_about(criterion: Criterion, name: str, mode: str) -> bool:
    """Tell whether a comparison of latencies, rates, errors or connections is about a phase.

    Args:
        criterion: The comparison.
        name: The phase's.
        mode: ``hold``, ``closed`` or ``open``.
    """
    kind = name.partition(" ")[0]
    if criterion.scope:
        return kind == criterion.scope
    if criterion.metric == "errors":
        return True
    return mode != "closed" and kind != "knee"  # the latency of a full house is no promise to visitors


def of_seconds(criterion: Criterion, seconds: Sequence[Mapping[str, Any]]) -> float | None:
    """Give the figure of a phase's seconds taken together; None where it is not known.

    Args:
        criterion: What is compared; percentiles only of a single second.
        seconds: One or more, as the generator tells them.
    """
    if not seconds:
        return None
    if criterion.metric == "rps":
        return sum(int(second["done"]) for second in seconds) / len(seconds)
    if criterion.metric == "connections":
        return float(min(int(second["alive"]) for second in seconds))
    if criterion.metric != "errors":
        return number(seconds[0].get(f"{criterion.metric}_ms")) if len(seconds) == 1 else None
    errors, done = (sum(int(second[key]) for second in seconds) for key in ("errors", "done"))
    if criterion.unit == "count":
        return float(errors)
    return errors / (errors + done) if errors + done else None


def of_host(criterion: Criterion, samples: Sequence[Mapping[str, Any]]) -> list[float | None]:
    """Give what each sample says of the host; of counters, how often since the test began."""
    if criterion.metric == "restarts":
        return [_restarts(sample) for sample in samples]
    return [number(sample.get(_SAMPLED[criterion.metric])) for sample in samples]


def of_unit(criterion: Criterion, samples: Sequence[Mapping[str, Any]], unit: str) -> list[float | None]:
    """Give what each sample says of a unit, as ``nginx.service``; likewise."""
    return [_unit(criterion, _units(sample).get(unit)) for sample in samples]


def units_of(criterion: Criterion, samples: Iterable[Mapping[str, Any]]) -> list[str]:
    """Name the units that a comparison is about, as far as samples know them."""
    wanted = criterion.scope.partition(".")[2]
    known = dict.fromkeys(name for sample in samples for name in _units(sample))
    return [name for name in known if wanted in ("*", name.removesuffix(".service"))]


def risen(counted: Sequence[float | None]) -> list[float | None]:
    """Give by how much a counter rose with each sample; the first counts from nothing."""
    steps: list[float | None] = []
    before = 0.0
    for value in counted:
        steps.append(None if value is None else max(0.0, value - before))
        before = before if value is None else value
    return steps


def together(criterion: Criterion, values: Sequence[float | None]) -> float | None:
    """Give the figure of samples taken together: counters are added, all else is their mean; None if one is missing."""
    known = [value for value in values if value is not None]
    if not known or len(known) < len(values):
        return None
    return sum(known) if criterion.metric in COUNTERS else sum(known) / len(known)


def over_window(
    criterion: Criterion, records: Sequence[_Record], of: Callable[[Sequence[_Record]], float | None]
) -> float | None:
    """Give the figure that decides about a comparison with a window; None with fewer records on end than it has.

    ``for``: of the seconds on end that suit it best, the worst. ``within``: of all that lie on end, taken together,
    the worst. So the comparison is true of what this gives exactly if it holds over its window.

    Args:
        criterion: A comparison with a window.
        records: One for each second.
        of: The figure of some records taken together; of one, itself.
    """
    window = criterion.window
    if window is None:
        raise ValueError(f"{criterion.text} has no window")
    stretches = [records[first : first + window.seconds] for first in range(len(records) - window.seconds + 1)]
    if window.kind == "within":
        return _worst(criterion, [of(stretch) for stretch in stretches])
    stretched = [[of([record]) for record in stretch] for stretch in stretches]
    worst = [_worst(criterion, values) for values in stretched if None not in values]
    return _best(criterion, [value for value in worst if value is not None])


def _worst(criterion: Criterion, values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known, key=lambda value: _badness(criterion, value), default=None)


def _best(criterion: Criterion, values: Sequence[float]) -> float | None:
    return min(values, key=lambda value: _badness(criterion, value), default=None)


def _badness(criterion: Criterion, value: float) -> float:
    if criterion.comparison == "==":
        return abs(value - criterion.value)
    return -value if criterion.at_least else value


def number(value: object) -> float | None:
    """Give a number as it is, and None for all else: what a host says may be anything."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _units(sample: Mapping[str, Any]) -> Mapping[str, Any]:
    units = sample.get("units")
    return units if isinstance(units, Mapping) else {}


def _unit(criterion: Criterion, unit: object) -> float | None:
    told = unit if isinstance(unit, Mapping) else {}
    if criterion.metric != "mem":
        return number(told.get(criterion.metric))
    own, limit = number(told.get("anonymous_mib")), number(told.get("limit_mib"))
    held = number(told.get("memory_mib")) if own is None else own
    if criterion.unit == "mib" or held is None:
        return held
    return held / limit if limit else None


def _restarts(sample: Mapping[str, Any]) -> float | None:
    known = [number(unit.get("restarts")) for unit in _units(sample).values() if isinstance(unit, Mapping)]
    return None if None in known else sum(value for value in known if value is not None)

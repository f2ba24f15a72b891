"""What is compared, line by line, and how ours stands in each. Pure.

A figure counts only if its load was carried: who lost connections or answered errors did less work. Figures that
differ by less than their own unrest are level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from deployer.comparison.measure import Figures
from deployer.comparison.processor import excess
from deployer.verify import Measured

#: Medians closer than this are level: a local VPS shares its machine with what else runs there.
LEVEL_SHARE: Final = 0.05
#: A load is carried if no more of its requests fail.
FAILED_SHARE: Final = 0.001
LOADS: Final = ("held", "cached", "uncached", "steady")

Value = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of every contender.

    Attributes:
        name: For people.
        unit: Its unit.
        value: Takes it from a run; None where it is not known.
        more_is_better: Else less is.
        loads: The loads that have to be carried for it to count.
        unharmed: It counts only where the kernel killed nothing.
        decimals: Digits after the point.
        of_processor: It is a matter of the processor that an uncached page takes.
    """

    name: str
    unit: str
    value: Value
    more_is_better: bool = False
    loads: tuple[str, ...] = ()
    unharmed: bool = False
    decimals: int = 0
    of_processor: bool = False

    def counts(self, figures: Figures) -> bool:
        """Say whether a run did the work that the figure is about."""
        return (not self.unharmed or not figures.oom_kills) and all(
            carried(figures.phases[name]) for name in self.loads if name in figures.phases
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """How ours stands in a line.

    Attributes:
        said: In words, for the last column.
        is_behind: Somebody who did the same work is better, beyond unrest.
        is_explained: It says why.
    """

    said: str
    is_behind: bool = False
    is_explained: bool = False


def lines_of(rate_per_s: float, connections: int, *, with_worst: bool) -> tuple[Line, ...]:
    """List what is compared.

    Args:
        rate_per_s: What uncached pages were asked at in ``steady``.
        connections: How many visitors there were at once.
        with_worst: Whether the database was driven to its worst.
    """
    steady = f"uncached, {rate_per_s:.0f} requests/s"
    lines = [
        Line("connections held", "", lambda one: one.phases["held"].alive_min, more_is_better=True),
        Line("errors while they are held", "", lambda one: one.phases["held"].error_count),
        Line("cached", "requests/s", _rate("cached"), more_is_better=True, loads=("cached",)),
        Line(f"cached, {connections} connections: P95", "ms", _p95("cached"), loads=("cached",), decimals=1),
        Line(f"cached, {connections} connections: P99", "ms", _p99("cached"), loads=("cached",), decimals=1),
        Line("cached: requests that failed", "%", _failed("cached"), decimals=2),
        Line("uncached", "requests/s", _rate("uncached"), more_is_better=True, loads=("uncached",), of_processor=True),
        Line(f"{steady}: P95", "ms", _p95("steady"), loads=("steady",), decimals=1, of_processor=True),
        Line(f"{steady}: P99", "ms", _p99("steady"), loads=("steady",), decimals=1, of_processor=True),
        Line("uncached: processor for a page", "ms", _processor, loads=("uncached",), decimals=2, of_processor=True),
        Line("uncached: requests that failed", "%", _failed("uncached", "steady"), decimals=2),
        *(
            Line(f"memory of {name}", "MiB", _memory(part), loads=LOADS)
            for part, name in (("nginx", "nginx"), ("app", "the app"), ("database", "MariaDB"), ("together", "all"))
        ),
        Line("OOM kills under these loads", "", lambda one: one.kills_before),
    ]
    if with_worst:
        lines += [
            Line("database at its worst: OOM kills", "", lambda one: one.oom_kills),
            Line("database at its worst: restarts", "", lambda one: one.restarts),
            Line("database at its worst: memory of all", "MiB", _worst, unharmed=True),
            Line("database at its worst: cached pages that failed", "%", _failed("worst"), unharmed=True, decimals=2),
        ]
    return tuple(lines)


def carried(measured: Measured) -> bool:
    """Say whether a load was carried: no connection lost, no more than one request in a thousand failed."""
    return measured.alive_min >= measured.connections_wanted and failed_share(measured) <= FAILED_SHARE


def failed_share(measured: Measured) -> float:
    """Give the share of requests and connections that came to nothing, 0 to 1."""
    tried = measured.done + measured.error_count
    return measured.error_count / tried if tried else 1.0


def standing(line: Line, runs: Mapping[str, Sequence[Figures]], titles: Mapping[str, str], ours: str) -> Standing:
    """Say how ours stands: first, level, or behind whom and by how much.

    Args:
        line: The figure.
        runs: All runs of each contender.
        titles: Their names for people.
        ours: The key of ours.
    """
    own = _values(line, runs[ours])
    if not own or not all(line.counts(figures) for figures in runs[ours]):
        return Standing("behind: its own load was not carried", is_behind=True)
    rivals = {key: _values(line, found) for key, found in runs.items() if key != ours}
    counted = {key: values for key, values in rivals.items() if values and all(line.counts(one) for one in runs[key])}
    better = {key: values for key, values in counted.items() if _is_better(line, values, own)}
    if better:
        best = (max if line.more_is_better else min)(better, key=lambda key: median(better[key]))
        why = excess(_parts_ms(runs[ours]), _parts_ms(runs[best])) if line.of_processor else ""
        said = f"behind {titles[best]}{_by(median(better[best]), median(own))}{': ' if why else ''}{why}"
        return Standing(said, is_behind=True, is_explained=bool(why))
    level = [titles[key] for key, values in counted.items() if _is_level(values, own)]
    left_out = sum(bool(values) for values in rivals.values()) - len(counted)
    beside = "; those with * did not carry the load" if left_out else ""
    return Standing((f"first, level with {', '.join(level)}" if level else "first") + beside)


def _is_better(line: Line, values: Sequence[float], own: Sequence[float]) -> bool:
    difference = median(values) - median(own)
    return (difference > 0) == line.more_is_better and difference != 0 and not _is_level(values, own)


def _is_level(values: Sequence[float], own: Sequence[float]) -> bool:
    """Say whether the difference is less than the unrest: by its size, or as the runs of both overlap."""
    largest = max(abs(median(values)), abs(median(own)))
    if abs(median(values) - median(own)) <= LEVEL_SHARE * largest:
        return True
    several = min(len(values), len(own)) > 1
    return several and min(values) <= max(own) and min(own) <= max(values)


def _by(best: float, own: float) -> str:
    return f" by {abs(own / best - 1):.0%}" if best else f" ({own:g} against none)"


def _values(line: Line, runs: Sequence[Figures]) -> list[float]:
    return [float(value) for figures in runs if (value := line.value(figures)) is not None]


def _parts_ms(runs: Sequence[Figures]) -> dict[str, float]:
    """Give the processor of each part for an uncached page, ms: the median of its runs."""
    known = [one.processor_ms for one in runs if one.processor_ms]
    return {part: median(one[part] for one in known) for part in (known[0] if known else {})}


def _processor(one: Figures) -> float | None:
    return sum(one.processor_ms.values()) if one.processor_ms else None


def _rate(phase: str) -> Value:
    return lambda one: one.phases[phase].req_per_s


def _p95(phase: str) -> Value:
    return lambda one: one.phases[phase].p95_ms


def _p99(phase: str) -> Value:
    return lambda one: one.phases[phase].p99_ms


def _failed(*phases: str) -> Value:
    return lambda one: 100 * max(failed_share(one.phases[name]) for name in phases)


def _memory(part: str) -> Value:
    return lambda one: one.memory_mib[part]


def _worst(one: Figures) -> float:
    return one.worst_mib["together"]

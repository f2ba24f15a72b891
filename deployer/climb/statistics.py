"""What readings say: the gain of B over A, its noise, and whether the change is kept. Pure.

Readings come as A B B A, A B B A, ...: what drifts evenly (a host that warms up, a neighbour that goes) falls out.
Neighbours in that order make pairs; each pair gives ``ln(B / A)``. The gain is the mean of the pairs. The noise is the
half width of their one-sided 95 % interval by Student's t: ``t(0.95, n - 1) x s / sqrt(n)``. A change is kept if
``gain - noise`` is at least 5 %, dropped once ``gain + noise`` is below that; between, another block of four is read,
as far as the trial may.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, inf, log, sqrt
from statistics import mean, stdev
from typing import Literal

from deployer.measured import PageKind

#: What a change has to bring beyond noise to be kept.
LEAST_GAIN = 0.05
#: What pages that a change is not for may lose.
MOST_LOSS = 0.05
#: Answers of the changed host may take so many times as long (P95, under the same connections).
MOST_SLOWER = 1.5
#: Units may hold this share of their MemoryMax, page cache not counted, and the host this share of its memory.
FULLEST_UNIT, FULLEST_HOST = 0.95, 0.92
#: The order of a block of readings.
BLOCK = "ABBA"
#: Student's t, one-sided 95 %, by degrees of freedom.
T_95 = (inf, 6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796)

Verdict = Literal["keep", "drop", "go on"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one state of the host did under load.

    Attributes:
        req_per_s: Good answers a second, of cached pages and of those made anew (the geometric mean of several).
        p95_ms: 95 of 100 answers were there within this time, of the slowest page of a kind.
        errors: Answers that were none.
        oom_kills: Processes that the kernel killed; None: not known.
        memory_share: The host's memory in use at its peak; None: not known.
        fullest_unit: The unit that came nearest to its MemoryMax, and the share of it that it held.
        alarm: Why the load was ended early; empty if it was not.
    """

    req_per_s: Mapping[PageKind, float]
    p95_ms: Mapping[PageKind, float]
    errors: int = 0
    oom_kills: int | None = 0
    memory_share: float | None = None
    fullest_unit: tuple[str, float] = ("", 0.0)
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a change.

    Attributes:
        verdict: Keep it, drop it, or read on.
        gain: Its gain, as a share.
        noise: Half width of the gain's interval, as a share; None: too few readings to know.
        because: In words.
        others: Gain of the pages that it is not for, by kind.
    """

    verdict: Verdict
    gain: float
    noise: float | None
    because: str
    others: Mapping[PageKind, float] = field(default_factory=dict)


def harm_of(state: str, reading: Reading) -> str:
    """Say what forbids a state of the host (``A`` as before, ``B`` changed); nothing if all is well."""
    found = _harm(reading)
    return found and f"on the {'changed' if state == 'B' else 'unchanged'} host {found}"


def _harm(reading: Reading) -> str:
    if reading.alarm:
        return reading.alarm
    if reading.oom_kills:
        return "the kernel killed a process for want of memory"
    if reading.errors:
        return f"{reading.errors} answers were errors"
    if reading.memory_share is not None and reading.memory_share > FULLEST_HOST:
        return f"{reading.memory_share:.0%} of the memory were in use"
    unit, share = reading.fullest_unit
    if share > FULLEST_UNIT:
        return f"{unit} held {share:.0%} of its MemoryMax"
    return ""


def decide(readings: Sequence[tuple[str, Reading]], aim: PageKind, *, most_blocks: int) -> Decision:
    """Say what becomes of a change.

    Args:
        readings: Which state was read, ``A`` (as before) or ``B`` (changed), in the order of ``BLOCK``; whole blocks.
        aim: Pages that the change is for.
        most_blocks: After so many blocks what is not beyond noise is dropped.
    """
    for state, reading in readings:
        if harm := harm_of(state, reading):
            return Decision("drop", 0.0, None, harm)
    pairs = _pairs(readings)
    gains = [log(b.req_per_s[aim] / a.req_per_s[aim]) for a, b in pairs if a.req_per_s[aim] and b.req_per_s[aim]]
    if len(gains) < len(pairs) or not gains:
        return Decision("drop", 0.0, None, "a reading had no answer at all")
    middle, half = mean(gains), _half_width(gains)
    gain, noise = exp(middle) - 1, exp(half) - 1 if half < inf else None
    others = {kind: _gains(pairs, kind) for kind in pairs[0][0].req_per_s if kind != aim}
    means = {kind: exp(mean(ones)) - 1 for kind, ones in others.items()}
    said = f"{gain:+.1%}" + ("" if noise is None else f" +- {noise:.1%}")
    losing = [kind for kind, one in means.items() if one < -MOST_LOSS]
    for kind in losing:
        said += f", but {kind} pages lose {-means[kind]:.1%}"
        if mean(others[kind]) + _half_width(others[kind]) < 0:
            return Decision("drop", gain, noise, said, means)
    slower = mean(b.p95_ms[aim] for _, b in pairs) / max(1e-9, mean(a.p95_ms[aim] for a, _ in pairs))
    if slower > MOST_SLOWER:
        return Decision("drop", gain, noise, f"{said}, but P95 is {slower:.1f} times as long", means)
    if exp(middle - half) - 1 >= LEAST_GAIN and not losing:
        return Decision("keep", gain, noise, f"{said}: at least {LEAST_GAIN:.0%} beyond noise", means)
    blocks = len(readings) // len(BLOCK)
    if gain <= 0 or exp(middle + half) - 1 < LEAST_GAIN:
        return Decision("drop", gain, noise, f"{said}: it does not bring {LEAST_GAIN:.0%}", means)
    if blocks >= most_blocks:
        return Decision("drop", gain, noise, f"{said}: not {LEAST_GAIN:.0%} beyond noise after {blocks} blocks", means)
    return Decision("go on", gain, noise, f"{said}: not clear yet", means)


def _pairs(readings: Sequence[tuple[str, Reading]]) -> list[tuple[Reading, Reading]]:
    """Put neighbours together, each pair as A and B."""
    found = []
    for first, second in zip(readings[::2], readings[1::2], strict=True):
        by_state = dict((first, second))
        found.append((by_state["A"], by_state["B"]))
    return found


def _gains(pairs: Sequence[tuple[Reading, Reading]], kind: PageKind) -> list[float]:
    return [log(max(1e-9, b.req_per_s[kind]) / max(1e-9, a.req_per_s[kind])) for a, b in pairs]


def _half_width(gains: Sequence[float]) -> float:
    if len(gains) < 2:
        return inf
    freedom = min(len(gains) - 1, len(T_95) - 1)
    return T_95[freedom] * stdev(gains) / sqrt(len(gains))

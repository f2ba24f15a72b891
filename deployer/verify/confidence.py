"""How sure a measured figure is: 95 % intervals, of percentiles, of rates, and of what never happened. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log, sqrt
from statistics import mean, stdev, variance
from typing import Any, Final

from deployer.verify.loadgen import Histogram
from deployer.verify.measured import Measured

CONFIDENCE_SHARE: Final = 0.95
#: Two-sided 95 % quantiles of Student's t, for 1 degree of freedom, 2, 3 and so on.
_STUDENT: Final = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13)
_NORMAL: Final = 1.96
#: Fewer seconds than this tell nothing about how much they differ.
LEAST_SECONDS: Final = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the true figure lies with 95 % confidence.

    Attributes:
        low: In the unit of the figure.
        high: Likewise.
    """

    low: float
    high: float

    def spans(self, limit: float) -> bool:
        """Tell whether a limit lies inside, so that the figure may be on either side of it."""
        return self.low < limit < self.high


def of_percentile(phase: Measured, share: float) -> Interval | None:
    """Give the interval of a percentile of a phase's latencies, ms; None where there are none.

    The ranks ``nq ± 1.96 sqrt(nq(1-q))`` of the ordered sample hold it with 95 % confidence, whatever the distribution
    is (binomial interval of order statistics; Conover, Practical Nonparametric Statistics, 3.2). Answers that come
    together are alike, so ``n`` is divided by the design effect that the seconds show. With too few answers for such a
    rank the slowest one is the upper end.

    Args:
        phase: What was measured.
        share: 0.95 for the 95th percentile.
    """
    histogram = _histogram(phase)
    if not histogram.count:
        return None
    at_ms = histogram.percentile_ms(share) or 0.0
    width = _NORMAL * sqrt(share * (1 - share) * design_effect(phase.seconds, at_ms, share) / histogram.count)
    low, high = share - width, share + width
    low_ms = histogram.percentile_ms(max(low, 1 / histogram.count)) if low > 0 else 0.0
    high_ms = histogram.percentile_ms(high) if high < 1 else histogram.max_us / 1000
    return Interval(low_ms or 0.0, high_ms or at_ms)


def of_rate(phase: Measured) -> Interval | None:
    """Give the interval of a phase's answers a second; None with too few seconds to tell.

    Method of batch means: each second is a batch, and their mean has the error ``t s / sqrt(m)`` (Law, Simulation
    Modeling and Analysis, 9.5.3).
    """
    counts = [float(second.get("done") or 0) for second in phase.seconds]
    whole = sum(counts)
    if len(counts) < LEAST_SECONDS or not whole:
        return None
    # the seconds are those of one of several generators: they tell how much it varies, not how much it is
    error = _student(len(counts) - 1) * stdev(counts) / sqrt(len(counts)) / mean(counts)
    return Interval(max(0.0, phase.req_per_s * (1 - error)), phase.req_per_s * (1 + error))


def most_share(tried: int) -> float:
    """Give the largest share of failures that 0 of ``tried`` leaves possible, 0 to 1.

    ``1 - 0.05**(1/n)``, about ``3/n`` (Clopper-Pearson, one-sided: the rule of three).
    """
    return 1.0 if tried < 1 else 1 - 0.05 ** (1 / tried)


def design_effect(seconds: Sequence[Mapping[str, Any]], at_ms: float, share: float) -> float:
    """Say how many answers count as one since those of a second are alike, >= 1.

    The share of answers slower than ``at_ms`` varies from second to second; by how much more than independent answers
    would, is the effect (Kish, Survey Sampling, 8.2). A second tells its P50, P95 and P99, between which is
    interpolated.
    """
    known = [second for second in seconds if second.get("done") and second.get("p50_ms") is not None]
    if len(known) < LEAST_SECONDS:
        return 1.0
    slower = [_slower_share(second, at_ms) for second in known]
    expected = share * (1 - share) / mean(float(second["done"]) for second in known)
    return max(1.0, variance(slower) / expected)


def _slower_share(second: Mapping[str, Any], at_ms: float) -> float:
    """Estimate the share of a second's answers that took longer than ``at_ms``."""
    points = [(float(second[name] or 0), left) for name, left in (("p50_ms", 0.5), ("p95_ms", 0.05), ("p99_ms", 0.01))]
    if at_ms <= points[0][0]:
        return 0.5
    for (low_ms, more), (high_ms, less) in pairwise(points):
        if at_ms <= high_ms and low_ms > 0:
            way = log(at_ms / low_ms) / log(high_ms / low_ms) if high_ms > low_ms else 1.0
            return more + way * (less - more)
    return 0.0


def _histogram(phase: Measured) -> Histogram:
    histogram = Histogram()
    if phase.latency:
        histogram.add(dict(phase.latency))
    return histogram


def _student(degrees: int) -> float:
    """Give the quantile; beyond the table by how far it is above the normal one, to the first order of 1/degrees.

    That is right to a hundredth (Abramowitz and Stegun, 26.7.5).
    """
    if degrees <= len(_STUDENT):
        return _STUDENT[degrees - 1]
    return _NORMAL + (_NORMAL**3 + _NORMAL) / (4 * degrees)

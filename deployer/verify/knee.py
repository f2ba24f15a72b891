"""The knee: the largest rate of arrivals that a page carries with its objective kept. Pure; the trials run elsewhere.

    search = Search(first_per_s=900, most_per_s=2000, precision_share=0.03, trials=14)
    while (rate_per_s := search.next_per_s()) is not None:
        search.tell(Trial(rate_per_s=rate_per_s, p95_ms=..., refusal=...))
    search.knee("/", rule_of(200))

Steps go up by a tenth or down by a quarter until one trial is kept and one is not; then the range is halved
(geometrically) until it is as narrow as the precision. A rate is called too high only when it failed twice: one
stall of a neighbour is no knee.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

from deployer.verify.measured import Measured

STEP_UP, STEP_DOWN = 1.1, 0.75
#: Unanswered requests may grow by this share of a trial's, or by so many, from its first third to its last.
GROWTH_SHARE: Final = 0.005
GROWTH: Final = 4.0
LEAST_PER_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One trial.

    Attributes:
        rate_per_s: Arrivals, requests/s.
        p95_ms: What they had; None without an answer.
        refusal: Why it was not kept; empty when it was.
        doubt: Why it may not have been the host's fault; empty when nobody else is known.
    """

    rate_per_s: float
    p95_ms: float | None
    refusal: str
    doubt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knee:
    """What a search found.

    Attributes:
        path: The page.
        kept_per_s: The largest rate that was kept, requests/s; None when none was.
        failed_per_s: The smallest that was not, twice; None when none failed.
        why: What the smallest that failed broke.
        doubt: Why that may not have been the host's fault.
        trials: All of them, in order.
        rule: What a trial has to keep, in words.
    """

    path: str
    kept_per_s: float | None
    failed_per_s: float | None
    why: str
    doubt: str
    trials: tuple[Trial, ...]
    rule: str

    @property
    def is_narrow(self) -> bool:
        """Whether both ends are known."""
        return self.kept_per_s is not None and self.failed_per_s is not None


class Search:
    """Where a search stands.

    Args:
        first_per_s: The first rate, requests/s.
        most_per_s: No rate above it is tried, requests/s.
        precision_share: It ends when the ends differ by no more.
        trials: It ends after so many.
    """

    def __init__(self, *, first_per_s: float, most_per_s: float, precision_share: float, trials: int) -> None:
        self._most = max(LEAST_PER_S, most_per_s)
        self._first = min(max(LEAST_PER_S, first_per_s), self._most)
        self._precision_share = precision_share
        self._left = trials
        self._again: float | None = None
        self._kept: float | None = None
        self._failed: float | None = None
        self._why = self._doubt = ""
        self._trials: list[Trial] = []

    def next_per_s(self) -> float | None:
        """Give the rate to try next; None when it is over."""
        if self._left < 1:
            return None
        if self._again is not None:
            return self._again
        if self._kept is None:
            return self._down()
        if self._failed is None:
            return None if self._kept >= self._most else min(self._most, self._kept * STEP_UP)
        if self._failed / self._kept <= 1 + self._precision_share:
            return None
        return sqrt(self._kept * self._failed)

    def _down(self) -> float | None:
        if self._failed is None:
            return self._first
        return None if self._failed <= LEAST_PER_S else max(LEAST_PER_S, self._failed * STEP_DOWN)

    def tell(self, trial: Trial) -> None:
        """Take what a trial brought."""
        self._left -= 1
        self._trials.append(trial)
        if not trial.refusal:
            self._kept, self._again = max(trial.rate_per_s, self._kept or 0.0), None
        elif self._again is None:
            self._again = trial.rate_per_s
        else:
            self._failed, self._why, self._again = trial.rate_per_s, trial.refusal, None
            self._doubt = trial.doubt

    def knee(self, path: str, rule: str) -> Knee:
        """Sum up."""
        return Knee(
            path=path,
            kept_per_s=self._kept,
            failed_per_s=self._failed,
            why=self._why,
            doubt=self._doubt,
            trials=tuple(self._trials),
            rule=rule,
        )


def rule_of(limit_ms: float) -> str:
    """Say what a trial has to keep."""
    return (
        f"P95 <= {limit_ms:g} ms, no error, every request answered, and those without an answer do not grow; "
        "a rate that fails is tried again"
    )


def refusal_of(trial: Measured, limit_ms: float) -> str:
    """Say why a trial was not kept; nothing when it was.

    Args:
        trial: What was measured.
        limit_ms: The most that P95 may be, ms.
    """
    if trial.errors:
        return f"{trial.error_count} errors ({', '.join(trial.errors)})"
    if trial.p95_ms is None or trial.p95_ms > limit_ms:
        return "no answer" if trial.p95_ms is None else f"P95 {trial.p95_ms:.0f} ms"
    if (growth := growth_of(trial)) > max(GROWTH, GROWTH_SHARE * sum(int(one["done"]) for one in trial.seconds)):
        return f"the unanswered grew by {growth:.0f} during the trial"
    return ""


def growth_of(trial: Measured) -> float:
    """Give by how much the requests without an answer grew from the first third of a trial to its last.

    A queue that grows tells an overload long before P95 does: at 3 % too much it takes seconds to become 200 ms.
    """
    waiting = [int(one["in_flight"]) + int(one["backlog"]) for one in trial.seconds]
    third = len(waiting) // 3
    return sum(waiting[-third:]) / third - sum(waiting[:third]) / third if third else 0.0

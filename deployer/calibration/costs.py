"""What a request costs among others: bursts of few requests, never more than a part of what the host can carry.

A request that comes alone costs two or three times what it costs among others: the processor's caches are cold, and
each wakes every process anew. So the few that a light load may send are sent at once, and then none for a while.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from deployer.calibration.bursts import Bursts
from deployer.calibration.observed import Cost, Load, Quiet, cost_of
from deployer.errors import Inconclusive
from deployer.measured import PageKind

#: Load that is aimed at, and the most that a calibration may make, as shares of what the host can carry.
AIMED_SHARE, MOST_SHARE = 0.2, 0.3
#: Visitors wait at most so long for a burst to be through, ms, as far as single requests tell.
LONGEST_BURST_MS = 100.0
#: Requests of a burst. Those from the cache are quick, so that what the first of a burst cost besides (they find cold
#: caches) weighs less among many.
FEWEST_AT_ONCE = 2
MOST_AT_ONCE: Mapping[PageKind, int] = {"cached": 512, "uncached": 32}
#: They come over so many connections; what is due beyond that waits for one to be free, as under full load.
MOST_CONNECTIONS = 64
#: Two loads are compared whose bursts differ in size, by this factor.
LARGER = 4
#: A request from the cache costs so many times less among others than alone, at least; one that is made anew may not.
CHEAPER_AMONG_OTHERS: Mapping[PageKind, float] = {"cached": 3.0, "uncached": 1.0}
#: How long each of both loads lasts, s, and how often they are compared. What is counted is the mean without so many
#: of the least and of the greatest: one look at a machine that others share may say half or twice what there is.
LOAD_S = 3.0
REPEATS = 7
LEFT_OUT = 1
#: Loads that turned out to be too much, or told nothing, are taken again so often, with half as many requests.
MOST_AGAIN = 4


@dataclass
class Asked:
    """One page that is asked for in bursts, and what was found out so far.

    Attributes:
        path: The page.
        kind: Whether it may come from the cache.
        gentle: The load that asked for it one by one.
        alone_ms: What a request that comes alone takes of the host, ms.
        bursts_per_s: How often bursts come; half as often once they were more than a light load.
        found: What each comparison said.
        lost: Comparisons that said nothing.
    """

    path: str
    kind: PageKind
    gentle: Load
    alone_ms: float
    bursts_per_s: float = 0.0
    found: list[Cost] = field(default_factory=list)
    lost: int = 0

    @property
    def is_known(self) -> bool:
        """Whether it was compared often enough, or there is no use in trying."""
        return len(self.found) == REPEATS or self.lost > MOST_AGAIN

    @property
    def at_once(self) -> int:
        """Requests of a larger burst."""
        within = int(LONGEST_BURST_MS / self.alone_ms * CHEAPER_AMONG_OTHERS[self.kind])
        return max(FEWEST_AT_ONCE, min(MOST_AT_ONCE[self.kind], within))

    def compare(self, bursts: Bursts, quiet: Quiet) -> None:
        """Load the host with small bursts and with larger ones, once each; what says nothing is not kept."""
        at_once, few = self.at_once, max(1, self.at_once // LARGER)
        if not self.bursts_per_s:
            light_per_s = AIMED_SHARE * bursts.cores * 1000 / self.alone_ms * CHEAPER_AMONG_OTHERS[self.kind]
            self.bursts_per_s = min(light_per_s / at_once, 20.0)
        # a page that is slow comes more seldom than aimed: three bursts say more than none
        seconds = max(LOAD_S, 3 / self.bursts_per_s)
        job: dict[str, Any] = {"mode": "open", "connections": min(at_once, MOST_CONNECTIONS), "duration_s": seconds}
        small, large = (
            bursts.load(self.path, self.kind, gentle=True, **job, rate_per_s=self.bursts_per_s * burst, burst=burst)
            for burst in (few, at_once)
        )
        cost = cost_of((self.path, self.kind), small, large, quiet)
        if cost is not None and cost.share <= MOST_SHARE:
            self.found.append(cost)
            return
        self.lost += 1
        if cost is not None:
            self.bursts_per_s /= 2  # it was more than a light load

    def cost(self) -> Cost:
        """Give the mean of what was found, without its extremes.

        Raises:
            Inconclusive: Nothing was.
        """
        if not self.found:
            raise lost(self.path)
        told = sorted(one.cpu_ms for one in self.found)
        middle = mean(told[LEFT_OUT:-LEFT_OUT] or told)
        share = max(one.share for one in self.found)
        requests = sum(one.requests for one in self.found)
        kib, took_ms = self.found[0].kib, self.gentle.p50_ms
        return Cost(self.path, self.kind, middle, kib, requests, share, self.alone_ms, took_ms)


def costs_of(bursts: Bursts, pages: Sequence[Asked], quiet: Quiet) -> tuple[Cost, ...]:
    """Find out what a request of each page costs.

    The pages take turns: what a processor does in its second moves from one to the next, and so all have their share.

    Raises:
        Inconclusive: What a page costs was lost in what else the host did, or it answered with errors.
    """
    while left := [page for page in pages if not page.is_known]:
        for page in left:
            bursts.say("bursts", f"{page.kind} {page.path}, {len(page.found)} of {REPEATS} looks")
            page.compare(bursts, quiet)
    costs = tuple(page.cost() for page in pages)
    for cost in costs:
        told = f"{cost.cpu_ms:.3g} ms of the host for a request, at {cost.share:.0%} load"
        bursts.say(f"{cost.kind} {cost.path}", told)
    return costs


def lost(path: str) -> Inconclusive:
    """Give the error for a page whose cost could not be told."""
    return Inconclusive(f"what {path} costs was lost in what else the host did", where=path)

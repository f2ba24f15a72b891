"""Calibration on the live host: bursts of few requests, never more than a part of what it can carry, and looks around.

A request that comes alone costs two or three times what it costs among others: the processor's caches are cold, and
each wakes every process anew. So the few that a light load may send are sent at once, and then none for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from deployer.calibration.capacity import Page
from deployer.calibration.observed import Cost, Load, Observed, Quiet, Usage, cost_of
from deployer.errors import Inconclusive
from deployer.measured import PageKind
from deployer.slo import Slo
from deployer.transport import Agent
from deployer.verify.generator import generate
from deployer.verify.measured import Measured
from deployer.verify.target import VerifyTarget

#: Load that is aimed at, and the most that a calibration may make, as shares of what the host can carry.
AIMED_SHARE, MOST_SHARE = 0.2, 0.3
#: Visitors wait at most so long for a burst to be through, ms, as far as single requests tell.
LONGEST_BURST_MS = 100.0
FEWEST_AT_ONCE, MOST_AT_ONCE = 2, 32
MOST_AT_ONCE_CACHED = 128
#: Two loads are compared whose bursts differ in size, by this factor.
LARGER = 4
#: A request from the cache costs so many times less among others than alone, at least; one that is made anew may not.
CHEAPER_AMONG_OTHERS: Mapping[PageKind, float] = {"cached": 3.0, "uncached": 1.0}
#: Requests a second that come one by one: a few that fill caches, then enough for a mean, never beyond a light load.
FIRST_PER_S, FIRST_S = 8.0, 0.5
GENTLE_PER_S, GENTLE_S, FEWEST_GENTLE = 24.0, 4.0, 5
#: No server answers for less, ms: what is below is not a request's.
LEAST_ALONE_MS = 0.02
#: How long each of both loads lasts, s, and how often they are compared; the middle one of these counts.
LOAD_S = 3.0
REPEATS = 5
#: Loads that turned out to be too much, or told nothing, are taken again so often, with half as many requests.
MOST_AGAIN = 4
#: How long the host is looked at before anything is asked of it, s, and how often at most until it does no less.
IDLE_S = 3.0
MOST_IDLE = 8
#: What a host does by itself has settled once it falls no lower than to this share, or is so little (ms a s and core).
SETTLED_SHARE, SETTLED_MS_PER_S = 0.8, 10.0
HELD_CONNECTIONS = 100
#: A host that says nothing for so long while it is loaded may suffer: the load ends, s.
SILENCE_S = 3.0
TICKS = "the host counts processor time in ticks: costs of cached pages may be off by some percent"
#: Less memory than this share ends a load.
LEAST_AVAILABLE_SHARE = 0.05
OPENED_PER_S = 250
#: Connections that find out what a host really carries: enough that none of its processes waits for us.
SATURATING = {"cached": 64, "uncached": 32}

Say = Callable[[str, str], None]


@dataclass(frozen=True)
class Bursts:
    """Who asks, and who looks.

    Attributes:
        agent: The agent on the host.
        target: The site.
        units: Units that are looked at.
        cores: Cores of the host.
        cpus: Cores of this machine for the generator; none: anywhere.
        say: Gets what is done, and what came of it.
    """

    agent: Agent = field(repr=False)
    target: VerifyTarget
    units: tuple[str, ...]
    cores: int
    cpus: tuple[int, ...] = ()
    say: Say = field(repr=False, default=lambda _what, _message: None)

    def look(self, *, database: bool = False) -> Usage:
        """Look at the host once; asking the database costs it a process."""
        return Usage.of(self.agent.call({"op": "usage", "units": list(self.units), "database": database}, timeout_s=30))

    def load(self, path: str, kind: PageKind, *, gentle: bool = False, **job: Any) -> Load:
        """Ask for a page between two looks.

        Args:
            path: The page.
            kind: Whether it may come from the cache.
            gentle: An answer that is an error ends the calibration.
            job: Mode, connections, rate and duration, as the generator takes them.

        Raises:
            Inconclusive: Of a gentle load not every answer was good, or the host ran out of memory.
        """
        before = self.look()
        measured = self._generate(path, kind, job, gentle=gentle)
        if gentle and (measured.error_count or not measured.done):
            first = ", ".join(measured.first_errors.values()) or "no answer"
            raise Inconclusive(f"{path} answers with errors under a light load: {first}", where=path)
        kib = measured.bytes_per_answer / 1024
        return Load(before, self.look(), measured.done, measured.req_per_s, kib, measured.p50_ms or 0.0)

    def _generate(self, path: str, kind: PageKind, job: Mapping[str, Any], *, gentle: bool) -> Measured:
        headers = self.target.uncached_headers if kind == "uncached" else {}
        whole = self.target.job(path=path, headers=headers, opened_per_s=OPENED_PER_S, timeout_s=10.0, **job)
        low = ""

        def watch(second: Mapping[str, Any]) -> str:
            nonlocal low
            if gentle and second["errors"]:
                return "errors"
            seen = self.agent.call({"op": "usage"}, timeout_s=SILENCE_S)
            if seen["memory_available_mib"] < LEAST_AVAILABLE_SHARE * seen["memory_total_mib"]:
                low = f"only {seen['memory_available_mib']:.0f} MiB of the host's memory are left"
            return low

        measured = generate(f"{kind} {path}", whole, cpus=self.cpus, progress=watch)
        if low:
            raise Inconclusive(f"ended, as {low}", where=path)
        return measured


def calibrate(bursts: Bursts, pages: Sequence[tuple[str, PageKind]]) -> Observed:
    """Look at a host under a light load.

    Args:
        bursts: Who asks and who looks.
        pages: The pages, and whether each comes from the cache.

    Returns:
        What was seen.

    Raises:
        Inconclusive: A page answers with errors, or the host is busy with something else.
    """
    bursts.say("idle", f"looking at the host for {IDLE_S:g} s")
    idle = bursts.look()
    quiet = _quiet(bursts)
    gentle = {page: _gentle(bursts, page, quiet) for page in pages}
    settled = bursts.look()
    costs = tuple(_cost(bursts, page, *found, quiet) for page, found in gentle.items())
    at_once = max((_at_once(kind, gentle[path, kind][1]) for path, kind in pages if kind == "uncached"), default=1)
    after = bursts.look(database=True)
    held = _held(bursts, pages[0])
    doubts = (TICKS,) if after.counted_by == "stat" else ()
    return Observed(idle, settled, after, costs, at_once, held, doubts)


def alone(bursts: Bursts, pages: Sequence[tuple[str, PageKind]]) -> tuple[Page, ...]:
    """Ask for pages a few times, one by one, as a visitor does: their sizes, and what each takes of the host then.

    Raises:
        Inconclusive: A page answers with errors, or the host is busy with something else.
    """
    quiet = _quiet(bursts)
    found = []
    for page in pages:
        load, alone_ms = _gentle(bursts, page, quiet)
        found.append(Page(*page, load.kib, alone_ms))
    return tuple(found)


def _quiet(bursts: Bursts) -> Quiet:
    """See what the host does while nobody asks, once it does no less: it is busy for a while after a start."""
    found = _idle_ms_per_s(bursts)
    for _ in range(MOST_IDLE - 1):
        if found <= SETTLED_MS_PER_S * bursts.cores:
            break
        before, found = found, _idle_ms_per_s(bursts)
        if SETTLED_SHARE * before <= found <= MOST_SHARE * 1000 * bursts.cores:
            found = min(before, found)
            break
    if found > MOST_SHARE * 1000 * bursts.cores:
        busy = found / 10 / bursts.cores
        raise Inconclusive(f"the host is {busy:.0f} % busy by itself: wait until nobody visits it")
    return Quiet(found, bursts.cores)


def _idle_ms_per_s(bursts: Bursts) -> float:
    first = bursts.look()
    time.sleep(IDLE_S)
    last = bursts.look()
    return (last.cpu_ms - first.cpu_ms) / (last.at_s - first.at_s)


def _gentle(bursts: Bursts, page: tuple[str, PageKind], quiet: Quiet) -> tuple[Load, float]:
    """Ask one by one: caches fill, and what a request costs at the most is known, ms."""
    job: dict[str, Any] = {"mode": "open", "connections": 1}
    first = bursts.load(*page, gentle=True, **job, rate_per_s=FIRST_PER_S, duration_s=FIRST_S)
    rate = min(GENTLE_PER_S, AIMED_SHARE * 1000 * quiet.cores / max(first.p50_ms, 1.0))
    for _ in range(1 + MOST_AGAIN):
        load = bursts.load(*page, gentle=True, **job, rate_per_s=rate, duration_s=max(GENTLE_S, FEWEST_GENTLE / rate))
        alone_ms = (load.cpu_ms - quiet.idle_ms_per_s * load.seconds) / load.done
        if alone_ms > LEAST_ALONE_MS:
            return load, alone_ms
    raise _lost(page[0])


def _lost(path: str) -> Inconclusive:
    return Inconclusive(f"what {path} costs was lost in what else the host did", where=path)


def _at_once(kind: PageKind, alone_ms: float) -> int:
    most = MOST_AT_ONCE if kind == "uncached" else MOST_AT_ONCE_CACHED
    return max(FEWEST_AT_ONCE, min(most, int(LONGEST_BURST_MS / alone_ms)))


def _cost(bursts: Bursts, page: tuple[str, PageKind], gentle: Load, alone_ms: float, quiet: Quiet) -> Cost:
    """Find out what a request costs among others, in bursts that together are a light load."""
    path, kind = page
    at_once = _at_once(kind, alone_ms)
    few = max(1, at_once // LARGER)
    bursts_per_s = min(AIMED_SHARE * bursts.cores * 1000 / alone_ms * CHEAPER_AMONG_OTHERS[kind] / at_once, 20.0)
    found: list[Cost] = []
    for _ in range(REPEATS + MOST_AGAIN):
        # a page that is slow comes more seldom than aimed: three bursts say more than none
        job: dict[str, Any] = {"mode": "open", "connections": at_once, "duration_s": max(LOAD_S, 3 / bursts_per_s)}
        small, large = (
            bursts.load(path, kind, gentle=True, **job, rate_per_s=bursts_per_s * burst, burst=burst)
            for burst in (few, at_once)
        )
        cost = cost_of(page, small, large, quiet)
        if cost is not None and cost.share > MOST_SHARE:
            bursts_per_s /= 2  # more than a light load, which counts for nothing
        elif cost is not None:
            found.append(cost)
        if len(found) == REPEATS:
            break
    if not found:
        raise _lost(path)
    middle = median(cost.cpu_ms for cost in found)
    share = max(cost.share for cost in found)
    requests = sum(cost.requests for cost in found)
    bursts.say(f"{kind} {path}", f"{middle:.3g} ms of the host for a request, at {share:.0%} load")
    return Cost(path, kind, middle, found[0].kib, requests, share, alone_ms, gentle.p50_ms)


def _held(bursts: Bursts, page: tuple[str, PageKind]) -> tuple[int, float]:
    """Hold connections that ask for nothing much, and say what nginx holds more with them, MiB."""
    before = bursts.look()
    most = before.held_mib("nginx.service")

    def watch(_second: Mapping[str, Any]) -> str:
        nonlocal most
        most = max(most, bursts.look().held_mib("nginx.service"))
        return ""

    job = bursts.target.job(
        path=page[0],
        mode="hold",
        connections=HELD_CONNECTIONS,
        duration_s=2.5,
        request_every_s=2.5,
        opened_per_s=OPENED_PER_S,
        timeout_s=10.0,
    )
    generate("held", job, cpus=bursts.cpus, progress=watch)
    return HELD_CONNECTIONS, most - before.held_mib("nginx.service")


def pages_of(slo: Slo, *, both_ways: Sequence[str] = ()) -> tuple[tuple[str, PageKind], ...]:
    """Name the pages that an SLO is about, cached and made anew; or others, each both ways."""
    cached = both_ways or (slo.cached_path,)
    uncached = both_ways or slo.uncached_paths
    found: list[tuple[str, PageKind]] = [(path, "cached") for path in cached]
    return tuple(dict.fromkeys([*found, *((path, "uncached") for path in uncached)]))


def saturate(bursts: Bursts, path: str, kind: PageKind, seconds: float) -> tuple[float, float]:
    """Ask for a page as fast as the host answers: this is full load.

    Returns:
        Good answers a second, and the share of its processors that the host used.
    """
    load = bursts.load(path, kind, mode="closed", connections=SATURATING[kind], duration_s=seconds)
    share = load.cpu_ms / (1000 * bursts.cores * seconds)
    bursts.say(f"{kind} {path}", f"{load.req_per_s:.0f} requests/s, {share:.0%} of its processors")
    return load.req_per_s, min(1.0, share)

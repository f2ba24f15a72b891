"""Calibration on the live host: what it does by itself, what a page takes alone and among others, what is held."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from deployer.calibration.bursts import OPENED_PER_S, Bursts
from deployer.calibration.capacity import Page
from deployer.calibration.costs import AIMED_SHARE, MOST_AGAIN, MOST_SHARE, Asked, costs_of, lost
from deployer.calibration.observed import Load, Observed, Quiet
from deployer.errors import Inconclusive
from deployer.measured import PageKind
from deployer.slo import Slo
from deployer.verify.generator import generate

#: Requests a second that come one by one: a few that fill caches, then enough for a mean, never beyond a light load.
FIRST_PER_S, FIRST_S = 8.0, 0.5
GENTLE_PER_S, GENTLE_S, FEWEST_GENTLE = 24.0, 4.0, 5
#: No server answers for less, ms: what is below is not a request's.
LEAST_ALONE_MS = 0.02
#: How long the host is looked at before anything is asked of it, s, and how often at most until it does no less.
IDLE_S = 3.0
MOST_IDLE = 8
#: What a host does by itself has settled once it falls no lower than to this share, or is so little (ms a s and core).
SETTLED_SHARE, SETTLED_MS_PER_S = 0.8, 10.0
HELD_CONNECTIONS = 100
ASLEEP = "the host's processors could not be kept awake: pages may cost less under full load than is written"
TICKS = "the host counts processor time in ticks: costs of cached pages may be off by some percent"
#: Connections that find out what a host really carries: enough that none of its processes waits for us.
SATURATING = {"cached": 64, "uncached": 32}
#: Full load before the one that counts, s: connections are opened, and a machine that was idle comes up to its speed.
WARM_UP_S = 3.0


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
    with bursts.awake() as is_awake:
        idle = bursts.look()
        quiet = _quiet(bursts)
        asked = [Asked(*page, *_gentle(bursts, page, quiet)) for page in pages]
        settled = bursts.look()
        costs = costs_of(bursts, asked, quiet)
    at_once = max((page.at_once for page in asked if page.kind == "uncached"), default=1)
    after = bursts.look(database=True)
    held = _held(bursts, pages[0])
    doubts = (*((TICKS,) if after.counted_by == "stat" else ()), *(() if is_awake else (ASLEEP,)))
    return Observed(idle, settled, after, costs, at_once, held, doubts)


def alone(bursts: Bursts, pages: Sequence[tuple[str, PageKind]]) -> tuple[Page, ...]:
    """Ask for pages a few times, one by one, as a visitor does: their sizes, and what each takes of the host then.

    Raises:
        Inconclusive: A page answers with errors, or the host is busy with something else.
    """
    found = []
    with bursts.awake():
        quiet = _quiet(bursts)
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
    raise lost(page[0])


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
    job: dict[str, Any] = {"mode": "closed", "connections": SATURATING[kind]}
    bursts.load(path, kind, **job, duration_s=WARM_UP_S)
    load = bursts.load(path, kind, **job, duration_s=seconds)
    share = load.cpu_ms / (1000 * bursts.cores * seconds)
    bursts.say(f"{kind} {path}", f"{load.req_per_s:.0f} requests/s, {share:.0%} of its processors")
    return load.req_per_s, min(1.0, share)

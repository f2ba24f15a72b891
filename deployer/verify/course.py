"""The whole load test, phase after phase, as against the quick one that follows a deploy.

preflight -> ceiling of the link -> warm-up until steady -> hold -> rates -> full load -> higher rates -> uncached
pages -> search for the knee -> cool-down. What the link cannot carry, or the page did not bring at full load, is not
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, Final, Protocol

from deployer.errors import Inconclusive
from deployer.slo import Phases, Slo
from deployer.verify.bottleneck import generator_doubt, starved
from deployer.verify.ceiling import ASKED_SHARE, link_ceiling_req_per_s, link_mbit_per_s
from deployer.verify.judge import CACHED, HOLD, KNEE, rate_phase
from deployer.verify.knee import Knee, Search, Trial, refusal_of, rule_of
from deployer.verify.leak import Rest
from deployer.verify.lines import kinds
from deployer.verify.measured import Measured
from deployer.verify.steady import ALIKE, is_steady, still_warming
from deployer.verify.target import VerifyTarget
from deployer.verify.verdict import Findings

CEILING: Final = "ceiling"
#: Requests that the preflight asks each page for, one after the other.
PREFLIGHT_REQUESTS: Final = 10
PREFLIGHT_S: Final = 2.0
#: The link is measured with so many connections, s.
CEILING_CONNECTIONS: Final = 16
CEILING_S: Final = 2.0
WARMUP_CONNECTIONS: Final = 8
#: Long enough for a sample of the host at rest, s.
REST_S: Final = 2.5
#: At full load over a link whose speed is known, so many connections ask that each waits so long for the link, s.
FULL_WAIT_S: Final = 2.0
#: P95 rests on so many answers, if three times the usual length is enough for them: 100 are slower.
ANSWERS: Final = 2000
#: The search begins at this share of what is expected, and goes up to so many times of it.
KNEE_FIRST_SHARE, KNEE_MOST_FACTOR = 0.9, 2.0
KNEE_CONNECTIONS: Final = 32


class Watched(Protocol):
    """Runs phases, watched; a phase is None once the load was stopped or the time is up."""

    target: VerifyTarget
    phases: Phases

    @property
    def stopped(self) -> str:
        """Why the load was ended early."""
        ...

    def phase(self, name: str, **job: Any) -> Measured | None:
        """Run a phase that is part of the result."""
        ...

    def generate(self, name: str, job: Mapping[str, Any]) -> Measured | None:
        """Run one that is not."""
        ...

    def uncached(self, path: str) -> None:
        """Measure what an uncached page carries, and its latency below that."""
        ...

    def rest(self, name: str, seconds: float) -> Rest:
        """Ask for nothing."""
        ...

    def tell(self, line: str) -> None:
        """Tell the user."""
        ...


def expected_s(slo: Slo, phases: Phases, target: VerifyTarget) -> float:
    """Estimate how long the whole test takes, s; a warm-up that takes longer or a longer search is not in it."""
    paths = 1 + len(target.uncached_paths)
    opening_s = target.connections / phases.opened_per_s
    rates_s = sum(
        rate_s(phases, rate) + min(target.connections, rate) / phases.opened_per_s for rate in slo.rates_per_s
    )
    uncached_s = len(target.uncached_paths) * (phases.capacity_s + phases.open_s + 1)
    return (
        paths * (1 + (ALIKE + 1) * phases.warmup_s)
        + CEILING_S
        + REST_S
        + 2 * opening_s
        + phases.hold_s
        + phases.closed_s
        + rates_s
        + uncached_s
        + phases.trials * (phases.trial_s + 0.5)
        + phases.cooldown_s
    )


def rate_s(phases: Phases, rate_per_s: int) -> float:
    """Say how long a rate is asked for: until P95 rests on 2000 answers, within one to three times ``rate_s``, s."""
    return min(3 * phases.rate_s, max(phases.rate_s, ANSWERS / rate_per_s))


class Course:
    """One whole test.

    Args:
        watched: Runs its phases.
        slo: What the host is held to.
    """

    def __init__(self, watched: Watched, slo: Slo) -> None:
        self._run = watched
        self._slo = slo
        self._target, self._phases = watched.target, watched.phases
        self._warming: dict[tuple[str, bool], str] = {}
        self._over_link: set[int] = set()
        self._over_capacity: set[int] = set()

    def all(self) -> Findings:
        """Run it.

        Raises:
            Inconclusive: A page does not answer as it should before there is any load.
        """
        target, phases = self._target, self._phases
        for path in target.uncached_paths:
            self._preflight(path, cached=False)
        self._preflight(target.cached_path, cached=True)
        ceiling, _ = self._ceiling()
        self._warm_up(target.cached_path, cached=True)
        for path in target.uncached_paths:
            self._warm_up(path, cached=False)
        before = self._run.rest("rest", REST_S)
        connections = target.connections
        # no more than the link carries: what is asked is whether the connections stay, not whether the link holds
        every_s = max(phases.request_every_s, 0.0 if ceiling is None else connections / (ASKED_SHARE * ceiling))
        busy = connections if ceiling is None else min(connections, max(1, int(ceiling * FULL_WAIT_S)))
        asked = {"path": target.cached_path}
        hold = {"duration_s": phases.hold_s, "request_every_s": every_s}
        self._run.phase(HOLD, **asked, mode="hold", connections=connections, **hold)
        rates = sorted(self._slo.rates_per_s)
        for rate in (rate for rate in rates if rate <= connections):
            self._rate(rate, ceiling, None)
        full = self._run.phase(CACHED, **asked, mode="closed", connections=busy, duration_s=phases.closed_s)
        for rate in (rate for rate in rates if rate > connections):
            self._rate(rate, ceiling, full)
        for path in target.uncached_paths:
            self._run.uncached(path)
        knee = self._knee(ceiling, full)
        after = self._run.rest("cool-down", phases.cooldown_s)
        return Findings(
            whole=True,
            ceiling_req_per_s=ceiling,
            warming=self._warming,
            over_link=frozenset(self._over_link),
            over_capacity=frozenset(self._over_capacity),
            knee=knee,
            rests=None if self._run.stopped else (before, after),
        )

    def knee_alone(self) -> Findings:
        """Look for the ceiling of the link and for the knee of the cached page, and for nothing else.

        Raises:
            Inconclusive: The page does not answer as it should before there is any load.
        """
        self._preflight(self._target.cached_path, cached=True)
        ceiling, brought = self._ceiling()
        self._warm_up(self._target.cached_path, cached=True)
        knee = self._knee(ceiling, brought)
        return Findings(ceiling_req_per_s=ceiling, warming=self._warming, knee=knee)

    def _asked(self, path: str, *, cached: bool) -> dict[str, Any]:
        return {"path": path, "headers": {} if cached else self._target.uncached_headers}

    def _preflight(self, path: str, *, cached: bool) -> None:
        load = {"mode": "closed", "connections": 1, "duration_s": PREFLIGHT_S, "max_requests": PREFLIGHT_REQUESTS}
        measured = self._run.generate(f"preflight {path}", {**self._asked(path, cached=cached), **load})
        if measured is not None and not measured.stopped and (measured.errors or not measured.done):
            raise Inconclusive(
                f"the site does not answer for {path} as it should: {kinds(measured) or 'no answer'}",
                where="slo.cached_path and slo.uncached_paths",
                next_step="name pages that are there; those of a database depend on what it was filled with",
            )

    def _ceiling(self) -> tuple[float | None, Measured | None]:
        """Weigh an answer, and work out what the link carries of it before anything else is asked.

        Returns:
            Requests/s that the link carries, None where its speed is not known; and what was measured.
        """
        measured = self._run.phase(
            CEILING,
            path=self._target.cached_path,
            mode="closed",
            connections=min(CEILING_CONNECTIONS, self._target.connections),
            duration_s=CEILING_S,
        )
        if measured is None or not measured.done:
            return None, measured
        ceiling = link_ceiling_req_per_s(measured, self._target)
        took = f"{measured.bytes_per_answer:.0f} bytes an answer; {link_mbit_per_s(measured, self._target):.1f} Mbit/s"
        computed = "the link's speed is not known" if ceiling is None else f"the link carries {ceiling:.0f} requests/s"
        self._run.tell(f"{CEILING}: {computed} ({took} were measured)")
        return ceiling, measured

    def _warm_up(self, path: str, *, cached: bool) -> None:
        """Ask without counting until three windows are alike, or for ``warmup_most_s``."""
        load = {"mode": "closed", "connections": WARMUP_CONNECTIONS, "duration_s": self._phases.warmup_s}
        windows: list[Measured] = []
        most = max(ALIKE, int(self._phases.warmup_most_s / self._phases.warmup_s))
        while len(windows) < most and not is_steady(windows):
            measured = self._run.generate(f"warm-up {path}", {**self._asked(path, cached=cached), **load})
            if measured is None:
                return
            windows.append(measured)
        if why := still_warming(windows):
            self._warming[path, cached] = why
        self._run.tell(
            f"warm-up {path}: {'steady' if is_steady(windows) else 'not steady'} after {len(windows)} windows"
        )

    def _rate(self, rate_per_s: int, ceiling: float | None, full: Measured | None) -> None:
        name = rate_phase(rate_per_s)
        if ceiling is not None and rate_per_s > ASKED_SHARE * ceiling:
            self._over_link.add(rate_per_s)
            self._run.tell(f"{name}: not asked for, the link carries {ceiling:.0f} requests/s")
        elif full is not None and rate_per_s > full.req_per_s:
            self._over_capacity.add(rate_per_s)
            self._run.tell(f"{name}: not asked for, full load brought {full.req_per_s:.0f} requests/s")
        else:
            self._run.phase(
                name,
                path=self._target.cached_path,
                mode="open",
                connections=min(self._target.connections, rate_per_s),
                duration_s=rate_s(self._phases, rate_per_s),
                rate_per_s=float(rate_per_s),
            )

    def _knee(self, ceiling: float | None, full: Measured | None) -> Knee | None:
        """Search for the largest rate of the cached page that keeps its P95."""
        if full is None or not full.done:
            return None
        expected = full.req_per_s if ceiling is None else min(ceiling, full.req_per_s)
        return search_knee(
            self._run, self._slo, first_per_s=KNEE_FIRST_SHARE * expected, most_per_s=KNEE_MOST_FACTOR * expected
        )


def search_knee(run: Watched, slo: Slo, *, first_per_s: float, most_per_s: float) -> Knee:
    """Search for the largest rate of arrivals at which the cached page keeps its P95.

    Args:
        run: Runs the trials.
        slo: With the limit and the precision.
        first_per_s: The first rate, requests/s.
        most_per_s: No rate above it is tried, requests/s.
    """
    target, limit_ms = run.target, slo.cached_p95_ms
    search = Search(
        first_per_s=first_per_s,
        most_per_s=most_per_s,
        precision_share=slo.knee_precision_share,
        trials=run.phases.trials,
    )
    number = 0
    while (rate_per_s := search.next_per_s()) is not None:
        number += 1
        # so many are in progress when answers take as long as they may (Little's law); more would hide a queue here
        at_once = ceil(1.25 * rate_per_s * limit_ms / 1000)
        trial = run.phase(
            f"{KNEE} {number}",
            path=target.cached_path,
            mode="open",
            connections=min(target.connections, max(KNEE_CONNECTIONS, at_once)),
            duration_s=run.phases.trial_s,
            rate_per_s=rate_per_s,
        )
        if trial is None or trial.stopped:
            break
        refusal = refusal_of(trial, limit_ms)
        doubt = (generator_doubt(trial, limit_ms) or starved(trial)) if refusal else ""
        search.tell(Trial(rate_per_s=rate_per_s, p95_ms=trial.p95_ms, refusal=refusal, doubt=doubt))
        run.tell(f"{KNEE} {number}: {refusal or 'kept'}")
    return search.knee(target.cached_path, rule_of(limit_ms))

"""The load test from beginning to end: phase after phase, watched, and ended as soon as the host suffers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from deployer.errors import Inconclusive
from deployer.slo import Phases, Slo
from deployer.verify.generator import generate
from deployer.verify.judge import CACHED, HOLD, capacity_phase, judge, open_phase
from deployer.verify.measured import Measured
from deployer.verify.sampler import Sampler, Unwatched
from deployer.verify.target import VerifyTarget
from deployer.verify.verdict import Verdict

WARMUP_CONNECTIONS: Final = 8
#: The open model has this many connections for each of those that measured the capacity: requests must not queue here.
OPEN_CONNECTIONS_FACTOR: Final = 8
OPEN_CONNECTIONS_MOST: Final = 256
#: The least rate of arrivals that says anything within some seconds, requests a second.
LEAST_RATE_PER_S: Final = 1.0

Say = Callable[[str], None]


def _silent(_line: str) -> None:
    """Say nothing."""


def verify(
    target: VerifyTarget,
    slo: Slo,
    sampler: Sampler | None = None,
    *,
    phases: Phases | None = None,
    generator_cpus: Sequence[int] | None = None,
    say: Say = _silent,
) -> Verdict:
    """Put a host under load and say whether it does what it is held to.

    Args:
        target: What is put under load.
        slo: What it is held to.
        sampler: Who watches the host; not entered yet. None: nobody, and what only the host knows is inconclusive.
        phases: How long each part lasts; those of the SLO if left out.
        generator_cpus: Cores of this machine for the generator, a process each; it must not share them with a
            host on the same machine. None: one process, wherever the kernel puts it.
        say: Gets a line for each phase.

    Returns:
        The verdict; ``outcome`` is ``kept``, ``missed`` or ``inconclusive``.

    Raises:
        Inconclusive: The generator could not run, or the site has no such page.
        DeployerError: The sampling could not begin.
    """
    run = _Run(target, phases or slo.phases, sampler or Unwatched(), tuple(generator_cpus or ()), say)
    began = time.monotonic()
    with run.sampler:
        run.all()
        host = run.sampler.finish()
    duration_s = round(time.monotonic() - began, 1)
    timed = slo.model_copy(update={"phases": run.phases})
    return judge(run.measured, host, target, timed, stopped=run.stopped, duration_s=duration_s)


class _Run:
    """The phases of one run, in order; after a stop no other begins."""

    def __init__(self, target: VerifyTarget, phases: Phases, sampler: Sampler, cpus: tuple[int, ...], say: Say) -> None:
        self.target = target
        self.phases = phases
        self.sampler = sampler
        self.measured: list[Measured] = []
        self.stopped = ""
        self._cpus = cpus
        self._say = say

    def all(self) -> None:
        phases, connections = self.phases, self.target.connections
        self._warm_up(self.target.cached_path, {})
        for path in self.target.uncached_paths:
            self._warm_up(path, self.target.uncached_headers)
        self._phase(
            HOLD,
            path=self.target.cached_path,
            mode="hold",
            connections=connections,
            duration_s=phases.hold_s,
            request_every_s=phases.request_every_s,
        )
        self._phase(
            CACHED, path=self.target.cached_path, mode="closed", connections=connections, duration_s=phases.closed_s
        )
        for path in self.target.uncached_paths:
            self._uncached(path)

    def _warm_up(self, path: str, headers: Mapping[str, str]) -> None:
        """Ask for a page without counting: caches, pools and lazy imports of a fresh deploy are not the subject.

        Raises:
            Inconclusive: The site says that there is no such page; how it does under load would tell nothing.
        """
        load = {"mode": "closed", "connections": WARMUP_CONNECTIONS, "duration_s": self.phases.warmup_s}
        measured = self._generate(f"warm-up {path}", {"path": path, "headers": headers, **load})
        if measured is not None and not measured.done and measured.first_errors.get("status") == "status 404":
            raise Inconclusive(
                f"the site has no page {path} (404)",
                where="slo.cached_path and slo.uncached_paths",
                next_step="name pages that are there; those of a database depend on what it was filled with",
            )

    def _uncached(self, path: str) -> None:
        """Measure what a page can carry, then its latency below that."""
        phases = self.phases
        asked = {"path": path, "headers": self.target.uncached_headers}
        connections = phases.capacity_connections
        capacity = self._phase(
            capacity_phase(path), **asked, mode="closed", connections=connections, duration_s=phases.capacity_s
        )
        if capacity is None or not capacity.done:
            return
        self._phase(
            open_phase(path),
            **asked,
            mode="open",
            connections=min(OPEN_CONNECTIONS_MOST, connections * OPEN_CONNECTIONS_FACTOR),
            duration_s=phases.open_s,
            rate_per_s=max(LEAST_RATE_PER_S, capacity.req_per_s * phases.open_share),
        )

    def _phase(self, name: str, **job: Any) -> Measured | None:
        measured = self._generate(name, job)
        if measured is not None:
            self.measured.append(measured)
        return measured

    def _generate(self, name: str, job: Mapping[str, Any]) -> Measured | None:
        self.stopped = self.stopped or self.sampler.alarm()
        if self.stopped:
            return None
        rate = f", {job['rate_per_s']:.0f} requests/s" if "rate_per_s" in job else ""
        self._say(f"{name}: {job['connections']} connections for {job['duration_s']:g} s{rate}")
        phases = self.phases
        whole = self.target.job(opened_per_s=phases.opened_per_s, timeout_s=phases.timeout_s, **job)
        measured = generate(name, whole, cpus=self._cpus, progress=self._progress)
        if self.stopped:
            self._say(f"{name}: ended early: {self.stopped}")
        else:
            p95 = "" if measured.p95_ms is None else f", P95 {measured.p95_ms:.1f} ms"
            self._say(f"{name}: {measured.req_per_s:.0f} requests/s{p95}, {measured.error_count} errors")
        return measured

    def _progress(self, _second: Mapping[str, Any]) -> str:
        self.stopped = self.stopped or self.sampler.alarm()
        return self.stopped

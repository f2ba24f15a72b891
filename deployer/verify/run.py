"""The load test from beginning to end: phase after phase, watched, and ended as soon as the host suffers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from deployer.errors import Inconclusive
from deployer.slo import Phases, Slo
from deployer.verify.course import Course, expected_s
from deployer.verify.generator import generate
from deployer.verify.journeys import Journeys, travelling
from deployer.verify.judge import CACHED, HOLD, JOURNEYS, capacity_phase, judge, open_phase
from deployer.verify.leak import Rest
from deployer.verify.measured import Measured
from deployer.verify.safety import Guard, Stop
from deployer.verify.sampler import Sampler, Unwatched
from deployer.verify.target import VerifyTarget
from deployer.verify.vantage import Vantage
from deployer.verify.verdict import Findings, Verdict

WARMUP_CONNECTIONS: Final = 8
#: The open model has this many connections for each of those that measured the capacity: requests must not queue here.
OPEN_CONNECTIONS_FACTOR: Final = 8
OPEN_CONNECTIONS_MOST: Final = 256
#: The least rate of arrivals that says anything within some seconds, requests a second.
LEAST_RATE_PER_S: Final = 1.0
#: While nothing is asked, the host is looked after this often, s.
LOOK_EVERY_S: Final = 0.1

Say = Callable[[str], None]


def _silent(_line: str) -> None:
    """Say nothing."""


def verify(
    target: VerifyTarget,
    slo: Slo,
    sampler: Sampler | None = None,
    *,
    phases: Phases | None = None,
    whole: bool = False,
    generator_cpus: Sequence[int] | None = None,
    vantages: Sequence[Vantage] = (),
    journeys: Journeys | None = None,
    say: Say = _silent,
) -> Verdict:
    """Put a host under load and say whether it does what it is held to.

    Args:
        target: What is put under load.
        slo: What it is held to.
        sampler: Who watches the host; not entered yet. None: nobody, and what only the host knows is inconclusive.
        phases: How long each part lasts; those of the SLO if left out.
        whole: All phases, minutes; else the quick test that follows a deploy.
        generator_cpus: Cores of this machine for the generator, a process each; it must not share them with a
            host on the same machine. None: one process, wherever the kernel puts it.
        vantages: Where the load comes from, if not from this machine alone.
        journeys: What users of the caller's own do, instead of all phases.
        say: Gets a line for each phase.

    Returns:
        The verdict; ``outcome`` is ``kept``, ``missed`` or ``inconclusive``.

    Raises:
        Inconclusive: The generator could not run, or the site has no such page.
        DeployerError: The sampling could not begin.
    """
    run = Run(target, phases or slo.phases, sampler or Unwatched(), tuple(generator_cpus or ()), say)
    run.vantages, run.guard = tuple(vantages), Guard(slo.abort)
    timed = slo.model_copy(update={"phases": run.phases})
    with run.sampler:
        if journeys is not None:
            findings = run.travelled(journeys)
        elif whole:
            findings = run.whole(timed)
        else:
            findings = run.quick()
        host = run.sampler.finish()
    findings = replace(findings, cut=run.cut)
    return judge(run.measured, host, target, timed, stop=run.stop, duration_s=round(run.took_s, 1), findings=findings)


def find_knee(
    target: VerifyTarget,
    slo: Slo,
    sampler: Sampler | None = None,
    *,
    generator_cpus: Sequence[int] | None = None,
    say: Say = _silent,
) -> Findings:
    """Look for the largest rate of arrivals at which the cached page keeps its P95, and for the ceiling of the link.

    Args:
        target: What is put under load.
        slo: The limit, the precision, and how long a trial is.
        sampler: Who watches the host; not entered yet.
        generator_cpus: As for ``verify``.
        say: Gets a line for each phase.

    Raises:
        Inconclusive: The load was ended early, or the page does not answer.
    """
    run = Run(target, slo.phases, sampler or Unwatched(), tuple(generator_cpus or ()), say)
    run.guard = Guard(slo.abort)
    with run.sampler:
        findings = Course(run, slo).knee_alone()
    if run.stopped:
        raise Inconclusive(f"the search was ended early: {run.stopped}")
    return findings


class Run:
    """The phases of one run, in order; after a stop, or once the time is up, no other begins.

    Args:
        target: What is put under load.
        phases: How long each part lasts.
        sampler: Who watches the host.
        cpus: Cores for the generator.
        say: Gets a line for each phase.
    """

    def __init__(self, target: VerifyTarget, phases: Phases, sampler: Sampler, cpus: tuple[int, ...], say: Say) -> None:
        self.target = target
        self.phases = phases
        self.sampler = sampler
        self.measured: list[Measured] = []
        self.stop: Stop | None = None
        self.cut = ""
        self.tell = say
        self._cpus = cpus
        self.vantages: tuple[Vantage, ...] = ()
        self.guard = Guard()
        self._began_s = time.monotonic()
        self._expected_s: float | None = None

    @property
    def stopped(self) -> str:
        """Why the load was ended early; nothing while it was not."""
        return self.stop.why if self.stop else ""

    @property
    def took_s(self) -> float:
        """How long it has gone on, s."""
        return time.monotonic() - self._began_s

    def quick(self) -> Findings:
        """Run the phases that follow a deploy."""
        phases, connections = self.phases, self.target.connections
        self._warm_up(self.target.cached_path, {})
        for path in self.target.uncached_paths:
            self._warm_up(path, self.target.uncached_headers)
        self.phase(
            HOLD,
            path=self.target.cached_path,
            mode="hold",
            connections=connections,
            duration_s=phases.hold_s,
            request_every_s=phases.request_every_s,
        )
        self.phase(
            CACHED, path=self.target.cached_path, mode="closed", connections=connections, duration_s=phases.closed_s
        )
        for path in self.target.uncached_paths:
            self.uncached(path)
        return Findings()

    def whole(self, slo: Slo) -> Findings:
        """Run all phases there are."""
        self._expected_s = expected_s(slo, self.phases, self.target)
        self.tell(f"all phases: about {_minutes(self._expected_s)}, at most {_minutes(self.phases.most_s)}")
        return Course(self, slo).all()

    def travelled(self, journeys: Journeys) -> Findings:
        """Have users make journeys, and nothing else."""
        self.vantages = tuple(travelling(self.vantages, journeys, self._cpus))
        self.phase(JOURNEYS, **journeys.job())
        return Findings(journeys=True)

    def uncached(self, path: str) -> None:
        """Measure what a page can carry, then its latency below that."""
        phases = self.phases
        asked = {"path": path, "headers": self.target.uncached_headers}
        connections = phases.capacity_connections
        capacity = self.phase(
            capacity_phase(path), **asked, mode="closed", connections=connections, duration_s=phases.capacity_s
        )
        if capacity is None or not capacity.done:
            return
        self.phase(
            open_phase(path),
            **asked,
            mode="open",
            connections=min(OPEN_CONNECTIONS_MOST, connections * OPEN_CONNECTIONS_FACTOR),
            duration_s=phases.open_s,
            rate_per_s=max(LEAST_RATE_PER_S, capacity.req_per_s * phases.open_share),
        )

    def phase(self, name: str, **job: Any) -> Measured | None:
        """Run a phase that is part of the result; None once the load was stopped or the time is up."""
        measured = self.generate(name, job)
        if measured is not None:
            self.measured.append(measured)
        return measured

    def generate(self, name: str, job: Mapping[str, Any]) -> Measured | None:
        """Run one that is not."""
        if self._alarm():
            return None
        if self._expected_s is not None and self.took_s > self.phases.most_s:
            self.cut = self.cut or f"the time was up after {self.phases.most_s:g} s (slo.phases.most_s): {name}"
            return None
        self.guard.begin(name, str(job["mode"]))
        rate = f", {job['rate_per_s']:.0f} requests/s" if "rate_per_s" in job else ""
        at = f" [{_minutes(self.took_s)} of about {_minutes(self._expected_s)}]" if self._expected_s else ""
        self.tell(f"{name}: {job['connections']} connections for {job['duration_s']:g} s{rate}{at}")
        phases = self.phases
        whole = self.target.job(**{"opened_per_s": phases.opened_per_s, "timeout_s": phases.timeout_s, **job})
        measured = generate(
            name, whole, cpus=self._cpus, vantages=self.vantages, progress=self._progress, alarm=self._alarm
        )
        if self.stopped:
            self.tell(f"{name}: ended early: {self.stopped}")
        else:
            p95 = "" if measured.p95_ms is None else f", P95 {measured.p95_ms:.1f} ms"
            self.tell(f"{name}: {measured.req_per_s:.0f} requests/s{p95}, {measured.error_count} errors")
        return measured

    def rest(self, name: str, seconds: float) -> Rest:
        """Ask for nothing, and go on looking after the host."""
        began_s = time.monotonic()
        if not self._alarm():
            self.tell(f"{name}: {seconds:g} s without load")
        while time.monotonic() < began_s + seconds and not self._alarm():
            time.sleep(LOOK_EVERY_S)
        return Rest(began_s, time.monotonic())

    def _warm_up(self, path: str, headers: Mapping[str, str]) -> None:
        """Ask for a page without counting: caches, pools and lazy imports of a fresh deploy are not the subject.

        Raises:
            Inconclusive: The site says that there is no such page; how it does under load would tell nothing.
        """
        load = {"mode": "closed", "connections": WARMUP_CONNECTIONS, "duration_s": self.phases.warmup_s}
        measured = self.generate(f"warm-up {path}", {"path": path, "headers": headers, **load})
        if measured is not None and not measured.done and measured.first_errors.get("status") == "status 404":
            raise Inconclusive(
                f"the site has no page {path} (404)",
                where="slo.cached_path and slo.uncached_paths",
                next_step="name pages that are there; those of a database depend on what it was filled with",
            )

    def _alarm(self) -> str:
        """Say why the load must end; once said, it stays so."""
        self.stop = self.stop or self.guard.look(self.sampler)
        return self.stopped

    def _progress(self, second: Mapping[str, Any]) -> str:
        self.guard.heard(second)
        return self._alarm()


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

"""Deploying candidates to a real host and reading it under load: transactions and bounded load, nothing else.

A dead man's switch on the host is wound before each: it goes back by itself when nothing is heard of us any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from math import exp, log
from statistics import mean
from typing import Any, Self

from deployer.apply import who
from deployer.climb.candidates import Candidate
from deployer.climb.statistics import Reading
from deployer.deploy import Session, desired, session
from deployer.errors import ConnectError, HostUntouched, LockHeld, RolledBack
from deployer.inventory import Entry
from deployer.measured import PageKind
from deployer.proof import target_of
from deployer.verify import AgentSampler, HostSamples, Measured
from deployer.verify.generator import generate
from deployer.verify.safety import Guard

#: A state that was just deployed is warmed up for so long, each page, s.
WARMUP_S = 1.5
#: Connections for each kind of page: enough that the host never waits for us.
CONNECTIONS: Mapping[PageKind, int] = {"cached": 64, "uncached": 32}
#: How often a host that is not reached is tried again on the way back, and the pause between, s.
PATIENCE, PAUSE_S = 6, 10.0
#: A transaction that was cut off returns the host within this time and frees its lock, s.
LOCK_WAIT_S = 360.0
#: Taking back what a dead transaction left open, s.
SETTLED_WITHIN_S = 900.0
#: A host goes back by itself when nothing was heard of the climb for so long, beside the time of a reading, s.
#: It is longer than all waits for a host that is not reached, and than a deploy.
SILENCE_S = 1200.0
#: Writing down that somebody is still there, s.
SWITCHED_WITHIN_S = 60.0

Say = Callable[[str, str], None]


class LiveHost:
    """A host of the inventory, as ``trial.Host`` wants it; a context, as it keeps a connection.

    Args:
        entry: The host as the inventory has it.
        seconds: How long each reading loads it, s.
        say: Gets steps of deploys.
        generator_cpus: Cores of this machine for the generator.
        host_cpus: Cores of this machine that the host runs on, when it is a local VPS.
        template_folders: The user's own templates.
    """

    def __init__(
        self,
        entry: Entry,
        seconds: float,
        say: Say,
        *,
        generator_cpus: Sequence[int] = (),
        host_cpus: Sequence[int] = (),
        template_folders: Sequence[Any] = (),
    ) -> None:
        self._host = entry.name
        self._slo = entry.host.slo
        _, self._target = target_of(entry)
        self._seconds = seconds
        self._say = say
        self._cpus = tuple(generator_cpus)
        self._host_cpus = tuple(host_cpus)
        self._folders = tuple(template_folders)
        self._stack = ExitStack()
        self._session: Session | None = None
        self._is: Candidate | None = None
        self._home: str | None = None
        self._is_wound = False
        self._may_be_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def is_as_declared(self, candidate: Candidate) -> bool:
        """Say whether the host runs just what a candidate says; changes nothing."""
        connected = self._connected(candidate)
        found = connected.plan().is_empty
        self._is = candidate if found else None
        self._home = connected.last_transaction if found else None
        return found

    def become(self, candidate: Candidate) -> bool:
        """Deploy a candidate; False: the host is that already.

        Raises:
            HostUntouched: It is not taken, or the host is not reached however often it is tried.
            RolledBack: It did not keep running, and the host is as before.
        """
        if self._is is not None and self._is.pins == candidate.pins:
            return False
        for attempt in range(PATIENCE):
            try:
                return self._become(candidate)
            except LockHeld:
                raise
            except ConnectError as error:
                if attempt == PATIENCE - 1:
                    raise
                self._say("waiting", f"the host is not reached: {error.message}")
                time.sleep(PAUSE_S)
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover

    def _become(self, candidate: Candidate) -> bool:
        self._is = None
        connected = self._connected(candidate)
        if self._may_be_open:
            # a transaction that was cut off may still be on its way back; what is seen meanwhile is of no use
            request = {"op": "recover", "who": who(), "wait_s": LOCK_WAIT_S}
            connected.agent.call(request, timeout_s=SETTLED_WITHIN_S + LOCK_WAIT_S)
            self._may_be_open = False
        plan = connected.plan()
        if not plan.is_empty:
            self._wind(connected)
            self._may_be_open = True
            try:
                connected.apply(plan, self._say, wait_s=LOCK_WAIT_S, trial_of=self._home)
            except RolledBack:
                self._may_be_open = False
                raise
            self._may_be_open = False
        self._is = candidate
        return not plan.is_empty

    def leave(self) -> None:
        """Take the dead man's switch away: the host is where it is to stay.

        Raises:
            HostUntouched: The host is not reached; it goes back to what it ran before by itself.
        """
        if self._is_wound and self._is is not None:
            connected = self._session or self._connected(self._is)
            connected.agent.call({"op": "deadman"}, timeout_s=SWITCHED_WITHIN_S)
            self._is_wound = False

    def _wind(self, connected: Session) -> None:
        """Tell the host to go back to what it ran before, should nobody say anything any more."""
        if self._home is None:
            raise HostUntouched("it is not known what the host ran before", next_step="deploy, then tune")
        within_s = SILENCE_S + self._reading_s
        request = {"op": "deadman", "to": self._home, "within_s": within_s, "who": who(), "host": self._host}
        connected.agent.call(request, timeout_s=SWITCHED_WITHIN_S)
        self._is_wound = True

    @property
    def _reading_s(self) -> float:
        return (len(self._slo.uncached_paths) + 1) * (WARMUP_S + self._seconds)

    def _connected(self, candidate: Candidate) -> Session:
        self._stack.close()
        self._stack = ExitStack()
        self._session = self._stack.enter_context(session(candidate.entry, template_folders=self._folders))
        return self._session

    def read(self) -> Reading:
        """Load the host as it is: pages of its SLO, made anew and cached, in full for a few seconds each."""
        if self._session is None or self._is is None:
            raise HostUntouched("nothing was deployed that could be read")
        if self._is_wound:
            self._wind(self._session)
        wanted = desired(self._is.entry).rendered.wanted.units
        units = [unit.unit for unit in wanted if unit.unit.endswith(".service")]
        pages: list[tuple[str, PageKind]] = [(path, "uncached") for path in self._slo.uncached_paths]
        pages.append((self._slo.cached_path, "cached"))
        measured: list[tuple[PageKind, Measured]] = []
        with AgentSampler(self._session.agent, units, host_cpus=self._host_cpus) as sampler:
            guard = Guard(self._slo.abort)

            def alarm() -> str:
                stop = guard.look(sampler)
                return stop.why if stop else ""

            for path, kind in pages:
                self._load(path, kind, WARMUP_S, alarm)
                measured.append((kind, self._load(path, kind, self._seconds, alarm)))
            why = alarm()
            samples = sampler.finish()
        return _reading(measured, samples, why)

    def _load(self, path: str, kind: PageKind, seconds: float, alarm: Callable[[], str]) -> Measured:
        headers = self._target.uncached_headers if kind == "uncached" else {}
        job = self._target.job(
            path=path,
            headers=headers,
            mode="closed",
            connections=CONNECTIONS[kind],
            duration_s=seconds,
            opened_per_s=250,
            timeout_s=self._slo.phases.timeout_s,
        )
        return generate(f"{kind} {path}", job, cpus=self._cpus, progress=lambda _second: alarm())


def _reading(measured: Sequence[tuple[PageKind, Measured]], samples: HostSamples, alarm: str) -> Reading:
    kinds: dict[PageKind, list[Measured]] = {}
    for kind, one in measured:
        kinds.setdefault(kind, []).append(one)
    return Reading(
        req_per_s={kind: _geometric_mean([one.req_per_s for one in ones]) for kind, ones in kinds.items()},
        p95_ms={kind: max((one.p95_ms or 0.0) for one in ones) for kind, ones in kinds.items()},
        errors=sum(one.error_count for _, one in measured),
        oom_kills=samples.oom_kills,
        memory_share=samples.memory_peak_share,
        fullest_unit=_fullest(samples),
        alarm=alarm,
    )


def _geometric_mean(values: Sequence[float]) -> float:
    return exp(mean(log(value) for value in values)) if all(values) else 0.0


def _fullest(samples: HostSamples) -> tuple[str, float]:
    """Name the unit that came nearest to its MemoryMax, page cache not counted."""
    shares: dict[str, float] = {}
    for sample in samples.samples:
        for unit, seen in (sample.values.get("units") or {}).items():
            held, limit = seen.get("anonymous_mib"), seen.get("limit_mib")
            if held and limit:
                shares[unit] = max(shares.get(unit, 0.0), round(held / limit, 4))
    return max(shares.items(), key=lambda one: one[1], default=("", 0.0))

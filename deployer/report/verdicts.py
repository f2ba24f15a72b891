"""A load test's report, read again: checked, because it is a file that anybody may have written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from deployer.errors import UsageError
from deployer.verify.loadgen import Histogram
from deployer.verify.report import SCHEMA

#: More is no load test of one host.
_MOST_PHASES, _MOST_SECONDS = 500, 20_000
_FROM_HERE = ("here",)
_NEXT_STEP = "give a file that `verify --report FILE.json` wrote"
#: Objectives of older reports that want at least so much; all others want at most so much.
AT_LEAST = frozenset({"connections_held", "cached_req_per_s", "uncached_req_per_s"})


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Line(_Data):
    """An objective and what became of it."""

    name: str
    metric: str
    wanted: float
    measured: float | None
    outcome: str
    why: str = ""
    severity: str = "must"
    at_least: bool | None = None
    interval: tuple[float, float] | None = None
    runs: tuple[float | None, ...] = ()

    @property
    def more_is_better(self) -> bool:
        """Whether it wants at least so much; older reports do not say it."""
        return self.metric in AT_LEAST if self.at_least is None else self.at_least

    @property
    def margin_share(self) -> float | None:
        """How far the measured is on the good side of the wanted, as a share of it; None without either."""
        if self.measured is None or not self.wanted:
            return None
        better = self.measured - self.wanted if self.more_is_better else self.wanted - self.measured
        return better / self.wanted


class Capacity(_Data):
    """What a page can carry, and what ended it there."""

    path: str
    cached: bool
    req_per_s: float
    connections: int
    binding: str
    evidence: str


class Trial(_Data):
    """A trial of the search for the knee."""

    rate_per_s: float
    p95_ms: float | None = None
    refusal: str = ""


class Knee(_Data):
    """The largest rate of a page that was carried, and the smallest that was not."""

    path: str
    kept_per_s: float | None = None
    failed_per_s: float | None = None
    why: str = ""
    rule: str = ""
    trials: tuple[Trial, ...] = ()


class Advice(_Data):
    """What would lift a page's limit, and the most that it brings."""

    path: str
    change: str
    req_per_s: float | None = None
    because: str = ""


class Second(_Data):
    """What one second of a phase brought."""

    t_s: float
    done: int = 0
    errors: int = 0
    alive: int | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None


class Step(_Data):
    """What journeys asked for under one name."""

    name: str
    done: int = 0
    errors: int = 0
    req_per_s: float = 0.0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    first_error: str = ""


class Phase(_Data):
    """A phase of load; ``began_s`` counts from the beginning of the test, and is missing in older reports."""

    name: str
    mode: str
    began_s: float | None = None
    duration_s: float
    req_per_s: float
    rate_per_s: float | None = None
    connections_wanted: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    errors: Mapping[str, int]
    generator_late_p99_ms: float | None = None
    generator_cpu_share: float
    host_cpu_busy_share: float | None = None
    seconds: tuple[Second, ...] = ()
    latency_histogram_us: Mapping[str, Any]
    steps: tuple[Step, ...] = ()

    @cached_property
    def latency(self) -> Histogram:
        """The latencies that were measured.

        Raises:
            ValueError: They are no histogram.
        """
        histogram = Histogram()
        try:
            histogram.add(dict(self.latency_histogram_us))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a histogram: {error!r}") from error
        return histogram


class Unit(_Data):
    """A unit of the host over the whole test; what the kernel does not tell is None."""

    peak_mib: float | None = None
    limit_mib: float | None = None
    oom_kills: int | None = None
    restarts: int | None = None


class Summary(_Data):
    """The host's own sums."""

    memory_total_mib: float | None = None
    memory_peak_mib: float | None = None
    oom_kills: int | None = None
    units: Mapping[str, Unit] = {}


class SampledUnit(_Data):
    """A unit in one sample."""

    anonymous_mib: float | None = None
    memory_mib: float | None = None
    cpu_core_share: float | None = None


class SampledServer(_Data):
    """A server's counters in one sample; each server has some of them."""

    writing: float | None = None
    running: float | None = None
    connected: float | None = None
    lock_waiting: float | None = None


class SampledApp(_Data):
    """Who waits for an app, and for whom it waits, in one sample."""

    queue: float | None = None
    outside_waiting: float | None = None


class Sample(_Data):
    """The host in one second; ``at_s`` counts as ``began_s`` does."""

    at_s: float | None = None
    t_s: float
    memory_share: float | None = None
    cpu_busy_share: float | None = None
    cpu_steal_share: float | None = None
    cpu_neighbour_share: float | None = None
    cpu_iowait_share: float | None = None
    disk_busy_share: float | None = None
    oom_kills: int | None = None
    tcp_in_use: int | None = None
    pressure: Mapping[str, float] | None = None
    units: Mapping[str, SampledUnit] = {}
    servers: Mapping[str, SampledServer | None] = {}
    apps: Mapping[str, SampledApp] = {}

    @property
    def when_s(self) -> float:
        """The time since the beginning of the test, s."""
        return self.t_s if self.at_s is None else self.at_s


class Run(_Data):
    """One load test of one host, as its report tells it."""

    host: str = ""
    started_at: str = ""
    duration_s: float
    load_from: tuple[str, ...] = _FROM_HERE
    outcome: str
    stopped: str | None = None
    lines: tuple[Line, ...]
    capacity: tuple[Capacity, ...] = ()
    link_ceiling_req_per_s: float | None = None
    knee: Knee | None = None
    advice: tuple[Advice, ...] = ()
    phases: tuple[Phase, ...]
    host_summary: Summary | None = None
    host_fault: str | None = None
    host_samples: tuple[Sample, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, document: object) -> Self:
        """Check a document.

        Raises:
            UsageError: It is no report of a load test, or one of a version that this deployer does not know.
        """
        schema = document.get("schema") if isinstance(document, Mapping) else None
        if schema != SCHEMA:
            known = f"it says {str(schema)[:60]!r}, not {SCHEMA!r}" if schema else "it does not say what it is"
            raise UsageError(f"no report of a load test: {known}", next_step=_NEXT_STEP)
        try:
            json.dumps(
                document, ensure_ascii=False, allow_nan=False
            ).encode()  # what cannot be written again is no report
            run = cls.model_validate(document)
            for phase in run.phases:
                _ = phase.latency
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"no report of a load test: {first['msg']}", where=place, next_step=_NEXT_STEP) from error
        except (ValueError, RecursionError) as error:
            raise UsageError(f"no report of a load test: {error}", next_step=_NEXT_STEP) from error
        if len(run.phases) > _MOST_PHASES or sum(len(one.seconds) for one in run.phases) > _MOST_SECONDS:
            raise UsageError("too large for a report of a load test", next_step=_NEXT_STEP)
        return run

    @property
    def phases_but_trials(self) -> tuple[Phase, ...]:
        """The phases without those of the search for the knee, which are told as its trials."""
        return tuple(phase for phase in self.phases if not phase.name.startswith("knee "))

    @property
    def title(self) -> str:
        """Name it for people: the host, when it was, and where the load came from, if not from where it was begun."""
        when = self.started_at[:16].replace("T", " ")
        came = "" if self.load_from == _FROM_HERE else "from " + ", ".join(self.load_from)
        return " ".join(part for part in (self.host or "a host", when, came) if part)

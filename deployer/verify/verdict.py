"""What a load test says in the end: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from deployer.verify.confidence import Interval
from deployer.verify.knee import Knee
from deployer.verify.leak import Rest
from deployer.verify.measured import HostSamples, Measured
from deployer.verify.target import VerifyTarget

Outcome = Literal["kept", "missed", "inconclusive"]
#: What only should hold is told, and makes no verdict; without what the test's validity wants all is inconclusive.
Severity = Literal["must", "should", "valid"]
Resource = Literal[
    "host cpu",
    "host memory",
    "link",
    "generator",
    "neighbour",
    "disk",
    "limit",
    "pool",
    "lock",
    "slow database",
    "slow outside service",
    "waiting for something else",
]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is wanted.

    Attributes:
        name: What it is about, for people.
        metric: The same for programs; it carries the unit: ``cached_p95_ms``.
        wanted: The limit for people, with its unit.
        wanted_value: The limit, in the unit of the metric's name.
        at_least: More is better; else less is.
        severity: Whether the verdict rests on it.
    """

    name: str
    metric: str
    wanted: str
    wanted_value: float
    at_least: bool = False
    severity: Severity = "must"

    def line(
        self,
        outcome: Outcome,
        measured: str = "",
        measured_value: float | None = None,
        *,
        why: str = "",
        interval: Interval | None = None,
        unsure: bool = False,
    ) -> Line:
        """Say what became of it."""
        return Line(
            objective=self,
            outcome=outcome,
            measured=measured,
            measured_value=measured_value,
            why=why,
            interval=interval,
            unsure=unsure,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One objective and what became of it.

    Attributes:
        objective: What was wanted.
        measured: For people, with its unit; empty when it was not measured.
        measured_value: The measured, in the unit of the metric's name; None when there is none.
        outcome: A line that was not measured, or whose measurement is in doubt, is inconclusive.
        why: What the outcome rests on; may be empty for a line that was kept.
        interval: Where the true figure lies with 95 % confidence, in the unit of the measured; None where that is not
            known, or where it is a count or a peak that was seen as it is.
        unsure: It is inconclusive for one reason alone: the limit lies within ``interval``.
        runs: What each of several runs measured, and ``measured`` is their median; None where a run measured nothing.
    """

    objective: Objective
    measured: str
    measured_value: float | None
    outcome: Outcome
    why: str
    interval: Interval | None = None
    unsure: bool = False
    runs: tuple[float | None, ...] = ()

    @property
    def margin_share(self) -> float | None:
        """How far the measured is on the good side of the wanted, as a share of it; None without either."""
        if self.measured_value is None or not self.objective.wanted_value:
            return None
        above = self.measured_value / self.objective.wanted_value - 1
        return above if self.objective.at_least else -above


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a page can carry.

    Attributes:
        path: The page.
        cached: It came from the cache.
        req_per_s: Good answers a second in the closed model.
        connections: Over so many connections.
        binding: What ended it there.
        evidence: The figures that say so.
    """

    path: str
    cached: bool
    req_per_s: float
    connections: int
    binding: Resource
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A change that lifts a page's limit, and the most that it brings.

    Attributes:
        path: The page.
        change: What to write or to buy.
        req_per_s: What the page then carries at most, requests a second; None where that is not known.
        because: How that was computed.
    """

    path: str
    change: str
    req_per_s: float | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a whole test found besides its phases; a quick one finds nothing of it.

    Attributes:
        whole: Whether it was a whole test.
        ceiling_req_per_s: What the link carries of the cached page; None where its speed is not known.
        warming: Why a page may have been cold, by path and whether it is the cached one.
        over_link: Rates that were not asked for, as the link cannot carry them.
        over_capacity: Rates that were not asked for, as the page brought less at full load.
        knee: What the search found.
        rests: When nothing was asked: after the warm-up, and after the cool-down.
        cut: Why phases are missing, when nothing was stopped: the time was up.
        journeys: Whether the load was a user's own journeys, and nothing else.
    """

    whole: bool = False
    ceiling_req_per_s: float | None = None
    warming: Mapping[tuple[str, bool], str] = field(default_factory=dict)
    over_link: frozenset[int] = frozenset()
    over_capacity: frozenset[int] = frozenset()
    knee: Knee | None = None
    rests: tuple[Rest, Rest] | None = None
    cut: str = ""
    journeys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OneRun:
    """What became of one of several runs.

    Attributes:
        outcome: Its own verdict.
        duration_s: How long it took, s.
        stopped: Why its load was ended early; empty when it was not.
    """

    outcome: Outcome
    duration_s: float
    stopped: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The result of ``verify``.

    Attributes:
        lines: One for each objective.
        capacity: One for each page.
        phases: All that was measured, in order.
        host: What was seen on the host.
        target: What was put under load.
        stopped: Why the load was ended early; empty when it was not.
        advice: What would lift the limits that were met.
        notes: What a reader has to know, as that the certificate was not checked.
        duration_s: Of all of it, s.
        findings: What a whole test found besides.
        runs: Of several runs, what became of each; empty where there was one.
    """

    lines: tuple[Line, ...]
    capacity: tuple[Capacity, ...]
    phases: tuple[Measured, ...]
    host: HostSamples
    target: VerifyTarget
    stopped: str = ""
    advice: tuple[Advice, ...] = ()
    notes: tuple[str, ...] = ()
    duration_s: float = 0.0
    findings: Findings = Findings()
    runs: tuple[OneRun, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Missed if a line that must hold is missed, else inconclusive if one is, else kept."""
        outcomes = {line.outcome for line in self.lines if line.objective.severity == "must"}
        if "missed" in outcomes:
            return "missed"
        return "inconclusive" if "inconclusive" in outcomes or not outcomes else "kept"

    @property
    def binding(self) -> Resource | None:
        """What ends the capacity of the cached page, the host's busiest."""
        return next((each.binding for each in self.capacity if each.cached), None)

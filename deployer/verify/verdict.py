"""What a load test says in the end: plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deployer.verify.measured import HostSamples, Measured
from deployer.verify.target import VerifyTarget

Outcome = Literal["kept", "missed", "inconclusive"]
Resource = Literal["host cpu", "host memory", "link", "generator", "neighbour", "waiting for something else"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is wanted.

    Attributes:
        name: What it is about, for people.
        metric: The same for programs; it carries the unit: ``cached_p95_ms``.
        wanted: The limit for people, with its unit.
        wanted_value: The limit, in the unit of the metric's name.
    """

    name: str
    metric: str
    wanted: str
    wanted_value: float

    def line(self, outcome: Outcome, measured: str = "", measured_value: float | None = None, *, why: str = "") -> Line:
        """Say what became of it."""
        return Line(objective=self, outcome=outcome, measured=measured, measured_value=measured_value, why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One objective and what became of it.

    Attributes:
        objective: What was wanted.
        measured: For people, with its unit; empty when it was not measured.
        measured_value: The measured, in the unit of the metric's name; None when there is none.
        outcome: A line that was not measured, or whose measurement is in doubt, is inconclusive.
        why: What the outcome rests on; may be empty for a line that was kept.
    """

    objective: Objective
    measured: str
    measured_value: float | None
    outcome: Outcome
    why: str


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
class Verdict:
    """The result of ``verify``.

    Attributes:
        lines: One for each objective.
        capacity: One for each page.
        phases: All that was measured, in order.
        host: What was seen on the host.
        target: What was put under load.
        stopped: Why the load was ended early; empty when it was not.
        notes: What a reader has to know, as that the certificate was not checked.
        duration_s: Of all of it, s.
    """

    lines: tuple[Line, ...]
    capacity: tuple[Capacity, ...]
    phases: tuple[Measured, ...]
    host: HostSamples
    target: VerifyTarget
    stopped: str = ""
    notes: tuple[str, ...] = ()
    duration_s: float = 0.0

    @property
    def outcome(self) -> Outcome:
        """Missed if a line is missed, else inconclusive if one is, else kept."""
        outcomes = {line.outcome for line in self.lines}
        if "missed" in outcomes:
            return "missed"
        return "inconclusive" if "inconclusive" in outcomes or not outcomes else "kept"

    @property
    def binding(self) -> Resource | None:
        """What ends the capacity of the cached page, the host's busiest."""
        return next((each.binding for each in self.capacity if each.cached), None)

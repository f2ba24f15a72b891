"""What was seen of a host around a load: two looks at it, and what lies between them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.measured import PageKind


@dataclass(frozen=True, slots=True)
class Usage:
    """One look at a host: what the agent's ``usage`` answered.

    Attributes:
        at_s: The host's own monotonic clock.
        cpu_ms: Processor time that the host has used, ms.
        counted_by: Who counted it.
        units: Memory and processes of each unit.
        connections: Connections of the apps to MariaDB; None: not known.
        connection_kib: The most that one of them ever held, KiB; None: not known.
    """

    at_s: float
    cpu_ms: float
    counted_by: str
    units: Mapping[str, Mapping[str, Any]]
    connections: int | None = None
    connection_kib: float | None = None

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Usage:
        """Read the agent's answer."""
        database = answer.get("database") or {}
        return cls(
            at_s=float(answer["at_s"]),
            cpu_ms=float(answer["cpu_ms"]),
            counted_by=str(answer["cpu_counted_by"]),
            units=answer["units"],
            connections=database.get("connections"),
            connection_kib=database.get("most_kib"),
        )

    def held_mib(self, unit: str) -> float:
        """Give what a unit holds that is not page cache, MiB; 0 where that is not known."""
        return float(self.units.get(unit, {}).get("anonymous_mib") or 0.0)

    def workers_mib(self, unit: str) -> tuple[float, ...]:
        """Give what each child of a unit's first process holds, MiB, the largest first."""
        processes = self.units.get(unit, {}).get("processes", [])
        first = processes[0]["pid"] if processes else 0
        held = (float(one["own_mib"]) for one in processes if one["parent"] == first and one["own_mib"] is not None)
        return tuple(sorted(held, reverse=True))


@dataclass(frozen=True, slots=True)
class Load:
    """What a load brought between two looks.

    Attributes:
        before: The look before its connections were opened.
        after: The look after the last answer.
        done: Good answers.
        req_per_s: The same for each second of the load.
        kib: Bytes of an answer, KiB.
        p50_ms: Half of the answers were there within this time, ms.
    """

    before: Usage
    after: Usage
    done: int
    req_per_s: float
    kib: float
    p50_ms: float

    @property
    def cpu_ms(self) -> float:
        """Processor time of the host meanwhile, ms."""
        return self.after.cpu_ms - self.before.cpu_ms

    @property
    def seconds(self) -> float:
        """Time between the looks, s."""
        return self.after.at_s - self.before.at_s


@dataclass(frozen=True, slots=True)
class Cost:
    """What one page takes of the host.

    Attributes:
        path: The page.
        kind: From the cache, or made anew.
        cpu_ms: Processor time for one request, ms.
        kib: Bytes of an answer, KiB.
        requests: How many it is the mean of.
        share: Processor time of the host that its load took, as a share of all that there is.
        alone_ms: The same of requests that come one by one, ms.
        took_ms: How long those took, of which half took longer, ms.
    """

    path: str
    kind: PageKind
    cpu_ms: float
    kib: float
    requests: int
    share: float
    alone_ms: float = 0.0
    took_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Quiet:
    """A host that nobody asks.

    Attributes:
        idle_ms_per_s: What it uses by itself, ms of its processors in a second.
        cores: Its cores.
    """

    idle_ms_per_s: float
    cores: int


def cost_of(page: tuple[str, PageKind], few: Load, many: Load, quiet: Quiet) -> Cost | None:
    """Work out what a request costs: the difference of two loads that differ in nothing but the size of their bursts.

    What both have falls out: handshakes, the agent's own looks, and what a burst costs however large it is, as the
    first requests of each find cold caches and wake every process. A full host has that once, not in each burst.

    Args:
        page: The page, and whether it comes from the cache.
        few: The load whose bursts are small.
        many: The one whose bursts are larger, as many of them, over as many connections.
        quiet: The host without them.

    Returns:
        The cost, with the share of the host that the larger load took; None where the difference says nothing (the host
        did something else meanwhile).
    """
    requests = many.done - few.done
    if requests <= 0 or many.seconds <= 0:
        return None
    spent_ms = many.cpu_ms - few.cpu_ms - quiet.idle_ms_per_s * (many.seconds - few.seconds)
    if spent_ms <= 0:
        return None
    share = (many.cpu_ms - quiet.idle_ms_per_s * many.seconds) / (many.seconds * 1000 * quiet.cores)
    return Cost(*page, spent_ms / requests, many.kib, requests, share)


@dataclass(frozen=True, slots=True)
class Observed:
    """All that a calibration saw.

    Attributes:
        idle: The host before any load.
        settled: The host after one request at a time: everything is loaded and every cache of an app filled.
        after: The host after all loads.
        costs: What pages cost.
        at_once: Requests that were under way at the same time.
        held: Connections that were held open besides, and what nginx held more with them, MiB.
        doubts: What was not as it should be, in words.
    """

    idle: Usage
    settled: Usage
    after: Usage
    costs: tuple[Cost, ...]
    at_once: int
    held: tuple[int, float] = (0, 0.0)
    doubts: tuple[str, ...] = field(default=())

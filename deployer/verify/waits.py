"""What requests waited for where no processor, no link and no memory was full: told apart by what was counted. Pure.

Requests in progress are λW (Little's law). A resource ends the capacity when most of them are found waiting at it; so
each is recognised by its own count, and a pool by its size: with less to do, its answers come sooner, and the rate
that was reached times that shorter time is no more than the pool has places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from deployer.verify.measured import HostSamples, Measured
from deployer.verify.target import VerifyTarget
from deployer.verify.verdict import Resource

#: So many of what is in progress, and it is what they wait for.
MOST_SHARE: Final = 0.5
#: Of all answers, so many sent away by a limit, and it is the limit.
SENT_AWAY_SHARE: Final = 0.1
#: A processor that waited for the disk for so much of the time; the same as the kernel's own count of waiting tasks.
IOWAIT_SHARE: Final = 0.3
IO_PRESSURE_SHARE: Final = 0.4
DISK_FULL_SHARE: Final = 0.9
#: A pool may be exceeded by what a mean over seconds does not show.
POOL_SLACK: Final = 1.5
ALL_TAKEN_SHARE: Final = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Bottleneck:
    """The limit of a phase.

    Attributes:
        resource: Its name.
        evidence: The figures that say so, for people.
    """

    resource: Resource
    evidence: str


@dataclass(frozen=True, slots=True)
class Waits:
    """A phase, and what was seen on the host meanwhile.

    Attributes:
        phase: What was measured.
        host: What was seen.
        target: What was under load.
        relaxed: The same page with less to do; None where that was not measured.
    """

    phase: Measured
    host: HostSamples
    target: VerifyTarget
    relaxed: Measured | None = None

    def elsewhere(self) -> Bottleneck | None:
        """Say what was waited for that no processor of the host could have made shorter; None if nothing shows it."""
        return self.outside() or self.lock()

    def here(self) -> Bottleneck | None:
        """Say what else was waited for, by figures that a busy host or a neighbour would explain as well."""
        return self.disk() or self.database() or self.pool() or self.threads()

    def limit(self) -> Bottleneck | None:
        """Find a limit that sends visitors away."""
        phase, host = self.phase, self.host
        refused = sum(count for kind, count in phase.errors.items() if kind == "status")
        is_429 = phase.first_errors.get("status") == "status 429"
        if is_429 and refused >= SENT_AWAY_SHARE * (phase.done + phase.error_count):
            share = refused / (phase.done + phase.error_count)
            return Bottleneck(resource="limit", evidence=f"{share:.0%} of the requests were told 429: too many")
        dropped = host.rise(phase, "listen_drops") or 0.0
        if dropped >= max(1.0, SENT_AWAY_SHARE * phase.established):
            return Bottleneck(resource="limit", evidence=f"{dropped:.0f} connections found the listen queue full")
        accepts, handled = (host.rise(phase, "servers", "nginx", name) for name in ("accepts", "handled"))
        if accepts is not None and handled is not None and accepts - handled >= max(1.0, 0.01 * accepts):
            cut = accepts - handled
            return Bottleneck(
                resource="limit", evidence=f"nginx cut {cut:.0f} connections: worker_connections is reached"
            )
        refused_by = self.target.limits.database
        turned_away = host.rise(phase, "servers", refused_by, "refused") or 0.0
        if refused_by and turned_away >= 1:
            return Bottleneck(
                resource="limit",
                evidence=f"{refused_by} refused {turned_away:.0f} connections: max_connections is reached",
            )
        return None

    def disk(self) -> Bottleneck | None:
        """Find a full disk queue."""
        seen = (
            ("the processors waited for the disk {:.0%} of the time", IOWAIT_SHARE, ("cpu_iowait_share",)),
            ("some task waited for the disk {:.0%} of the time", IO_PRESSURE_SHARE, ("pressure", "io_some_share")),
            ("the disk was busy {:.0%} of the time", DISK_FULL_SHARE, ("disk_busy_share",)),
        )
        for says, limit, path in seen:
            share = self.host.during(self.phase, *path)
            if share is not None and share >= limit:
                return Bottleneck(resource="disk", evidence=says.format(share) + self._of_database_reads())
        return None

    def outside(self) -> Bottleneck | None:
        """Find answers of another host that are waited for."""
        path = ("apps", self.target.limits.app)
        waiting = self.host.during(self.phase, *path, "outside_waiting")
        if waiting is None or waiting < max(1.0, MOST_SHARE * self._in_progress):
            return None
        waited_ms = self.host.most(self.phase, *path, "outside_waited_ms") or 0.0
        to = self.host.word(self.phase, *path, "outside_to")
        evidence = (
            f"{waiting:.0f} of {self._in_progress:.0f} requests in progress waited for {to or 'another host'}, "
            f"up to {waited_ms / 1000:.1f} s{self._idle()}"
        )
        return Bottleneck(resource="slow outside service", evidence=evidence)

    def lock(self) -> Bottleneck | None:
        """Find statements that wait for another's lock."""
        waiting, busy = self._of_user("waiting_for_lock"), self._of_user("busy")
        if waiting is None or busy is None or waiting < max(0.5, MOST_SHARE * busy):
            return None
        longest_ms = self._of_user("longest_ms", most=True) or 0.0
        evidence = (
            f"{waiting:.1f} of {busy:.1f} statements in progress waited for a lock in {self.target.limits.database}"
            f"{_for_so_long(longest_ms)}"
        )
        return Bottleneck(resource="lock", evidence=evidence)

    def database(self) -> Bottleneck | None:
        """Find a database in which most of the app's connections are at work."""
        busy, connections = self._of_user("busy"), self._of_user("connections")
        if busy is None or not connections or busy < MOST_SHARE * self._places(connections):
            return None
        longest_ms = self._of_user("longest_ms", most=True) or 0.0
        evidence = (
            f"{busy:.1f} of the app's {connections:.0f} connections to {self.target.limits.database} "
            f"were in a statement{_for_so_long(longest_ms)}{self._of_database_reads()}"
        )
        return Bottleneck(resource="slow database", evidence=evidence)

    def pool(self) -> Bottleneck | None:
        """Find a pool of connections that are all lent while their database is idle."""
        places, connections = self.target.limits.pool_connections, self._of_user("connections", most=True)
        busy = self._of_user("busy")
        if not places or connections is None or busy is None or connections < ALL_TAKEN_SHARE * places:
            return None
        if self.phase.connections_wanted <= places:
            return None
        held = self._of_user("in_transaction") or 0.0
        if held >= MOST_SHARE * places:
            how = f"{held:.1f} of them in a transaction without a statement"
        elif self._is_as_many_as(places):
            how = f"{self._served_at_once():.1f} were served at once"
        else:
            return None
        evidence = (
            f"all {places} connections of the app's pool were taken, {how}, {busy:.1f} in a statement: "
            f"the database was idle, and {self.phase.connections_wanted} requests wanted one"
        )
        return Bottleneck(resource="pool", evidence=evidence)

    def threads(self) -> Bottleneck | None:
        """Find an app whose threads are all at work while others wait at its socket."""
        places, queue = (
            self.target.limits.at_once,
            self.host.during(self.phase, "apps", self.target.limits.app, "queue"),
        )
        if not places or self.phase.connections_wanted <= places:
            return None
        if (queue or 0.0) < 1 and not self._is_as_many_as(places):
            return None
        waited = "" if queue is None else f", and {queue:.0f} waited at its socket"
        evidence = (
            f"{self.phase.connections_wanted} requests wanted one of the app's {places} threads{waited}{self._idle()}"
        )
        return Bottleneck(resource="pool", evidence=evidence)

    @property
    def _in_progress(self) -> float:
        """How many requests the app can have been at."""
        most = float(self.phase.connections_wanted)
        if self.phase.rate_per_s and self.phase.p50_ms:
            most = min(most, self.phase.rate_per_s * self.phase.p50_ms / 1000)
        return min(most, float(self.target.limits.at_once or most))

    def _places(self, connections: float) -> float:
        """How many statements could be in progress."""
        return max(1.0, min(connections, self._in_progress))

    def _of_user(self, name: str, *, most: bool = False) -> float | None:
        limits = self.target.limits
        path = ("servers", limits.database, "users", limits.user, name)
        if not limits.database:
            return None
        return self.host.most(self.phase, *path) if most else self.host.during(self.phase, *path)

    def _served_at_once(self) -> float | None:
        """Work out how many requests were truly served at the same time: the rate times the time of one alone."""
        if self.relaxed is None or not self.relaxed.p50_ms:
            return None
        return self.phase.req_per_s * self.relaxed.p50_ms / 1000

    def _is_as_many_as(self, places: int) -> bool:
        served = self._served_at_once()
        return served is not None and served <= POOL_SLACK * places < self.phase.connections_wanted

    def _of_database_reads(self) -> str:
        """Say how much a database read from the disk, where it did."""
        server = self.target.limits.database
        reads = self.host.rise(self.phase, "servers", server, "pool_reads") if server else None
        asked = self.host.rise(self.phase, "servers", server, "pool_read_requests") if server else None
        if not reads or not asked or reads / asked < 0.01:
            return ""
        return f"; {reads / asked:.0%} of the pages that {server} wanted were not in its memory"

    def _idle(self) -> str:
        """Say what was idle meanwhile."""
        busy, statements = self.host.during(self.phase, "cpu_busy_share"), self._of_user("busy")
        told = [] if busy is None else [f"the host's CPU was {busy:.0%} busy"]
        if statements is not None:
            told.append(f"{self.target.limits.database} was at {statements:.1f} statements")
        return "; " + ", ".join(told) if told else ""


def _for_so_long(longest_ms: float) -> str:
    """Say how long the longest was; MariaDB counts whole seconds."""
    return f", up to {longest_ms / 1000:.0f} s" if longest_ms >= 1000 else ""

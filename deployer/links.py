"""The links of the chain of connections: what each taker that runs code adds to it, and what it gets from servers.

They are worked out from the declaration alone, before any memory is given away: claims need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import ceil

from deployer.declaration import Declaration
from deployer.numbers import Numbers
from deployer.units import round_down

#: A sentence of more pools than these is read by nobody.
MOST_POOLS = 4
#: A job of a program whose memory nobody knows, MiB.
USUAL_JOB_MIB = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What an app is given by a server of its host that it uses.

    Attributes:
        environment: Variables that tell the app where the server is.
        pool_variable: Variable that tells each process of the app how many connections it may open there.
        credentials: Secrets by name, and their paths on the host.
        groups: System groups that may open the server's socket.
        after: Units that must be up before the app.
        connection_parts: Memory that each connection costs the app's own process, MiB, by name.
        connection_inputs: What that is worked out from, by path as in ``Derived.inputs``.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    pool_variable: str = ""
    credentials: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    connection_parts: Mapping[str, float] = field(default_factory=dict)
    connection_inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """How commands of an app are run by the service that runs the app: its workers, its timers, its migration.

    Attributes:
        folder: Where a command without a slash is looked for.
        programs: Commands that are somewhere else, with their paths.
        jit: It writes machine code at run time, which the unit must then not forbid.
        heaps_in_folder: What is looked for in the folder runs with such a heap too, as ``programs`` do.
        job_environment: Variables that keep one process within its MemoryMax; ``{heap_mib}`` stands for what is left
            of it for the heap.
        heap_share: Share of MemoryMax that the heap may have, after ``heap_beside_mib``.
        heap_beside_mib: What such a process needs besides its heap, MiB.
        heap_least_mib: Below such a heap it only collects; 0 if nothing is known of it, MiB.
        heap_usual_mib: Heap of a job that does not say how large it is, MiB.
        is_large_when_empty: What it holds besides its heap is more than the usual work of a deploy, whatever it does.
    """

    folder: str
    programs: Mapping[str, str] = field(default_factory=dict)
    jit: bool = False
    heaps_in_folder: bool = False
    job_environment: Mapping[str, str] = field(default_factory=dict)
    heap_share: float = 1.0
    heap_beside_mib: float = 0.0
    heap_least_mib: int = 0
    heap_usual_mib: int = 0
    is_large_when_empty: bool = False

    def argv(self, words: tuple[str, ...], release: str) -> tuple[str, ...]:
        """Give a command with its program as a whole path; one with a slash is looked for in the release."""
        first, *rest = words
        if "/" not in first:
            first = self.programs.get(first, f"{self.folder}/{first}")
        elif not first.startswith("/"):
            first = f"{release}/{first}"
        return (first, *rest)

    def usual_job_mib(self, words: tuple[str, ...]) -> int:
        """Say how large a job is that does not say it itself, MiB."""
        return max(USUAL_JOB_MIB, self._job_mib(self.heap_usual_mib) if self._has_heap(words) else 0)

    def usual_migration_mib(self, words: tuple[str, ...]) -> int:
        """Say how large a migration is that does not say it itself, MiB; it is short, and alone in its slice."""
        return self.usual_job_mib(words) if self.is_large_when_empty else USUAL_JOB_MIB

    def least_job_mib(self, words: tuple[str, ...]) -> int:
        """Say below which size a job does not work, MiB; 0 if that is not known."""
        return self._job_mib(self.heap_least_mib) if self._has_heap(words) else 0

    def environment_within(self, memory_mib: int) -> Mapping[str, str]:
        """Give the variables that keep one process within its memory; none of a heap that would be too small."""
        heap_mib = round_down(self.heap_share * memory_mib - self.heap_beside_mib, 1)
        is_enough = heap_mib >= max(1, self.heap_least_mib)
        return {
            name: text.format(heap_mib=heap_mib)
            for name, text in self.job_environment.items()
            if is_enough or "{heap_mib}" not in text
        }

    def _has_heap(self, words: tuple[str, ...]) -> bool:
        is_known = words[0] in self.programs or (self.heaps_in_folder and "/" not in words[0])
        return self.heap_least_mib > 0 and is_known

    def _job_mib(self, heap_mib: int) -> int:
        return ceil((heap_mib + self.heap_beside_mib) / self.heap_share)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppLinks:
    """What one taker that runs code (an app, a worker of it, a timer) adds to the chain of connections.

    Attributes:
        app: The app that it belongs to.
        processes: How many of it run.
        pool_size: Connections that each process may open to each server that the app uses.
        numbers: Its links by their short names: ``workers``, ``threads``, ``pool_size``.
        upstreams: Where nginx reaches it, as nginx writes it; none for what serves no visitors.
        hold: Where visitors wait if its only process is one that restarts, as nginx writes it; empty: at its socket.
        units: Its units, in the order in which they start; they are restarted for another release.
        runner: How its commands are run; None for what is a command itself.
    """

    app: str
    processes: int
    pool_size: int
    numbers: Numbers = field(default_factory=dict)
    upstreams: tuple[str, ...] = ()
    hold: str = ""
    units: tuple[str, ...] = ()
    runner: Runner | None = None


@dataclass(frozen=True)
class Chain:
    """The chain of connections: visitors -> nginx -> workers -> pools -> servers.

    Attributes:
        numbers: Each link by its name, with provenance; those of a taker as ``TAKER.NAME``.
        links: What each taker adds to it.
        access: What each app is given by the servers that it uses, by server.
    """

    numbers: Numbers
    links: Mapping[str, AppLinks] = field(default_factory=dict)
    access: Mapping[str, Mapping[str, Access]] = field(default_factory=dict)

    def granted(self, processes: Mapping[str, int]) -> Chain:
        """Keep as many processes of each taker as its memory carries, of those that have a unit each."""
        links = {
            taker: replace(link, processes=count, upstreams=link.upstreams[:count], units=link.units[:count])
            if (count := processes.get(taker)) is not None
            else link
            for taker, link in self.links.items()
        }
        return replace(self, links=links)

    def users_of(self, server: str) -> tuple[str, ...]:
        """Give the takers that use a server."""
        return tuple(taker for taker, link in self.links.items() if server in self.access.get(link.app, {}))

    def connections_to(self, server: str) -> int:
        """Sum what all apps may open to a server at once."""
        return sum(self.links[taker].processes * self.links[taker].pool_size for taker in self.users_of(server))

    def of_taker(self, taker: str) -> Numbers:
        """Give a taker's own links, by their short names."""
        return self.links[taker].numbers

    def runner_of(self, app: str) -> Runner:
        """Say how commands of an app are run; a host's app has one service that runs it."""
        return next(link.runner for link in self.links.values() if link.app == app and link.runner is not None)

    def units_of(self, app: str) -> tuple[str, ...]:
        """Name all units of an app: those that serve visitors first, then its workers."""
        return tuple(unit for link in self.links.values() if link.app == app for unit in link.units)

    def upstreams_of(self, app: str) -> tuple[str, ...]:
        """Say where nginx reaches an app."""
        return tuple(place for link in self.links.values() if link.app == app for place in link.upstreams)

    def holds_of(self, app: str) -> tuple[str, ...]:
        """Say where nginx lets visitors of an app wait that nobody else holds a place for."""
        found = [link for link in self.links.values() if link.app == app and len(link.upstreams) == 1]
        return tuple(link.hold for link in found if link.hold)

    def connection_parts(self, taker: str) -> Mapping[str, float]:
        """Price the connections of one process of a taker in its own memory, MiB, by name."""
        link = self.links[taker]
        return {
            f"{name}, {link.pool_size} x {mib:g} MiB": link.pool_size * mib
            for access in self.access.get(link.app, {}).values()
            for name, mib in access.connection_parts.items()
        }

    def migration_parts(self, app: str) -> Mapping[str, float]:
        """Price what the one connection that a migration opens to each server costs it, MiB, by name."""
        return {
            name: mib for access in self.access.get(app, {}).values() for name, mib in access.connection_parts.items()
        }

    def connection_inputs(self, taker: str) -> tuple[str, ...]:
        """Name what that price is worked out from; nothing where connections cost the process nothing."""
        priced = [one for one in self.access.get(self.links[taker].app, {}).values() if one.connection_parts]
        pool = (f"{taker}.pool_size",) if priced else ()
        return (*pool, *(path for one in priced for path in one.connection_inputs))


def pools_of(declaration: Declaration, chain: Chain, server: str) -> str:
    """Name the pools that a server's connections are for, the largest first: what to pin smaller, and what it is now.

    Args:
        declaration: The host.
        chain: Its chain of connections.
        server: The server.
    """
    links = {taker: chain.links[taker] for taker in chain.users_of(server)}
    largest = sorted(links, key=lambda taker: -links[taker].processes * links[taker].pool_size)
    shown = [
        f"{declaration.key_of(taker)}.pool_size ({links[taker].processes} x {links[taker].pool_size})"
        for taker in largest[:MOST_POOLS]
    ]
    return ", ".join(shown) + (f" and {len(largest) - MOST_POOLS} more" if len(largest) > MOST_POOLS else "")

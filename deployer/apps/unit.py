"""The unit of anything that runs an app's code: what its template is given, and the limits that it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from deployer.apps.places import AppPlaces
from deployer.apps.spool import SPOOL
from deployer.budget import Grant, usable_mib
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived

#: What a process may reach: nothing but unix sockets, this host, or the world.
Network = Literal["none", "loopback", "internet"]


@dataclass(frozen=True, slots=True)
class UnitText:
    """What ``systemd/app-sandbox.j2`` and the unit templates are given of an app.

    Attributes:
        environment: Variables; secrets are credentials instead.
        pool_variables: Variables for the connections that one process may open to each server that the app uses.
        credentials: Secrets by name, and their paths on the host.
        groups: System groups besides its own.
        after: Units that must be up before.
        network: What the process may reach.
        jit: It writes machine code at run time.
    """

    environment: Mapping[str, str]
    pool_variables: tuple[str, ...]
    credentials: Mapping[str, str]
    groups: tuple[str, ...]
    after: tuple[str, ...]
    network: Network
    jit: bool


def unit_text(declaration: Declaration, chain: Chain, name: str, *, listens_on_port: bool = False) -> UnitText:
    """Put together what the units of an app have in common; what the user declares wins.

    Args:
        declaration: The host.
        chain: Its chain of connections.
        name: The app.
        listens_on_port: It listens on a TCP port of this host, instead of on a unix socket.
    """
    app, places = declaration.apps[name], AppPlaces(name)
    access = chain.access.get(name, {}).values()
    environment = {"TMPDIR": SPOOL}
    credentials = {secret: places.secret(secret) for secret in app.secret_sources}
    for one in access:
        environment |= one.environment
        credentials |= one.credentials
    network: Network = "internet" if app.internet else "loopback" if listens_on_port else "none"
    return UnitText(
        environment=environment | dict(sorted(app.environment.items())),
        pool_variables=tuple(dict.fromkeys(one.pool_variable for one in access if one.pool_variable)),
        credentials=dict(sorted(credentials.items())),
        groups=tuple(dict.fromkeys(group for one in access for group in one.groups)),
        after=tuple(dict.fromkeys(unit for one in access for unit in one.after)),
        network=network,
        jit=chain.runner_of(name).jit,
    )


def unit_numbers(
    declaration: Declaration,
    grant: Grant,
    *,
    tasks: int,
    tasks_because: str,
    stop_s: int,
    processes: int = 1,
    tasks_from: tuple[str, ...] = (),
) -> Numbers:
    """Derive the limits of a unit that runs an app's code, named as systemd names them.

    Args:
        declaration: The host.
        grant: What its taker was given.
        tasks: Processes and threads that it may have.
        tasks_because: Why.
        stop_s: How long it has to finish what it has begun, s.
        processes: Units that share the grant, each with one process.
        tasks_from: What ``tasks`` is worked out from, by path.
    """
    connections, taker = declaration.target.connections, f"ledger.{grant.taker}"
    memory_mib = grant.memory_mib // processes
    swap = _swap(declaration, grant.taker, memory_mib)
    shared = f", for {processes} processes" if processes > 1 else ""
    found = {
        "MemoryMax": derived(memory_mib, "MiB", f"fixed {grant.fixed_mib} + share {grant.elastic_mib}{shared}", taker),
        "MemorySwapMax": swap,
        "TasksMax": derived(tasks, "tasks", tasks_because, *(tasks_from or (taker,))),
        "LimitNOFILE": derived(
            max(8192, connections + 1024),
            "descriptors",
            "one process may have to hold every visitor's connection",
            "target.connections",
        ),
        "TimeoutStopSec": default(stop_s, "s", "what it has begun is finished first"),
    }
    if int(swap.value) >= memory_mib - memory_mib * 9 // 10:
        # with less swap there is nothing to reclaim: a unit above MemoryHigh would stand still and never be ended
        found["MemoryHigh"] = derived(
            memory_mib * 9 // 10,
            "MiB",
            "0.9 of MemoryMax: it is slowed down and swapped out first",
            f"{grant.taker}.MemoryMax",
        )
    return found


def _swap(declaration: Declaration, taker: str, memory_mib: int) -> Derived:
    """Give a unit as much of the swap as its MemoryMax is of all memory, so that no two are given the same."""
    if not declaration.swap_mib:
        return derived(0, "MiB", "the host has no swap", "hardware.swap_mib")
    quarter_mib, usable = memory_mib // 4, usable_mib(declaration)
    part_mib = declaration.swap_mib * memory_mib // usable
    because = f"of {declaration.swap_mib} MiB as much as MemoryMax is of {usable}"
    because = "a quarter of MemoryMax" if quarter_mib <= part_mib else because
    inputs = ("hardware.swap_mib", f"{taker}.MemoryMax", *(() if quarter_mib <= part_mib else ("usable_mib",)))
    return derived(min(quarter_mib, part_mib), "MiB", because, *inputs)

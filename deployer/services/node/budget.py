"""What a Node.js app needs: one process at least, more of them as cores can use, then larger heaps.

The size of a process is its old space, in which long-lived connections are, what V8 and Node hold besides, and what
the app holds outside the heap (Buffers of uploads too); a twentieth of its MemoryMax is left for sockets in the kernel
and for what fragments. Source: docs/budget.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from deployer.app import App
from deployer.apps import beside_inputs, candidate_numbers, jobs_without_room, unit_numbers
from deployer.apps.ports import port_contradictions
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Contradictions, Remedy
from deployer.services.node.links import (
    FILLED,
    LEAST_JOB_OLD_SPACE_MIB,
    SEMI_SPACE_MIB,
    SMALL_OLD_SPACE_MIB,
    apps_of,
    runner_of,
)
from deployer.services.node.process import MOST_OLD_SPACE_MIB, Process
from deployer.services.node.settings import NodeSettings
from deployer.units import round_down

#: Share of the elastic remainder.
WEIGHT = 3
#: How long a process may finish what it has begun, s.
STOP_S = 20
#: Threads of a process besides libuv's: the event loop, V8's, room for workers.
TASKS = 48
#: libuv's threads for files, names and password hashes.
POOL_THREADS = 4


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each app: its first process is its floor, the others and larger heaps its share."""
    found = []
    for name, (app, settings) in apps_of(declaration).items():
        wanted = chain.links[name].processes
        first = wanted if settings.processes is not None else 1
        one, all_of_them = (_process(declaration, chain, name, count) for count in (first, wanted))
        inside: dict[str, float] = {f"old space {one.own_mib:g} MiB": one.own_mib}
        if settings.old_space_mib is None:
            inside |= one.held_parts
        inside[f"{one.outside_mib:g} MiB of Node and Buffers beside it"] = one.outside_mib
        filled_mib = first * sum(inside.values())
        beside = {**one.upload_parts, **chain.connection_parts(name)}
        parts = {
            **_daemon(settings),
            **{f"{first} x {part}": first * mib for part, mib in inside.items()},
            "a twentieth of it all: sockets, fragments": filled_mib / FILLED - filled_mib,
            **{f"{first} x {part}": first * mib for part, mib in beside.items()},
        }
        cap = wanted * all_of_them.size_mib(all_of_them.most_mib) - first * one.size_mib(one.least_mib)
        found.append(
            Claim(
                name,
                parts,
                weight=WEIGHT if cap >= 1 else 0,
                cap_mib=int(cap),
                because=_because(settings, wanted),
                inputs=(*_inputs(name, app, settings), *chain.connection_inputs(name)),
            )
        )
    return found


def _inputs(name: str, app: App, settings: NodeSettings) -> Iterator[str]:
    where = f"apps.{name}.node"
    yield f"{where}.old_space_mib" if settings.old_space_mib else "priors.node_old_space_floor_mib"
    yield from ("priors.node_beside_mib", f"{where}.external_mib", *beside_inputs(name, app))
    if settings.processes is not None:
        yield f"{where}.processes"
    if settings.pm2:
        yield "priors.pm2_daemon_mib"


def _because(settings: NodeSettings, wanted: int) -> str:
    processes = f"up to {wanted} processes" if settings.processes is None else ""
    heaps = f"old space up to {MOST_OLD_SPACE_MIB} MiB" if settings.old_space_mib is None else ""
    return ", then ".join(part for part in (processes, heaps) if part)


def _daemon(settings: NodeSettings) -> Mapping[str, float]:
    """Price what is there once, whatever the number of processes."""
    return {"PM2's daemon": PRIORS.pm2_daemon_mib} if settings.pm2 else {}


def _process(declaration: Declaration, chain: Chain, name: str, count: int) -> Process:
    app, settings = apps_of(declaration)[name]
    return Process(app, settings, sum(chain.connection_parts(name).values()), count)


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive each app's processes and heaps from its grant."""
    return {
        name: _of_app(name, settings, declaration, chain, grants)
        for name, (_, settings) in apps_of(declaration).items()
    }


def _of_app(
    name: str, settings: NodeSettings, declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]
) -> Numbers:
    cores, grant = declaration.hardware.cpu_cores, grants[name]
    room_mib = grant.memory_mib - sum(_daemon(settings).values())
    processes = _processes(name, declaration, chain, room_mib, grant)
    count = int(processes.value)
    each_mib, one = room_mib / count, _process(declaration, chain, name, count)
    threads = settings.pool_threads or max(POOL_THREADS, cores)
    found: dict[str, Derived] = {
        "processes": processes,
        "backlog": chain.numbers["backlog"],
        "old_space": _old_space(name, one, each_mib),
        "semi_space": default(SEMI_SPACE_MIB, "MiB", "three of these hold young objects; 24 by itself would take 64"),
        "pool_threads": pinned(threads, "threads", f"apps.{name}.node.pool_threads")
        if settings.pool_threads
        else derived(
            threads,
            "threads",
            f"files, names, password hashes: one per core, at least the {POOL_THREADS} that Node has by itself",
            "hardware.cpu_cores",
        ),
        **unit_numbers(
            declaration,
            grant,
            tasks_from=(f"{name}.pool_threads",),
            tasks=(TASKS + threads) * count + TASKS if settings.pm2 else TASKS + threads,
            tasks_because="event loops, V8's threads, libuv's pools, PM2"
            if settings.pm2
            else "the event loop, V8's threads, libuv's pool",
            stop_s=STOP_S,
            processes=1 if settings.pm2 else count,
        ),
    }
    if settings.pm2:
        found["kill_timeout"] = default(1000 * STOP_S - 2000, "ms", "less than the unit's TimeoutStopSec")
        found["max_memory_restart"] = derived(
            round_down(each_mib, 1),
            "MiB",
            f"a {count}th of the grant beside PM2's daemon" if count > 1 else "the grant beside PM2's daemon",
            f"ledger.{name}",
        )
    found |= candidate_numbers(
        name,
        one.size_mib(one.own_mib),
        grants,
        each_mib=int(found["MemoryMax"].value),
        inputs=(f"{name}.old_space", "priors.node_beside_mib"),
    )
    if "pool_size" in chain.of_taker(name):
        found["pool_size"] = chain.of_taker(name)["pool_size"]
    return found


def _processes(name: str, declaration: Declaration, chain: Chain, room_mib: float, grant: Grant) -> Derived:
    wanted = chain.of_taker(name)["processes"]
    if apps_of(declaration)[name][1].processes is not None:
        return wanted
    # two hold all long-lived connections each, three half of them: more processes may need less memory each
    count, each_mib = 1, 0.0
    for fewer in range(int(wanted.value), 0, -1):
        one = _process(declaration, chain, name, fewer)
        count, each_mib = fewer, one.size_mib(one.least_mib)
        if fewer * each_mib <= room_mib + 1e-9:
            break
    because = f"{wanted.because}; {count} of {each_mib:.0f} MiB fit into {grant.memory_mib} MiB"
    return derived(count, "processes", because, *wanted.inputs, f"ledger.{name}")


def _old_space(name: str, one: Process, each_mib: float) -> Derived:
    if one.settings.old_space_mib is not None:
        return pinned(one.settings.old_space_mib, "MiB", f"apps.{name}.node.old_space_mib")
    old_space_mib = one.old_space_mib(each_mib)
    beside_mib = one.pools_mib + sum(one.upload_parts.values())
    because = f"{FILLED} of {each_mib - beside_mib:.0f} MiB, less {one.outside_mib:g} for what is beside it"
    if old_space_mib >= MOST_OLD_SPACE_MIB:
        because = "a larger heap is collected in pauses that visitors notice"
    if one.held_parts:
        because += f"; with room for {', '.join(one.held_parts)}"
    return derived(
        old_space_mib,
        "MiB",
        because if one.count == 1 else f"of each process; {because}",
        f"ledger.{name}",
        f"{name}.processes",
        "priors.node_beside_mib",
        *(f"apps.{name}.websockets.{key}" for key in ("connections", "memory_kib") if one.held_parts),
    )


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer a smaller heap where nobody pinned it, fewer processes where they are pinned, and no PM2."""
    for name, (app, settings) in apps_of(declaration).items():
        where = f"apps.{name}.node"
        one = Process(app, settings, 0, settings.processes or 1)
        small_mib = SMALL_OLD_SPACE_MIB + ceil(sum(one.held_parts.values()))
        if one.least_mib > small_mib:
            yield Remedy(
                f"{where}.old_space_mib: {small_mib}, if you measured that it needs no more",
                _with(declaration, name, settings, old_space_mib=small_mib),
            )
        if (settings.processes or 1) > 1:
            yield Remedy(f"{where}.processes: 1", _with(declaration, name, settings, processes=1))
        if settings.pm2:
            yield Remedy(f"{where}.pm2: false; systemd runs each process", _with(declaration, name, settings, pm2=0))


def _with(declaration: Declaration, name: str, settings: NodeSettings, **changes: int) -> Declaration:
    return declaration.with_app(name, node=settings.model_copy(update=changes))


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse ports and versions that cannot be had, a port for PM2's one socket, and jobs without room for a heap."""
    yield from port_contradictions(declaration, "node")
    first = next((settings.version for _, settings in apps_of(declaration).values()), "")
    for name, (app, settings) in apps_of(declaration).items():
        yield from jobs_without_room(name, app, runner_of(name), "a process of Node.js")
        held = Process(app, settings, 0, settings.processes or 1).held_parts
        least_mib = ceil(sum(held.values())) + LEAST_JOB_OLD_SPACE_MIB
        if held and settings.old_space_mib is not None and settings.old_space_mib < least_mib:
            why = f"{', '.join(held)} are in it, and the app's own objects; write at least {least_mib}"
            yield ("apps", name, "node", "old_space_mib"), why
        if settings.version != first:
            yield ("apps", name, "node", "version"), f"a host has one nodejs package; another app has version {first}"
        if settings.pm2 and settings.port is not None:
            yield ("apps", name, "node", "port"), "PM2's processes share a socket that systemd holds; leave out port"

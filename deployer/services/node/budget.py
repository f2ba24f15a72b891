"""What a Node.js app needs: one process at least, more of them as cores can use, then larger heaps.

The size of a process is its old space, what V8 and Node hold besides, and what the app holds outside the heap; a
twentieth of its MemoryMax is left for sockets in the kernel and for what fragments. Source: docs/budget.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.app import App
from deployer.apps import beside_parts, jobs_without_room, unit_numbers
from deployer.apps.ports import port_contradictions
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Contradictions, Remedy
from deployer.services.node.links import FILLED, SMALL_OLD_SPACE_MIB, apps_of, runner_of
from deployer.services.node.settings import NodeSettings
from deployer.units import round_down

#: Share of the elastic remainder.
WEIGHT = 3
#: A heap beyond this is collected in pauses that visitors notice, MiB.
MOST_OLD_SPACE_MIB = 2048
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
        wanted, floor_mib = chain.links[name].processes, settings.old_space_mib or PRIORS.node_old_space_floor_mib
        first = wanted if settings.processes is not None else 1
        parts: dict[str, float] = {**_beside(app, settings)}
        parts[f"{first} x old space {floor_mib:g} MiB"] = first * floor_mib
        outside_mib = PRIORS.node_beside_mib + settings.external_mib
        parts[f"{first} x {outside_mib:g} MiB of Node and Buffers beside it"] = first * outside_mib
        filled_mib = first * (floor_mib + outside_mib)
        parts["a twentieth of it all: sockets, fragments"] = filled_mib / FILLED - filled_mib
        parts |= {f"{first} x {one}": first * mib for one, mib in chain.connection_parts(name).items()}
        most_mib = settings.old_space_mib or MOST_OLD_SPACE_MIB
        connections_mib = sum(chain.connection_parts(name).values())
        cap = wanted * _process_mib(settings, most_mib, connections_mib)
        cap -= first * _process_mib(settings, floor_mib, connections_mib)
        found.append(
            Claim(name, parts, weight=WEIGHT if cap >= 1 else 0, cap_mib=int(cap), because=_because(settings, wanted))
        )
    return found


def _because(settings: NodeSettings, wanted: int) -> str:
    processes = f"up to {wanted} processes" if settings.processes is None else ""
    heaps = f"old space up to {MOST_OLD_SPACE_MIB} MiB" if settings.old_space_mib is None else ""
    return ", then ".join(part for part in (processes, heaps) if part)


def _beside(app: App, settings: NodeSettings) -> Mapping[str, float]:
    """Price what is there once, whatever the number of processes."""
    return {**({"PM2's daemon": PRIORS.pm2_daemon_mib} if settings.pm2 else {}), **beside_parts(app)}


def _process_mib(settings: NodeSettings, old_space_mib: float, connections_mib: float) -> float:
    return (old_space_mib + PRIORS.node_beside_mib + settings.external_mib) / FILLED + connections_mib


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive each app's processes and heaps from its grant."""
    return {
        name: _of_app(name, settings, declaration, chain, grants[name])
        for name, (_, settings) in apps_of(declaration).items()
    }


def _of_app(name: str, settings: NodeSettings, declaration: Declaration, chain: Chain, grant: Grant) -> Numbers:
    app, cores = declaration.apps[name], declaration.hardware.cpu_cores
    room_mib = grant.memory_mib - sum(_beside(app, settings).values())
    processes = _processes(name, settings, chain, room_mib, grant)
    count = int(processes.value)
    each_mib = room_mib / count
    threads = settings.pool_threads or max(POOL_THREADS, cores)
    found: dict[str, Derived] = {
        "processes": processes,
        "backlog": chain.numbers["backlog"],
        "old_space": _old_space(name, settings, each_mib, sum(chain.connection_parts(name).values()), count),
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
    if "pool_size" in chain.of_taker(name):
        found["pool_size"] = chain.of_taker(name)["pool_size"]
    return found


def _processes(name: str, settings: NodeSettings, chain: Chain, room_mib: float, grant: Grant) -> Derived:
    wanted = chain.of_taker(name)["processes"]
    if settings.processes is not None:
        return wanted
    floor_mib = settings.old_space_mib or PRIORS.node_old_space_floor_mib
    each_mib = _process_mib(settings, floor_mib, sum(chain.connection_parts(name).values()))
    fits = max(1, int(room_mib / each_mib + 1e-9))
    because = f"{wanted.because}; {fits} of {each_mib:.0f} MiB fit into {grant.memory_mib} MiB"
    return derived(min(int(wanted.value), fits), "processes", because, *wanted.inputs, f"ledger.{name}")


def _old_space(name: str, settings: NodeSettings, each_mib: float, connections_mib: float, count: int) -> Derived:
    if settings.old_space_mib is not None:
        return pinned(settings.old_space_mib, "MiB", f"apps.{name}.node.old_space_mib")
    outside_mib = PRIORS.node_beside_mib + settings.external_mib
    room_mib = round_down(FILLED * (each_mib - connections_mib) - outside_mib + 1e-9, 1)
    because = f"{FILLED} of {each_mib - connections_mib:.0f} MiB, less {outside_mib:g} for what is beside it"
    if room_mib > MOST_OLD_SPACE_MIB:
        because = "a larger heap is collected in pauses that visitors notice"
    return derived(
        min(room_mib, MOST_OLD_SPACE_MIB),
        "MiB",
        because if count == 1 else f"of each process; {because}",
        f"ledger.{name}",
        f"{name}.processes",
        "priors.node_beside_mib",
    )


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer a smaller heap where nobody pinned it, fewer processes where they are pinned, and no PM2."""
    for name, (app, settings) in apps_of(declaration).items():
        where = f"apps.{name}.node"
        if (settings.old_space_mib or PRIORS.node_old_space_floor_mib) > SMALL_OLD_SPACE_MIB:
            yield Remedy(
                f"{where}.old_space_mib: {SMALL_OLD_SPACE_MIB}, if you measured that it needs no more",
                _with(declaration, name, app, settings, old_space_mib=SMALL_OLD_SPACE_MIB),
            )
        if (settings.processes or 1) > 1:
            yield Remedy(f"{where}.processes: 1", _with(declaration, name, app, settings, processes=1))
        if settings.pm2:
            yield Remedy(
                f"{where}.pm2: false; systemd runs each process", _with(declaration, name, app, settings, pm2=0)
            )


def _with(declaration: Declaration, name: str, app: App, settings: NodeSettings, **changes: int) -> Declaration:
    changed = app.model_copy(update={"node": settings.model_copy(update=changes)})
    return declaration.model_copy(update={"apps": {**declaration.apps, name: changed}})


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse ports and versions that cannot be had, a port for PM2's one socket, and jobs without room for a heap."""
    yield from port_contradictions(declaration, "node")
    first = next((settings.version for _, settings in apps_of(declaration).values()), "")
    for name, (app, settings) in apps_of(declaration).items():
        yield from jobs_without_room(name, app, runner_of(name), "a process of Node.js")
        if settings.version != first:
            yield ("apps", name, "node", "version"), f"a host has one nodejs package; another app has version {first}"
        if settings.pm2 and settings.port is not None:
            yield ("apps", name, "node", "port"), "PM2's processes share a socket that systemd holds; leave out port"

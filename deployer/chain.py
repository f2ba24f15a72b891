"""The chain of connections: visitors, nginx's slots, the apps' workers, their pools, the database's connections.

It is worked out once, from the declaration alone, before any memory is given away: the claims need it, and every
service reads its own link of it. Sources of the formulas: docs/budget.md.
"""

from __future__ import annotations

from math import ceil

from deployer.app import App
from deployer.budget import Chain, Derived, Provenance
from deployer.declaration import Declaration
from deployer.units import round_up

#: Slots of nginx that no visitor gets: listeners, logs, the cache's own files.
SPARE_SLOTS = 64
#: The kernel wakes the same idle worker again and again, so visitors are never spread evenly; and a worker that is full
#: closes whoever it accepts. Each has room for so many times its fair part: up to four workers, for all there are.
UNEVEN = 4
#: Files that each nginx worker keeps open (open_file_cache): pages of the micro-cache above all.
OPEN_FILES = 1000
#: Connections of the database beyond the apps' pools: a person, a backup, a migration, the health check, one spare.
ADMIN_CONNECTIONS = 5
FEWEST_DATABASE_CONNECTIONS = 10
#: What the kernel takes by default since 5.4 (net.core.somaxconn); nginx alone would ask for 511.
BACKLOG = 4096


def connection_chain(declaration: Declaration) -> Chain:
    """Follow one visitor's connection through the host.

    Returns:
        ``worker_processes``, ``worker_connections``, ``worker_rlimit_nofile`` and ``backlog`` for nginx,
        ``APP.workers`` and ``APP.pool_size`` for each app, ``max_connections`` for the database.
    """
    cores, visitors = declaration.hardware.cpu_cores, declaration.target.connections
    slots = min(2 * visitors, UNEVEN * ceil(2 * visitors / cores)) + SPARE_SLOTS
    numbers = {
        "worker_processes": derived(cores, "", "one per core"),
        "worker_connections": derived(
            slots,
            "connections",
            f"2 x {visitors} visitors + {SPARE_SLOTS}: each has one to the app, and one worker may get all of them"
            if cores <= UNEVEN
            else f"{UNEVEN} x 2 x {visitors} visitors / {cores} workers + {SPARE_SLOTS}: each has one to the app, "
            "and some workers get more of them than others",
        ),
        "worker_rlimit_nofile": derived(
            round_up(2 * slots + OPEN_FILES, 64),
            "descriptors",
            f"2 x {slots} connections, each may need a file, + {OPEN_FILES} files that a worker keeps open",
        ),
        "backlog": derived(
            BACKLOG, "connections", "a burst of visitors waits in the kernel; more than it takes is cut"
        ),
    }
    pools = {}
    for name, app in declaration.apps.items():
        workers, pool = _workers(app, cores), _pool(app, cores)
        numbers[f"{name}.workers"] = workers
        if app.database is not None:
            numbers[f"{name}.pool_size"] = pool
            pools[name] = int(workers.value) * int(pool.value)
    together = sum(pools.values())
    numbers["max_connections"] = derived(
        max(FEWEST_DATABASE_CONNECTIONS, together + ADMIN_CONNECTIONS),
        "connections",
        f"pools of all app workers {together} + {ADMIN_CONNECTIONS} for people, backups and migrations; "
        f"at least {FEWEST_DATABASE_CONNECTIONS}",
    )
    return Chain(numbers, pools)


def derived(value: float | str, unit: str, because: str) -> Derived:
    """Shorten what most numbers are: derived from the declaration."""
    return Derived(value, unit, Provenance.DERIVED, because)


def pinned(value: float | str, unit: str, where: str) -> Derived:
    """Make the number that a user wrote down."""
    return Derived(value, unit, Provenance.PINNED, f"the inventory says so ({where})")


def default(value: float | str, unit: str, because: str) -> Derived:
    """Make a number that is the same on every host."""
    return Derived(value, unit, Provenance.DEFAULT, because)


def is_async(app: App) -> bool:
    """Say whether one worker of this app serves many visitors at once."""
    return "uvicorn" in app.gunicorn.worker_class.lower() or app.gunicorn.worker_class == "asgi"


def _workers(app: App, cores: int) -> Derived:
    if app.gunicorn.workers is not None:
        return pinned(app.gunicorn.workers, "processes", "gunicorn.workers")
    if is_async(app):
        return derived(cores, "processes", "one event loop keeps one core busy")
    return derived(2 * cores + 1, "processes", f"2 x {cores} cores + 1: each serves one visitor at a time")


def _pool(app: App, cores: int) -> Derived:
    if app.gunicorn.pool_size is not None:
        return pinned(app.gunicorn.pool_size, "connections", "gunicorn.pool_size")
    workers = int(_workers(app, cores).value)
    if not is_async(app):
        return derived(1, "connections", "a worker that serves one visitor at a time uses one")
    return derived(
        max(2, ceil((2 * cores + 1) / workers)),
        "connections",
        f"(2 x {cores} cores + 1 disk) / {workers} workers: more only wait inside the database",
    )

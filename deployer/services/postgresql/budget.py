"""What PostgreSQL needs at its worst: the empty server, shared_buffers, every connection with its work areas full.

The formula and its measured constants: docs/budget.md. The usual advice (a quarter of the memory for shared_buffers,
work_mem of 4 MiB at least) assumes a host of its own; here everything comes out of the server's own slice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.budget import Claim, Grant, usable_mib
from deployer.chain import ADMIN_CONNECTIONS, FEWEST_DATABASE_CONNECTIONS
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.links import Chain, pools_of
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Remedy
from deployer.services.postgresql.settings import settings_of
from deployer.units import round_down

TAKER = "postgresql"
#: Share of the elastic remainder; an app's worker has 3.
WEIGHT = 2

#: Floor and ceiling of work_mem, KiB: below, every sort goes to the disk; beyond, a web page's queries gain nothing.
LEAST_WORK_KIB, MOST_WORK_KIB = 1024, 16 * 1024
#: Floor of maintenance_work_mem, and of what each worker of autovacuum may hold, MiB.
LEAST_MAINTENANCE_MIB, MOST_MAINTENANCE_MIB = 16, 256
#: Temporary tables of one connection (temp_buffers), MiB; the server's own default is 8.
TEMPORARY_MIB = 1
WAL_BUFFERS_MIB = 4
#: Cores from which on a query may use more than one: with fewer, visitors would wait for one another.
PARALLEL_CORES = 4
#: Write-ahead log between two checkpoints, MiB: the server's own default, and the most; a segment has 16.
USUAL_WAL_MIB, LARGEST_WAL_MIB, LEAST_WAL_MIB = 1024, 4096, 80
#: Checkpointer, writers, launchers, a few that begin or end.
OWN_TASKS = 24


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price the server and its connections; shared_buffers and work_mem take what is left of its share.

    Raises:
        BudgetError: The pinned ``max_connections`` is less than the apps can open.
    """
    settings = settings_of(declaration)
    connections, parallel = int(_max_connections(declaration, chain).value), _parallel_workers(declaration)
    workers = _autovacuum_workers(declaration)
    work_kib = settings.work_mem_kib or LEAST_WORK_KIB
    own_mib = PRIORS.postgresql_backend_mib + TEMPORARY_MIB
    parts = {
        f"postgresql {settings.version}, empty": PRIORS.postgresql_fixed_mib[settings.version],
        f"{connections} connections": connections * own_mib,
        f"work_mem, {PRIORS.postgresql_work_areas} x {work_kib} KiB for each": connections * _areas_mib(work_kib),
        f"{workers + 1} x maintenance (autovacuum, a migration)": float((workers + 1) * LEAST_MAINTENANCE_MIB),
        "wal_buffers": float(WAL_BUFFERS_MIB),
        f"shared_buffers x {PRIORS.postgresql_buffers_share:g}": PRIORS.postgresql_buffers_share
        * (settings.shared_buffers_mib or PRIORS.postgresql_buffers_floor_mib),
    }
    priors = ("fixed_mib", "backend_mib", "work_areas", "buffers_share")
    inputs = [
        *(f"{TAKER}.{name}" for name in ("max_connections", "autovacuum_max_workers")),
        *(f"priors.postgresql_{name}" for name in priors),
    ]
    if parallel:
        parts[f"{parallel} parallel workers"] = parallel * (own_mib + _areas_mib(work_kib))
        inputs.append(f"{TAKER}.max_parallel_workers")
    if settings.work_mem_kib:
        inputs.append("services.postgresql.work_mem_kib")
    if settings.shared_buffers_mib:
        return [Claim(TAKER, parts, inputs=(*inputs, "services.postgresql.shared_buffers_mib"))]
    inputs.append("priors.postgresql_buffers_floor_mib")
    because = "shared_buffers: rows in memory are not read from the disk"
    return [Claim(TAKER, parts, weight=WEIGHT, because=because, inputs=tuple(inputs))]


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the server's settings from its grant."""
    grant, connections = grants[TAKER], _max_connections(declaration, chain)
    workers, parallel = _autovacuum_workers(declaration), _parallel_workers(declaration)
    found: dict[str, Derived] = {
        "MemoryMax": derived(
            grant.memory_mib, "MiB", f"fixed {grant.fixed_mib} + share {grant.elastic_mib}", f"ledger.{TAKER}"
        ),
        "max_connections": connections,
        **_memory(declaration, grant, int(connections.value)),
        "temp_buffers": default(TEMPORARY_MIB, "MiB", "each connection may have as much in temporary tables"),
        "wal_buffers": default(WAL_BUFFERS_MIB, "MiB", "what is written between two flushes of a small host"),
        "hash_mem_multiplier": default(1, "", "a hash takes no more than a sort: the price of a connection says so"),
        "autovacuum_max_workers": derived(workers, "workers", "one per core, at most 3", "hardware.cpu_cores"),
        **_parallel(parallel),
        **_disk(declaration),
        "TasksMax": derived(
            int(connections.value) + workers + parallel + OWN_TASKS,
            "tasks",
            f"a process for each connection and worker, {OWN_TASKS} of the server's own and to spare",
            f"{TAKER}.max_connections",
        ),
    }
    return {TAKER: found}


def _memory(declaration: Declaration, grant: Grant, connections: int) -> dict[str, Derived]:
    """Share out what is beyond the floors: 3/16 to work_mem, 1/16 to maintenance, the rest to shared_buffers."""
    settings, elastic = settings_of(declaration), float(grant.elastic_mib)
    areas = PRIORS.postgresql_work_areas * (connections + _parallel_workers(declaration))
    tenders = _autovacuum_workers(declaration) + 1
    work_mib = maintenance_mib = 0.0
    if settings.work_mem_kib is None:
        work_mib = min(elastic * 3 / 16, areas * (MOST_WORK_KIB - LEAST_WORK_KIB) / 1024)
    maintenance_mib = min(elastic / 16, tenders * (MOST_MAINTENANCE_MIB - LEAST_MAINTENANCE_MIB))
    floor, each = PRIORS.postgresql_buffers_floor_mib, PRIORS.postgresql_buffers_share
    buffers_mib = settings.shared_buffers_mib or floor + int((elastic - work_mib - maintenance_mib) / each)
    work_kib = settings.work_mem_kib or round_down(LEAST_WORK_KIB + work_mib * 1024 / areas, 64)
    tending_mib = LEAST_MAINTENANCE_MIB + int(maintenance_mib / tenders)
    cache_mib = int(PRIORS.page_cache_share * usable_mib(declaration))
    ledger, connected = f"ledger.{TAKER}", f"{TAKER}.max_connections"
    shared = f"share of the remainder {grant.elastic_mib}"
    return {
        "shared_buffers": pinned(buffers_mib, "MiB", "services.postgresql.shared_buffers_mib")
        if settings.shared_buffers_mib
        else derived(
            buffers_mib,
            "MiB",
            f"floor {floor} + what is left of the {shared}, / {each:g}",
            ledger,
            "priors.postgresql_buffers_share",
        ),
        "work_mem": pinned(work_kib, "KiB", "services.postgresql.work_mem_kib")
        if settings.work_mem_kib
        else derived(
            work_kib,
            "KiB",
            f"floor {LEAST_WORK_KIB} + 3/16 of the {shared} MiB, for {areas} sorts and hashes at once; "
            f"at most {MOST_WORK_KIB}",
            ledger,
            connected,
            "priors.postgresql_work_areas",
        ),
        "maintenance_work_mem": derived(
            tending_mib,
            "MiB",
            f"floor {LEAST_MAINTENANCE_MIB} + 1/16 of the {shared}, for {tenders} at once",
            ledger,
            f"{TAKER}.autovacuum_max_workers",
        ),
        "autovacuum_work_mem": derived(
            tending_mib, "MiB", "as much as maintenance_work_mem", f"{TAKER}.maintenance_work_mem"
        ),
        "effective_cache_size": derived(
            buffers_mib + cache_mib,
            "MiB",
            f"shared_buffers + the host's page cache {cache_mib}; a hint for the planner, it takes nothing",
            f"{TAKER}.shared_buffers",
            "hardware.memory_mib",
        ),
    }


def _parallel(parallel: int) -> dict[str, Derived]:
    of_a_query = min(2, parallel)
    because = f"from {PARALLEL_CORES} cores on, as many as half of them" if parallel else "the cores serve visitors"
    cores = "hardware.cpu_cores"
    return {
        "max_parallel_workers": derived(parallel, "workers", because, cores),
        "max_parallel_workers_per_gather": derived(of_a_query, "workers", f"{because}; at most 2", cores),
        "max_parallel_maintenance_workers": derived(of_a_query, "workers", f"{because}; at most 2", cores),
        "max_worker_processes": derived(
            parallel + 2, "workers", "parallel workers + 2 of the server's own", f"{TAKER}.max_parallel_workers"
        ),
    }


def _disk(declaration: Declaration) -> dict[str, Derived]:
    hardware = declaration.hardware
    disk_mib, ssd = hardware.disk_gib * 1024, hardware.disk_kind == "ssd"
    wal_mib = round_down(max(min(USUAL_WAL_MIB, disk_mib / 20), min(LARGEST_WAL_MIB, disk_mib / 50)), 16)
    return {
        "max_wal_size": derived(
            wal_mib, "MiB", f"1/20 of the disk up to {USUAL_WAL_MIB}, 1/50 of a large one", "hardware.disk_gib"
        ),
        "min_wal_size": default(LEAST_WAL_MIB, "MiB", "five segments, kept for what is written next"),
        "random_page_cost": derived(
            1.1 if ssd else 4.0, "", f"a small VPS's {hardware.disk_kind}", "hardware.disk_kind"
        ),
        "effective_io_concurrency": derived(
            200 if ssd else 2, "reads", f"a small VPS's {hardware.disk_kind}", "hardware.disk_kind"
        ),
    }


def _autovacuum_workers(declaration: Declaration) -> int:
    return min(3, declaration.hardware.cpu_cores)


def _parallel_workers(declaration: Declaration) -> int:
    cores = declaration.hardware.cpu_cores
    return cores // 2 if cores >= PARALLEL_CORES else 0


def _areas_mib(work_kib: int) -> float:
    return PRIORS.postgresql_work_areas * work_kib / 1024


def _max_connections(declaration: Declaration, chain: Chain) -> Derived:
    """Sum what all may open.

    Raises:
        BudgetError: It is pinned to less.
    """
    pin, together = settings_of(declaration).max_connections, chain.connections_to(TAKER)
    wanted = derived(
        max(FEWEST_DATABASE_CONNECTIONS, together + ADMIN_CONNECTIONS),
        "connections",
        f"pools of all that use it {together} + {ADMIN_CONNECTIONS} for people, backups and migrations; "
        f"at least {FEWEST_DATABASE_CONNECTIONS}",
        *(f"{taker}.pool_size" for taker in chain.users_of(TAKER)),
    )
    if pin is None:
        return wanted
    if pin < int(wanted.value):
        raise BudgetError(
            f"services.postgresql.max_connections is pinned to {pin}, "
            f"but the apps and their keepers can open {wanted.value}: {wanted.because}",
            where=f"hosts.{declaration.host}.services.postgresql.max_connections",
            next_step=f"leave it out, or pin smaller pools: {pools_of(declaration, chain, TAKER)}",
        )
    return pinned(pin, wanted.unit, "services.postgresql.max_connections")


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer what makes the server smaller: no pins."""
    settings = settings_of(declaration)
    for name in ("shared_buffers_mib", "work_mem_kib", "max_connections"):
        if getattr(settings, name) is not None:
            changed = declaration.with_settings(TAKER, settings, **{name: None})
            yield Remedy(f"leave out services.postgresql.{name}", changed)

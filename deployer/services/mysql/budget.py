"""What MariaDB needs at its worst: the empty server, the buffer pool, and every connection with all its buffers in use.

The formula and its measured constants: docs/budget.md. ``per connection`` is the sum of the buffers that the template
sets, so the two must be changed together; a test holds them against each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.budget import Claim, Grant
from deployer.chain import ADMIN_CONNECTIONS, FEWEST_DATABASE_CONNECTIONS
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Remedy
from deployer.services.mysql.settings import MysqlSettings, settings_of
from deployer.units import round_down, round_up

TAKER = "mysql"
#: Share of the elastic remainder; an app's worker has 3.
WEIGHT = 2

#: Bytes of each buffer that one connection may hold, by the server's own names. KiB.
CONNECTION_BUFFERS_KIB: Mapping[str, int] = {
    "sort_buffer_size": 256,
    "join_buffer_size": 256,
    "read_buffer_size": 128,
    "read_rnd_buffer_size": 256,
    "mrr_buffer_size": 256,
    "thread_stack": 292,
    "binlog_cache_size": 32,
    "net_buffer_length": 16,
}
#: One in-memory table of a connection, KiB: tmp_memory_table_size and max_heap_table_size.
TEMPORARY_TABLE_KIB = 1024
TABLE_OPEN_CACHE = 200
#: Redo log of a small host, which is the server's own default, and of the largest. MiB.
LOG_MIB = 96
LARGEST_LOG_MIB = 4096


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price the server and its connections; the buffer pool takes what is left of its share.

    Raises:
        BudgetError: The pinned ``max_connections`` is less than the apps can open.
    """
    settings = settings_of(declaration)
    connections = int(_max_connections(declaration, chain).value)
    pool_mib = settings.innodb_buffer_pool_size_mib
    parts = {
        f"{settings.flavour} {settings.version}, empty": PRIORS.mariadb_fixed_mib[settings.version],
        f"{connections} connections": connections * PRIORS.mariadb_connection_mib,
        "buffer pool": float(pool_mib or PRIORS.mariadb_pool_floor_mib),
    }
    if pool_mib:
        if overhead_mib := _overhead_mib(pool_mib):
            parts["its hashes and locks"] = overhead_mib
        return [Claim(TAKER, parts)]
    return [Claim(TAKER, parts, weight=WEIGHT, because="buffer pool: rows in memory are not read from the disk")]


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the server's settings from its grant."""
    settings, grant = settings_of(declaration), grants[TAKER]
    connections = _max_connections(declaration, chain)
    ssd = declaration.hardware.disk_kind == "ssd"
    pool = _pool(settings, grant)
    open_files = max(1024, round_up(int(connections.value) + 2 * TABLE_OPEN_CACHE + 32, 64))
    log_mib = _log_mib(float(pool.value), declaration.hardware.disk_gib * 1024)
    found: dict[str, Derived] = {
        "MemoryMax": derived(grant.memory_mib, "MiB", f"fixed {grant.fixed_mib} + share {grant.elastic_mib}"),
        "innodb_buffer_pool_size": pool,
        "innodb_log_file_size": derived(
            log_mib,
            "MiB",
            "half of the buffer pool up to 96; an eighth of a larger one, up to 2 % of the disk",
        ),
        "innodb_log_buffer_size": default(2, "MiB", "counted in the measured size of the empty server"),
        "max_connections": connections,
        "thread_cache_size": derived(
            min(int(connections.value), 32), "threads", "every pooled connection keeps its own"
        ),
        "table_open_cache": default(TABLE_OPEN_CACHE, "tables", "counted in the measured size of the empty server"),
        "table_definition_cache": default(400, "tables", "the lowest that the server takes"),
        "table_open_cache_instances": default(1, "", "more of them only part a lock that a small host never waits for"),
        "open_files_limit": derived(
            open_files, "descriptors", f"connections + 2 x {TABLE_OPEN_CACHE} tables + 32, at least 1024"
        ),
        "LimitNOFILE": derived(max(open_files, 4096), "descriptors", "open_files_limit, at least 4096"),
        "key_buffer_size": default(1, "MiB", "no MyISAM tables; the server's own default is 128"),
        "aria_pagecache_buffer_size": default(8, "MiB", "temporary tables on disk; the server's own default is 128"),
        "tmp_memory_table_size": default(TEMPORARY_TABLE_KIB // 1024, "MiB", "each connection may have one"),
        "max_heap_table_size": default(TEMPORARY_TABLE_KIB // 1024, "MiB", "must not be less than the other"),
        "innodb_io_capacity": derived(1000 if ssd else 200, "per s", f"a small VPS's {declaration.hardware.disk_kind}"),
        "innodb_flush_neighbors": derived(0 if ssd else 1, "", "only a turning disk gains from it"),
    }
    for name, kib in CONNECTION_BUFFERS_KIB.items():
        found[name] = default(kib, "KiB", "one for each connection: part of the price of a connection")
    return {TAKER: found}


def _pool(settings: MysqlSettings, grant: Grant) -> Derived:
    if settings.innodb_buffer_pool_size_mib:
        return pinned(settings.innodb_buffer_pool_size_mib, "MiB", "services.mysql.innodb_buffer_pool_size_mib")
    floor, beyond = PRIORS.mariadb_pool_floor_mib, PRIORS.mariadb_pool_overhead_beyond_mib
    room_mib = floor + grant.elastic_mib
    because = f"floor {floor} + share of the remainder {grant.elastic_mib}"
    if room_mib <= beyond:
        return derived(room_mib, "MiB", because)
    share = PRIORS.mariadb_pool_overhead_share
    pool_mib = int((room_mib + share * beyond) / (1 + share))
    return derived(
        pool_mib, "MiB", f"{because}, less {room_mib - pool_mib} for hashes and locks: {share:.0%} beyond {beyond}"
    )


def _overhead_mib(pool_mib: float) -> float:
    return PRIORS.mariadb_pool_overhead_share * max(0.0, pool_mib - PRIORS.mariadb_pool_overhead_beyond_mib)


def _log_mib(pool_mib: float, disk_mib: int) -> int:
    """Size the redo log: what a busy pool writes between two checkpoints, on a disk that has room for it."""
    small = min(LOG_MIB, pool_mib / 2)
    large = min(LARGEST_LOG_MIB, pool_mib / 8, disk_mib / 50)
    return max(16, round_down(max(small, large), 8))


def _max_connections(declaration: Declaration, chain: Chain) -> Derived:
    settings = settings_of(declaration)
    together = chain.connections_to(TAKER)
    wanted = derived(
        max(FEWEST_DATABASE_CONNECTIONS, together + ADMIN_CONNECTIONS),
        "connections",
        f"pools of all that use it {together} + {ADMIN_CONNECTIONS} for people, backups and migrations; "
        f"at least {FEWEST_DATABASE_CONNECTIONS}",
        *(f"{taker}.pool_size" for taker in chain.users_of(TAKER)),
    )
    if settings.max_connections is None:
        return wanted
    if settings.max_connections < int(wanted.value):
        raise BudgetError(
            f"services.mysql.max_connections is pinned to {settings.max_connections}, "
            f"but the apps and their keepers can open {wanted.value}: {wanted.because}",
            where=f"hosts.{declaration.host}.services.mysql.max_connections",
            next_step="leave it out, or pin fewer gunicorn.workers or a smaller gunicorn.pool_size",
        )
    return pinned(settings.max_connections, wanted.unit, "services.mysql.max_connections")


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer what makes the server smaller: no pins, an older release."""
    settings = settings_of(declaration)
    if settings.innodb_buffer_pool_size_mib is not None:
        yield Remedy(
            "leave out innodb_buffer_pool_size_mib", _with(declaration, settings, innodb_buffer_pool_size_mib=None)
        )
    if settings.max_connections is not None:
        yield Remedy("leave out services.mysql.max_connections", _with(declaration, settings, max_connections=None))
    if settings.version == "11.8":
        yield Remedy("MariaDB 10.11 (Debian 12) instead of 11.8", _with(declaration, settings, version="10.11"))


def _with(declaration: Declaration, settings: MysqlSettings, **changes: object) -> Declaration:
    changed = {**declaration.settings, TAKER: settings.model_copy(update=changes)}
    return declaration.model_copy(update={"settings": changed})

"""What the database needs at its worst: the empty server, the buffer pool, and every connection with all its buffers.

The formula and its measured constants: docs/budget.md. The templates set the buffers that are priced here; a test
reads them back from the text and holds them against the price.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.services.mysql.connections import (
    DEFAULT_CONNECTIONS,
    connection_numbers,
    max_connections,
    open_tables,
)
from deployer.services.mysql.flavour import Flavour, Sizes
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import TAKER, MysqlSettings, settings_of
from deployer.services.mysql.storage import buffer_pool, pool_overhead_mib, storage_numbers

#: Share of the elastic remainder; an app's worker has 3.
WEIGHT = 2
#: malloc's arenas beyond one for each core: by itself the C library makes eight for each core, and every one keeps what
#: its threads once needed. Under mixed work they grew by 20 MiB within minutes (docs/budget.md).
SPARE_ARENAS = 1
#: What a connection has besides for what is no large value: a query that sorts and joins.
ALWAYS_USED = frozenset({"thread_stack", "binlog_cache_size", "net_buffer_length"})


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price the server and its connections; the buffer pool takes what is left of its share.

    Raises:
        BudgetError: The pinned ``max_connections`` is less than the apps can open.
    """
    settings, flavour = settings_of(declaration), flavour_of(declaration)
    connections = int(max_connections(declaration, chain).value)
    pool_mib = settings.innodb_buffer_pool_size_mib
    tables, packet_mib = open_tables(connections), settings.max_allowed_packet_mib
    statements = chain.connections_to(TAKER) + 1  # and a migration's, a backup's or a person's
    parts = {
        f"{settings.flavour} {settings.series}, empty": flavour.fixed_mib[settings.series],
        **_performance_schema(flavour, settings, connections),
        f"{connections} connections": connections * flavour.connection_mib,
        f"{statements} statements of {packet_mib} MiB in them": statements * _statement_mib(flavour, packet_mib),
        f"{tables} open tables": tables * flavour.open_table_kib / 1024,
        **flavour.shared_mib(connections),
        "buffer pool": float(pool_mib or PRIORS.innodb_pool_floor_mib),
    }
    inputs = [
        "mysql.max_connections",
        "mysql.table_open_cache",
        "mysql.max_allowed_packet",
        *(f"{taker}.pool_size" for taker in chain.users_of(TAKER)),
        *(flavour.prior(name) for name in ("fixed_mib", "connection_mib", "open_table_kib")),
    ]
    if settings.performance_schema == "on":
        large = "_large" if connections > DEFAULT_CONNECTIONS else ""
        inputs += ["services.mysql.performance_schema", flavour.prior(f"performance_schema{large}_mib")]
    if not pool_mib:
        because = "buffer pool: rows in memory are not read from the disk"
        inputs.append("priors.innodb_pool_floor_mib")
        return [Claim(TAKER, parts, weight=WEIGHT, because=because, inputs=tuple(inputs))]
    inputs.append("services.mysql.innodb_buffer_pool_size_mib")
    if overhead_mib := pool_overhead_mib(pool_mib):
        parts["its hashes and locks"] = overhead_mib
        inputs += ["priors.innodb_pool_overhead_share", "priors.innodb_pool_overhead_beyond_mib"]
    return [Claim(TAKER, parts, inputs=tuple(inputs))]


def _statement_mib(flavour: Flavour, packet_mib: int) -> float:
    """Price one large value, MiB, beyond its connection's buffers for sorting and joining, which lie idle meanwhile."""
    idle_kib = sum(kib for name, kib in flavour.connection_buffers_kib.items() if name not in ALWAYS_USED)
    return flavour.statement_mib(packet_mib) - (idle_kib + flavour.temporary_kib) / 1024


def _performance_schema(flavour: Flavour, settings: MysqlSettings, connections: int) -> Mapping[str, float]:
    if settings.performance_schema == "off":
        return {}
    small_mib, large_mib = flavour.performance_schema_mib[settings.series], flavour.performance_schema_large_mib
    return {"performance_schema": small_mib if connections <= DEFAULT_CONNECTIONS else large_mib}


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the server's settings from its grant."""
    settings, flavour, hardware = settings_of(declaration), flavour_of(declaration), declaration.hardware
    grant, connections = grants[TAKER], max_connections(declaration, chain)
    pool = buffer_pool(flavour, settings, grant)
    found: dict[str, Derived] = {
        "MemoryMax": derived(
            grant.memory_mib, "MiB", f"fixed {grant.fixed_mib} + share {grant.elastic_mib}", "ledger.mysql"
        ),
        "MALLOC_ARENA_MAX": derived(
            hardware.cpu_cores + SPARE_ARENAS,
            "arenas",
            f"one for each core + {SPARE_ARENAS}: every further one keeps what its threads once needed",
            "hardware.cpu_cores",
        ),
        "max_allowed_packet": _packet(settings),
        "performance_schema": _switch(settings),
        **connection_numbers(connections),
        **storage_numbers(flavour, settings, hardware, pool),
        **flavour.numbers(Sizes(hardware, settings, pool, int(connections.value))),
    }
    for name, kib in flavour.connection_buffers_kib.items():
        found[name] = default(kib, "KiB", "one for each connection: part of the price of a connection")
    return {TAKER: found}


def _packet(settings: MysqlSettings) -> Derived:
    value, name = settings.max_allowed_packet_mib, "max_allowed_packet_mib"
    if settings.pins(name):
        return pinned(value, "MiB", f"services.mysql.{name}")
    return default(value, "MiB", "the largest statement or row; memory is kept for one in each connection of the apps")


def _switch(settings: MysqlSettings) -> Derived:
    value = settings.performance_schema.upper()
    if settings.pins("performance_schema"):
        return pinned(value, "", "services.mysql.performance_schema")
    return default(value, "", "it would cost more than the buffer pool of a small host")

"""What a server could take at its worst with given settings: MySQLTuner's sum, and what that leaves out.

Global buffers, and all buffers of a connection times the connections. MySQLTuner leaves out the empty server, in-memory
tables of each connection, network and multi-range buffers; the ledger has them, so they are counted here too.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.services.mysql.flavour import Flavour

GLOBAL = (
    "innodb_buffer_pool_size",
    "innodb_log_buffer_size",
    "key_buffer_size",
    "aria_pagecache_buffer_size",
    "query_cache_size",
)
#: Buffers that each connection may have; the network's it has twice.
OF_A_CONNECTION = (
    "sort_buffer_size",
    "join_buffer_size",
    "read_buffer_size",
    "read_rnd_buffer_size",
    "mrr_buffer_size",
    "thread_stack",
    "binlog_cache_size",
    "net_buffer_length",
    "net_buffer_length",
)
#: Of these every session has its own copy, made when it begins: a pooled connection keeps the former value.
COPIED = frozenset({*OF_A_CONNECTION, "tmp_memory_table_size", "tmp_table_size", "max_heap_table_size"}) - {
    "thread_stack",
    "binlog_cache_size",
}


def worst_mib(flavour: Flavour, series: str, variables: Mapping[str, int | str]) -> float:
    """Add up what a server of these settings could take, MiB.

    Args:
        flavour: Which server; its empty size is a measured prior.
        series: Its release series.
        variables: Its settings, sizes in bytes.
    """

    def number(name: str) -> int:
        value = variables.get(name, 0)
        return int(value) if str(value).isdigit() else 0

    connections = number("max_connections")
    each = sum(number(name) for name in OF_A_CONNECTION)
    shared = sum(number(name) for name in GLOBAL)
    tables = number("tmp_memory_table_size") or number("tmp_table_size")
    limit = number("temptable_max_ram")
    tables = min(limit, connections * tables) if limit else connections * tables
    watching = flavour.performance_schema_mib[series] if variables.get("performance_schema") == "ON" else 0.0
    return flavour.fixed_mib[series] + watching + (shared + connections * each + tables) / (1 << 20)

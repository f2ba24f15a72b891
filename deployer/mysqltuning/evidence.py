"""What a server's own counters say of a setting, in words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployer.mysqltuning.observed import Observed
from deployer.mysqltuning.worst import OF_A_CONNECTION


def evidence_of(setting: str, seen: Observed) -> str:
    """Say what the counters of the window have to say of a setting; nothing where none speaks of it."""
    if setting in _OF_A_SETTING:
        return _OF_A_SETTING[setting](seen)
    if setting in OF_A_CONNECTION:
        return _of_a_connection(setting, seen)
    return ""


def of_the_pool(seen: Observed) -> str:
    """Say how well the buffer pool does."""
    reads = seen.per_s("Innodb_buffer_pool_reads")
    return (
        f"{seen.miss_share:.1%} of {seen.per_s('Innodb_buffer_pool_read_requests'):.0f} pages/s were not in it: "
        f"{reads:.0f} reads/s from the disk; InnoDB has {seen.data_mib:.0f} MiB of data"
    )


def _of_a_connection(setting: str, seen: Observed) -> str:
    connections = seen.number("max_connections")
    times = f"{connections} connections may take {connections * seen.number(setting) / (1 << 20):.0f} MiB of it"
    if setting == "sort_buffer_size":
        return f"{times}; {seen.per_s('Sort_merge_passes'):.1f} sorts/s did not fit"
    if setting == "join_buffer_size":
        return f"{times}; {seen.per_s('Select_full_join'):.1f} joins/s without an index use it"
    return times


def _of_connections(seen: Observed) -> str:
    most, refused = seen.last.get("Max_used_connections", 0), seen.per_s("Connection_errors_max_connections")
    return f"at most {most:.0f} were open at once since it was started; {refused:.1f}/s were refused"


def _of_query_cache(seen: Observed) -> str:
    hits, stored = seen.per_s("Qcache_hits"), seen.per_s("Qcache_inserts")
    return (
        f"{hits:.1f} hits/s, {stored:.1f} stored/s, {seen.per_s('Qcache_lowmem_prunes'):.1f} thrown out/s; "
        "every write empties it, and one lock is held for all"
    )


def _of_temporary_tables(seen: Observed) -> str:
    made, on_disk = seen.per_s("Created_tmp_tables"), seen.per_s("Created_tmp_disk_tables")
    return f"{made:.1f} temporary tables/s, {on_disk:.1f} of them on the disk"


def _of_redo_log(seen: Observed) -> str:
    return f"{seen.per_s('Innodb_os_log_written') / 1024:.0f} KiB/s are written to it"


_OF_A_SETTING: Mapping[str, Callable[[Observed], str]] = {
    "innodb_buffer_pool_size": of_the_pool,
    "max_connections": _of_connections,
    "query_cache_size": _of_query_cache,
    "query_cache_type": _of_query_cache,
    "tmp_memory_table_size": _of_temporary_tables,
    "tmp_table_size": _of_temporary_tables,
    "max_heap_table_size": _of_temporary_tables,
    "temptable_max_ram": _of_temporary_tables,
    "innodb_log_file_size": _of_redo_log,
    "innodb_redo_log_capacity": _of_redo_log,
    "innodb_log_buffer_size": lambda seen: f"{seen.per_s('Innodb_log_waits'):.1f} waits/s for room in it",
    "table_open_cache": lambda seen: f"{seen.per_s('Opened_tables'):.1f} tables/s were opened anew",
    "thread_cache_size": lambda seen: f"{seen.per_s('Threads_created'):.1f} threads/s were started",
}

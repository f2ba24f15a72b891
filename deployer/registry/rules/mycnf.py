"""What MySQL and MariaDB make of settings together, as measured on 8.0.36, 8.4.8, 9.7.4, 10.11.18 and 11.8.6."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployer.dialects import Statement
from deployer.dialects.values import mysql_size
from deployer.registry.finding import Finding, Kind
from deployer.registry.known import Registry, order

_MIB = 1024**2
#: MariaDB releases that refuse to grow the buffer pool unless innodb_buffer_pool_size_max was set (MDEV-38671).
_CANNOT_GROW = {"10.11": (12, 16), "11.4": (6, 10), "11.8": (2, 6)}
#: Values that a release does not take any more.
_GONE_VALUES = {("mysql", "character_set_server", "utf8"): "9.7", ("mysql", "character_set_server", "utf8mb3"): "9.7"}


def _last(statements: Sequence[Statement], *names: str) -> Statement | None:
    return next((one for one in reversed(statements) if one.name.removeprefix("loose_") in names), None)


def bytes_of(statement: Statement | None, otherwise: int) -> int:
    """Read a size; what cannot be read is found elsewhere, and counts as the default here."""
    try:
        return mysql_size(statement.value or "") if statement is not None else otherwise
    except ValueError:
        return otherwise


def query_cache(statements: Sequence[Statement], known: Registry, _version: str) -> Iterator[Finding]:
    """Find the pair that turns MariaDB's query cache on although its type says off."""
    kind, size = _last(statements, "query_cache_type"), _last(statements, "query_cache_size")
    if known.flavour != "mariadb" or kind is None or size is None:
        return
    if (kind.value or "").lower() in {"0", "off"} and bytes_of(size, 0) > 0:
        yield Finding(
            Kind.MISREAD,
            "query_cache_size",
            size.line,
            f"with a size of {size.value}, query_cache_type = {kind.value} does not turn the query cache off: it is on",
            "measured on MariaDB 10.11.18 and 11.8.6",
            "query_cache_size = 0",
        )


def pool_chunks(statements: Sequence[Statement], known: Registry, version: str) -> Iterator[Finding]:
    """Find a pool that MySQL rounds up to whole chunks, and a chunk size that MariaDB passes over."""
    pool, chunk = _last(statements, "innodb_buffer_pool_size"), _last(statements, "innodb_buffer_pool_chunk_size")
    if known.flavour == "mariadb":
        if chunk is not None:
            message = "MariaDB sizes its buffer pool in steps of 1 MiB and passes over this"
            yield Finding(Kind.IGNORED, chunk.name, chunk.line, message, known.source(version))
        return
    instances = _last(statements, "innodb_buffer_pool_instances")
    count = int(instances.value) if instances and instances.value and instances.value.isdecimal() else 1
    step = bytes_of(chunk, 128 * _MIB) * max(1, count)
    size = bytes_of(pool, 128 * _MIB)
    if pool is not None and step and size % step:
        becomes = -(-size // step) * step // _MIB
        yield Finding(
            Kind.MISREAD,
            pool.name,
            pool.line,
            f"{pool.value} starts as {becomes}M: the pool is a whole number of chunks of {step // _MIB}M",
            "measured on MySQL 8.4.8",
            "innodb_buffer_pool_chunk_size = 8M beside it, and a size of whole 8M",
        )


def pool_growth(statements: Sequence[Statement], known: Registry, version: str) -> Iterator[Finding]:
    """Find a pool that cannot grow while the server runs, in the releases that have that fault."""
    pool = _last(statements, "innodb_buffer_pool_size")
    at = order(version)
    window = _CANNOT_GROW.get(".".join(version.split(".")[:2]))
    if known.flavour != "mariadb" or pool is None or window is None or len(at) < 3:
        return
    if window[0] <= at[2] <= window[1] and _last(statements, "innodb_buffer_pool_size_max") is None:
        yield Finding(
            Kind.DANGEROUS,
            pool.name,
            pool.line,
            f"MariaDB {version} silently refuses to make the pool larger while it runs",
            "MDEV-38671; measured on 11.8.6",
            "set innodb_buffer_pool_size_max as well",
        )


def memory_tables(statements: Sequence[Statement], known: Registry, _version: str) -> Iterator[Finding]:
    """Find temporary tables that never get as large as they are set, for the lesser of two settings counts."""
    table = _last(statements, "tmp_memory_table_size", "tmp_table_size")
    heap = _last(statements, "max_heap_table_size")
    if known.flavour != "mariadb" or table is None or heap is None:
        return
    if bytes_of(table, 0) > bytes_of(heap, 0):
        yield Finding(
            Kind.MISREAD,
            table.name,
            table.line,
            f"{table.value} is never reached: the lesser of it and max_heap_table_size = {heap.value} counts",
            "MariaDB: tmp_memory_table_size",
            f"{table.name} = {heap.value}",
        )


def gone_values(statements: Sequence[Statement], known: Registry, version: str) -> Iterator[Finding]:
    """Find values that a release does not take any more."""
    for one in statements:
        since = _GONE_VALUES.get((known.flavour, one.name, (one.value or "").lower()))
        if since is not None and order(version) >= order(since):
            message = f"MySQL {since} has no {one.value} any more and does not start with it"
            yield Finding(Kind.FATAL, one.name, one.line, message, "measured on MySQL 9.7.4", f"{one.name} = utf8mb4")


RULES = (query_cache, pool_chunks, pool_growth, memory_tables, gone_values)

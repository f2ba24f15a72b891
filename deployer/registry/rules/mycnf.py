"""What MySQL and MariaDB make of settings together, as measured on 8.0.36, 8.4.8, 9.7.4, 10.11.18 and 11.8.6."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from deployer.dialects import Statement
from deployer.dialects.values import mysql_size
from deployer.registry.finding import Finding, Kind
from deployer.registry.groups import is_known, is_read_by_server
from deployer.registry.known import Registry, order

Rule = Callable[[Sequence[Statement], Registry, str], Iterator[Finding]]
_MIB = 1024**2
#: MySQL splits no smaller pool into instances, bytes.
_ONE_INSTANCE_BELOW = 1024 * _MIB
#: MariaDB releases that refuse to grow the buffer pool unless innodb_buffer_pool_size_max was set (MDEV-38671).
_CANNOT_GROW = {"10.11": (12, 16), "11.4": (6, 10), "11.8": (2, 6)}
#: Values that a release does not take any more.
_GONE_VALUES = {("mysql", "character_set_server", "utf8"): "9.7", ("mysql", "character_set_server", "utf8mb3"): "9.7"}

#: Modes of SQL that MySQL 8.0 removed.
_GONE_MODES = frozenset(
    {
        "NO_AUTO_CREATE_USER",
        "DB2",
        "MAXDB",
        "MSSQL",
        "MYSQL323",
        "MYSQL40",
        "ORACLE",
        "POSTGRESQL",
        "NO_FIELD_OPTIONS",
        "NO_KEY_OPTIONS",
        "NO_TABLE_OPTIONS",
    }
)
#: What only a server has, and people put into a client's group.
_SERVERS_OWN = re.compile(
    r"innodb_\w+|max_connections|query_cache_\w+|table_open_cache|tmp_table_size|thread_cache_size"
)
_CLIENTS = frozenset({"client", "mysql", "mariadb-client", "client-mariadb", "mysqldump", "mariadb-dump"})


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
    size = bytes_of(pool, 128 * _MIB)
    instances = _last(statements, "innodb_buffer_pool_instances")
    count = 8 if order(version) < (8, 4) else 1  # 8.4 makes one for every 4 cores
    count = bytes_of(instances, count) if size >= _ONE_INSTANCE_BELOW else 1
    step = bytes_of(chunk, 128 * _MIB) * max(1, count)
    if pool is not None and step and size % step and size > step:  # a smaller pool makes its chunks smaller
        becomes = -(-size // step) * step // _MIB
        yield Finding(
            Kind.MISREAD,
            pool.name,
            pool.line,
            f"{pool.value} starts as {becomes}M: the pool is a whole number of chunks of {step // _MIB}M",
            "measured on MySQL 8.4.8 and 9.7.4",
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


def gone_modes(statements: Sequence[Statement], known: Registry, version: str) -> Iterator[Finding]:
    """Find modes of SQL that MySQL no longer has; they stand in many a config that was made for 5.7."""
    for one in statements if known.flavour == "mysql" and order(version) >= (8, 0) else ():
        gone = sorted(_GONE_MODES.intersection((one.value or "").upper().replace(" ", "").split(",")))
        if one.name in {"sql_mode", "loose_sql_mode"} and gone:
            message = f"MySQL 8.0 has no {', '.join(gone)} any more and does not start with it"
            because = "dev.mysql.com: what is removed in 8.0; measured on 9.7.4"
            yield Finding(Kind.FATAL, one.name, one.line, message, because, "leave it out")


def groups(statements: Sequence[Statement], known: Registry, version: str) -> Iterator[Finding]:
    """Find groups that no program reads, and settings of the server in a client's group."""
    told: set[str] = set()
    for one in statements:
        for group in one.context:
            if is_read_by_server(one, known.flavour, version) or group in told:
                continue
            if not is_known(group) and one.name in known.settings:
                told.add(group)
                message = f"neither the server nor a program that is known here reads the group [{group[:40]}]"
                yield Finding(Kind.IGNORED, one.name, one.line, message, "my_print_defaults", "[mysqld]")
            elif group in _CLIENTS and _SERVERS_OWN.fullmatch(one.name):
                message = f"the server does not read the group [{group}], and its programs know no such setting"
                yield Finding(Kind.IGNORED, one.name, one.line, message, "my_print_defaults", "put it into [mysqld]")


def _of_server(rule: Rule) -> Rule:
    """Give a rule what the server reads, and nothing of other programs."""

    def judged(statements: Sequence[Statement], known: Registry, version: str) -> Iterator[Finding]:
        read = [one for one in statements if is_read_by_server(one, known.flavour, version)]
        yield from rule(read, known, version)

    return judged


_RULES: tuple[Rule, ...] = (query_cache, pool_chunks, pool_growth, memory_tables, gone_values, gone_modes)
RULES = (*map(_of_server, _RULES), groups)

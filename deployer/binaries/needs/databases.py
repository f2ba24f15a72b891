"""What MariaDB, MySQL and PostgreSQL need: empty, for each connection, and what a connection keeps after a sort.

MariaDB and MySQL once more with few of malloc's arenas, as their units have it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from deployer.binaries import mysql as mysql_server, postgresql as postgresql_server
from deployer.binaries.needs.figure import Figure, version
from deployer.binaries.server import Server, settled_mib
from deployer.sandbox import Inside

CONNECTIONS: Final = 40
#: malloc's arenas on a host with one core.
FEW_ARENAS: Final = {"MALLOC_ARENA_MAX": "2"}
_KIB_PER_MIB: Final = 1024
_DONE: Final = b"done\n"
#: The caches as the templates set them for a small host.
_TRIMMED: Final = (
    *("[{section}]", "skip_networking = ON", "performance_schema = OFF", "max_connections = 60"),
    *("innodb_buffer_pool_size = 128M", "key_buffer_size = 1M", "table_open_cache = 200"),
    *("sort_buffer_size = 256K", "join_buffer_size = 256K", "read_buffer_size = 128K", "read_rnd_buffer_size = 256K"),
)
_MARIADB: Final = (
    "aria_pagecache_buffer_size = 8M",
    "innodb_log_buffer_size = 2M",
    "query_cache_size = 0",
    "tmp_memory_table_size = 1M",
    "max_heap_table_size = 1M",
)
_MYSQL: Final = (
    "mysqlx = OFF",
    "skip_log_bin",
    "innodb_log_buffer_size = 8M",
    "innodb_buffer_pool_chunk_size = 8M",
    "temptable_max_ram = 32M",
    "temptable_max_mmap = 0",
    "tmp_table_size = 4M",
    "table_definition_cache = 400",
)
_ROWS: Final = "CREATE DATABASE x; USE x; CREATE TABLE x.t (a INT PRIMARY KEY, b VARCHAR(200)); "
_SEQUENCE: Final = "INSERT INTO x.t SELECT seq, repeat(sha2(seq, 256), 3) FROM x.seq_1_to_5000;"
_RECURSION: Final = (
    "SET SESSION cte_max_recursion_depth = 5000; INSERT INTO x.t WITH RECURSIVE s(n) AS "
    "(SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 5000) SELECT n, repeat(sha2(n, 256), 3) FROM s;"
)
SORT: Final = "SELECT count(*) FROM (SELECT b, count(*) c FROM x.t GROUP BY b ORDER BY c, b LIMIT 1000) s;"


def mariadb(place: Inside) -> Iterator[Figure]:
    """Measure MariaDB with trimmed caches."""
    yield from _mysql_like(place, "mariadb", named(place, "mariadb"))


def mysql(place: Inside) -> Iterator[Figure]:
    """Measure MySQL with trimmed caches, without performance_schema."""
    yield from _mysql_like(place, "mysql", f"{named(place, 'mysql')}, P_S off")


def postgresql_15(place: Inside) -> Iterator[Figure]:
    """Measure PostgreSQL 15."""
    yield from _postgresql(place, "15")


def postgresql_17(place: Inside) -> Iterator[Figure]:
    """Measure PostgreSQL 17."""
    yield from _postgresql(place, "17")


def named(place: Inside, flavour: mysql_server.Flavour) -> str:
    """Give the name and version of the tree's server, and lay the config that trims its caches."""
    if flavour == "mariadb":
        place.lay({"/etc/mysql/mariadb.conf.d/90-trimmed.cnf": _config("mariadbd", _MARIADB)})
        return f"MariaDB {version(place, ['mariadbd', '--version'])}"
    place.lay({"/etc/mysql/mysql.conf.d/zz-trimmed.cnf": _config("mysqld", _MYSQL)})
    return f"MySQL {version(place, ['mysqld', '--version'])}"


def _config(section: str, more: Sequence[str]) -> bytes:
    return ("\n".join((*_TRIMMED, *more)) + "\n").format(section=section).encode()


def rows_of(flavour: mysql_server.Flavour) -> str:
    """Give the SQL that makes the table that ``SORT`` reads."""
    if flavour == "mariadb":
        return _ROWS + _SEQUENCE
    return _ROWS + _RECURSION


def client_of(flavour: mysql_server.Flavour) -> list[str]:
    """Give the command line of a client that stays."""
    return [flavour, "--no-defaults", f"--socket={mysql_server.SOCKET}", "--batch", "-N", "--unbuffered"]


def _mysql_like(place: Inside, flavour: mysql_server.Flavour, name: str) -> Iterator[Figure]:
    for arenas in ({}, FEW_ARENAS):
        with mysql_server.database(place, flavour, environment=arenas) as server:

            def held_mib(server: Server = server) -> float:
                return settled_mib([server.main])

            if not arenas:
                yield Figure(f"{name}: empty, pool of 128 MiB untouched", held_mib())
                mysql_server.query(place, flavour, rows_of(flavour))
            mysql_server.query(place, flavour, SORT)
            before_mib = held_mib()
            with connections(place, client_of(flavour)) as ask:
                for figure in _each(name, before_mib, ask, held_mib):
                    title = ", ".join([figure.name, *("=".join(one) for one in arenas.items())])
                    yield Figure(title, figure.value, figure.unit)


def _postgresql(place: Inside, series: str) -> Iterator[Figure]:
    program = f"/usr/lib/postgresql/{series}/bin/postgres"
    name = f"PostgreSQL {version(place, [program, '--version'])}"
    config = b"listen_addresses = ''\nssl = off\njit = off\nshared_buffers = 32MB\nwork_mem = 1MB\n"
    place.lay({f"/etc/postgresql/{series}/main/conf.d/90-trimmed.conf": config})
    with postgresql_server.postgresql(place, series) as server:

        def held_mib() -> float:
            return settled_mib([server.main, *server.children])

        yield Figure(f"{name}: empty, shared_buffers of 32 MiB", held_mib())
        fill = "CREATE SCHEMA x; CREATE TABLE x.t AS SELECT n a, repeat(md5(n::text), 5) b "
        fill += "FROM generate_series(1, 5000) n"
        postgresql_server.query(place, fill)
        before_mib = held_mib()
        client = ["psql", "--no-psqlrc", "-At", "-d", "postgres"]
        with connections(place, client, user="postgres") as ask:
            yield from _each(name, before_mib, ask, held_mib)


def _each(name: str, before_mib: float, ask: Callable[[str], None], held_mib: Callable[[], float]) -> Iterator[Figure]:
    for title, sql in (("idle", ""), ("after a sort of groups", SORT)):
        ask(f"{sql} SELECT 'done';\n")
        each_kib = (held_mib() - before_mib) / CONNECTIONS * _KIB_PER_MIB
        yield Figure(f"{name}: a connection, {title}", each_kib, "KiB")


@contextmanager
def connections(place: Inside, client: Sequence[str], *, user: str = "root") -> Iterator[Callable[[str], None]]:
    """Hold connections, each by a client of its own; what is yielded sends SQL to all and waits for each `done`."""
    clients = [
        subprocess.Popen(
            place.argv(client, user=user), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for _ in range(CONNECTIONS)
    ]

    def ask(sql: str) -> None:
        for each in clients:
            if each.stdin and each.stdout:
                each.stdin.write(sql.encode())
                each.stdin.flush()
                while each.stdout.readline() not in {_DONE, b""}:  # at the end of its output it has ended
                    continue

    try:
        yield ask
    finally:
        for each in clients:
            each.communicate(timeout=20)

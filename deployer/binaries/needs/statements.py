"""What one large statement takes of MariaDB, MySQL and PostgreSQL at its peak, as a multiple of its size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from deployer.binaries import mysql as mysql_server, postgresql as postgresql_server
from deployer.binaries.needs.databases import FEW_ARENAS, named
from deployer.binaries.needs.figure import Figure, version
from deployer.binaries.server import peak_mib, settled_mib
from deployer.sandbox import Inside

SIZE_MIB: Final = 15
#: As templates/systemd/mysql-limits.j2 has it: large blocks are given back at once.
AS_ITS_UNIT: Final = {**FEW_ARENAS, "MALLOC_MMAP_THRESHOLD_": "524288"}
_TEXT: Final = "x" * (SIZE_MIB * 1024 * 1024)
_STATEMENTS: Final = {"SELECT": "SELECT length('{}');", "INSERT": "INSERT INTO x.large VALUES ('{}');"}
#: A pool that the first rows fill, so that what grows afterwards is the statement.
_SMALL_POOL: Final = ("--innodb-buffer-pool-size=8M", "--max-allowed-packet=16M")
_FILL: Final = (
    "CREATE DATABASE x; CREATE TABLE x.large (b LONGTEXT); " + "INSERT INTO x.large SELECT repeat('y', 1e6);" * 20
)


def mariadb(place: Inside) -> Iterator[Figure]:
    """Measure MariaDB."""
    yield from _mysql_like(place, "mariadb")


def mysql(place: Inside) -> Iterator[Figure]:
    """Measure MySQL."""
    yield from _mysql_like(place, "mysql")


def postgresql_15(place: Inside) -> Iterator[Figure]:
    """Measure PostgreSQL 15."""
    yield from _postgresql(place, "15")


def postgresql_17(place: Inside) -> Iterator[Figure]:
    """Measure PostgreSQL 17."""
    yield from _postgresql(place, "17")


def _mysql_like(place: Inside, flavour: mysql_server.Flavour) -> Iterator[Figure]:
    name = named(place, flavour)
    with mysql_server.database(place, flavour, options=_SMALL_POOL, environment=AS_ITS_UNIT) as server:
        mysql_server.query(place, flavour, _FILL)
        yield from _each(name, lambda: [server.main], lambda sql: mysql_server.query(place, flavour, sql))


def _postgresql(place: Inside, series: str) -> Iterator[Figure]:
    name = f"PostgreSQL {version(place, [f'/usr/lib/postgresql/{series}/bin/postgres', '--version'])}"
    config = b"listen_addresses = ''\nssl = off\njit = off\nshared_buffers = 1MB\n"
    place.lay({f"/etc/postgresql/{series}/main/conf.d/90-trimmed.conf": config})
    client = ["psql", "--no-psqlrc", "-At", "-d", "postgres"]
    with postgresql_server.postgresql(place, series) as server:
        postgresql_server.query(place, "CREATE SCHEMA x; CREATE TABLE x.large (b TEXT)")
        yield from _each(
            name,
            lambda: [server.main, *server.children],
            lambda sql: place.check(client, user="postgres", text=sql, timeout_s=120),
        )


def _each(name: str, pids: Callable[[], Sequence[int]], query: Callable[[str], object]) -> Iterator[Figure]:
    before_mib = settled_mib(pids())
    for title, sql in _STATEMENTS.items():
        grown_mib = peak_mib(pids, partial(query, sql.format(_TEXT))) - before_mib
        yield Figure(f"{name}: peak of one {title} of {SIZE_MIB} MiB / its size", grown_mib / SIZE_MIB, "ratio")

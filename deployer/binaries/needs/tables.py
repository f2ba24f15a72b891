"""What MariaDB and MySQL need for tables that are open, and for performance_schema while connections work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deployer.binaries import mysql as mysql_server
from deployer.binaries.needs.databases import CONNECTIONS, FEW_ARENAS, SORT, client_of, connections, named, rows_of
from deployer.binaries.needs.figure import Figure
from deployer.binaries.server import Server, settled_mib
from deployer.sandbox import Inside

TABLES: Final = 200
_PAGE_KIB: Final = 16
_KIB_PER_MIB: Final = 1024
#: 13 columns and 3 indexes besides the key: what a table of a shop or a blog has.
_COLUMNS: Final = (
    "id INT PRIMARY KEY AUTO_INCREMENT, a INT, b INT, c TINYINT, d DATETIME, e DATETIME, f DECIMAL(10,2), "
    "g VARCHAR(255), h VARCHAR(255), i VARCHAR(100), j VARCHAR(50), k TEXT, l INT, KEY (a), KEY (g), KEY (d)"
)
#: More rows than InnoDB reads ahead for a query.
_ROWS: Final = ", ".join(["(1, 'abc')"] * 9)
_MAKE: Final = "CREATE TABLE x.t{0} (COLUMNS); INSERT INTO x.t{0} (a, g) VALUES ROWS;".replace(
    "COLUMNS", _COLUMNS
).replace("ROWS", _ROWS)
_READ: Final = "SELECT * FROM x.t{0} WHERE a = 1;"
_WORK: Final = f"{SORT} SELECT 'done';\n"
_ROOM: Final = ("--table-open-cache=2000", "--open-files-limit=16384", "--innodb-buffer-pool-load-at-startup=OFF")
#: Connections up to which performance_schema prepares for few, and a number beyond.
_FEW, _MANY = 151, 1000


def mariadb(place: Inside) -> Iterator[Figure]:
    """Measure MariaDB."""
    yield from _measure(place, "mariadb")


def mysql(place: Inside) -> Iterator[Figure]:
    """Measure MySQL."""
    yield from _measure(place, "mysql")


def _measure(place: Inside, flavour: mysql_server.Flavour) -> Iterator[Figure]:
    name = named(place, flavour)
    with mysql_server.database(place, flavour):
        mysql_server.query(place, flavour, "".join((rows_of(flavour), *map(_MAKE.format, range(TABLES)))))
    options = [*_ROOM, f"--max-connections={_FEW}"]
    with (
        mysql_server.database(place, flavour, options=options, environment=FEW_ARENAS) as server,
        connections(place, client_of(flavour)) as ask,
    ):
        ask(_WORK)
        without_mib = _beside_pool_mib(place, flavour, server)
        mysql_server.query(place, flavour, "".join(map(_READ.format, range(TABLES))))
        grown_kib = (_beside_pool_mib(place, flavour, server) - without_mib) * _KIB_PER_MIB
    yield Figure(f"{name}: an open table of 13 columns and 3 indexes that was read", grown_kib / TABLES, "KiB")
    for most in (_FEW, _MANY):
        options = [*_ROOM, f"--max-connections={most}", "--performance-schema=ON"]
        with (
            mysql_server.database(place, flavour, options=options, environment=FEW_ARENAS) as server,
            connections(place, client_of(flavour)) as ask,
        ):
            ask(_WORK)
            with_mib = _beside_pool_mib(place, flavour, server)
        title = f"{name}: performance_schema, max_connections {most}, {CONNECTIONS} at work"
        yield Figure(title, with_mib - without_mib)


def _beside_pool_mib(place: Inside, flavour: mysql_server.Flavour, server: Server) -> float:
    """Give what is held beside the pages of the buffer pool that are in use."""
    rows = mysql_server.query(place, flavour, "SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_%'")[1].splitlines()
    pages = {name.rpartition("_")[2]: int(count) for name, count in (row.split("\t") for row in rows)}
    return settled_mib([server.main]) - (pages["total"] - pages["free"]) * _PAGE_KIB / _KIB_PER_MIB

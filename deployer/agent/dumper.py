"""How a kind of database is looked at, dumped and put back: the interface, and which kinds there are."""

from __future__ import annotations

from typing import Any, Mapping, Protocol

from .dumpmariadb import MariaDBDumper, MySQLDumper
from .dumppostgresql import PostgreSQLDumper
from .dumpsqlite import SQLiteDumper
from .refusal import Refusal

Place = Mapping[str, Any]


class Dumper(Protocol):
    """A kind of database. A place has `name` and `user`, for SQLite also `path`.

    A pipeline is a text for bash and its arguments; it runs as root, within the memory of the deploy's work.
    """

    def check(self, place: Place) -> None:
        """Raise Refusal if a name is not plain."""

    def is_there(self, place: Place) -> bool:
        """Say whether there is such a database; what cannot be asked is not there."""

    def size_bytes(self, place: Place) -> int:
        """Say how much data it holds."""

    def picture(self, place: Place) -> dict[str, Any]:
        """Tell its `schema` as a hash, and the rows where migrations are `recorded`; None: no table known here."""

    def dump(self, place: Place, path: str) -> list[str]:
        """Give the pipeline that dumps it to a file."""

    def is_whole(self, head: bytes, tail: bytes, total_bytes: int) -> bool:
        """Judge a dump by its beginning, its end and its size."""

    def restore(self, place: Place, path: str) -> list[str]:
        """Give the pipeline that makes it what a dump holds, and nothing else. May be run again."""

    def is_busy(self, place: Place) -> bool:
        """Say whether somebody is in the middle of a transaction."""

    def end_sessions(self, place: Place) -> None:
        """End the sessions of those who are."""

    def by_hand(self, place: Place, path: str) -> str:
        """Say what a person types to put it back."""


DUMPERS: dict[str, Dumper] = {
    "mariadb": MariaDBDumper(),
    "mysql": MySQLDumper(),
    "postgresql": PostgreSQLDumper(),
    "sqlite": SQLiteDumper(),
}


def dumper_of(place: Place) -> Dumper:
    """Return who dumps a database.

    Raises:
        Refusal: There is no such kind, or a name of it is not plain.
    """
    found = DUMPERS.get(str(place["server"]))
    if found is None:
        raise Refusal("fault", f"no such kind of database: {place['server']!r}")
    found.check(place)
    return found

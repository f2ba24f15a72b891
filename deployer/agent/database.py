"""An app's database and its user, on whichever server: one interface, and a note of what there was before.

What is made is noted before it is made, so that a return undoes exactly that, and never drops a database that
holds a table. A secret goes to the server by stdin.
"""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Iterable, Mapping, Protocol

from . import places, treestate
from .mariadb import MariaDB
from .mysql import MySQL
from .postgresql import PostgreSQL
from .refusal import Refusal

if TYPE_CHECKING:
    from .journal import Journal

_SECRET = re.compile(r"[A-Za-z0-9_-]{16,}")


class Server(Protocol):
    """A kind of database server.

    Attributes:
        names: What a database's name has to look like.
        users: What a user's name has to look like.
        reserved: Names of either kind that are the server's own, in lower case.
        has_passwords: Its users prove themselves by a password; else by the system user that they are.
    """

    names: re.Pattern[str]
    users: re.Pattern[str]
    reserved: frozenset[str]
    has_passwords: bool

    def look(self, pairs: Iterable[tuple[str, str]]) -> dict[str, bool] | None:
        """Say of each name whether that database and its user are there; None if the server does not say."""

    def before(self, name: str, user: str) -> dict[str, Any]:
        """Note what is there: `made_database` (True: no such database yet), `user_before` (None: no such user)."""

    def make(self, name: str, user: str, secret: str, *, keep_login: bool = False) -> None:
        """Make the database, the user and its rights; what is there already is no error.

        With ``keep_login`` a user that was there can also prove itself as before, where the server has two ways.
        """

    def count(self, name: str) -> None:
        """Have the server look anew at how many rows and values its tables hold, by which it plans its work."""

    def tell(self) -> dict[str, Any] | None:
        """Tell what the server holds; None if it does not say."""

    def undo(self, note: Mapping[str, Any]) -> str:
        """Take back what was made; may be done again. Returns what was kept and why, or nothing."""


SERVERS: dict[str, Server] = {"mariadb": MariaDB(), "mysql": MySQL(), "postgresql": PostgreSQL()}


def observe(wanted: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, bool | None]]:
    """Say of each database, by server and name, whether it and its user exist; None: the server does not say."""
    answer: dict[str, dict[str, bool | None]] = {}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for entry in wanted:
        pairs.setdefault(entry["server"], []).append((entry["name"], entry["user"]))
    for kind, ours in pairs.items():
        told = SERVERS[kind].look(ours) if kind in SERVERS else None
        answer[kind] = {name: None if told is None else told.get(name, False) for name, _ in ours}
    return answer


def ensure(entry: Mapping[str, Any], journal: Journal) -> None:
    """Make the database, the user and the grant; the user's password becomes the secret.

    Args:
        entry: The plan's activation: `server`, `name`, `user`, `secret` (a path on the host, or None), `keep_login`
            (a password that the user had by hand stays valid).
        journal: Gets a note of what was there before.

    Raises:
        Refusal: A name that is not plain, a secret that is not ours, or the server refuses.
    """
    kind = str(entry["server"])
    server = _server(kind)
    name, user = _checked(entry, server)
    secret = _secret(entry.get("secret")) if server.has_passwords else ""
    journal.doc["databases"].append({"server": kind, "name": name, "user": user, **server.before(name, user)})
    journal.save()
    server.make(name, user, secret, keep_login=bool(entry.get("keep_login")))


def count_filled(entry: Mapping[str, Any], journal: Journal) -> None:
    """Have the server count what a command has filled: a database that this transaction made, or one that was seeded.

    A server does so by itself, but later (MariaDB after ten seconds). Is it restarted before, it goes on with the
    counts of empty tables until a tenth of the rows have changed, and with the plans that are right for those: the
    example's front page then takes twice the processor. No visitor is there yet who would have to wait for it.

    Args:
        entry: The command's activation, done.
        journal: Knows what this transaction made.
    """
    place = entry.get("database") or {}
    server, name = SERVERS.get(str(place.get("server"))), place.get("name")
    made = [note["name"] for note in journal.doc["databases"] if note["made_database"]]
    if server is None or not server.names.fullmatch(str(name)) or not (entry.get("once") or name in made):
        return
    with contextlib.suppress(Refusal):  # it serves without, only slower
        server.count(str(name))


def undo(note: Mapping[str, Any]) -> str:
    """Take back what `ensure` made; may be done again.

    Returns:
        What was kept and why, or nothing.
    """
    server = _server(note.get("server", "mariadb"))  # notes of before there was a choice do not say
    _checked(note, server)
    return server.undo(note)


def _server(kind: str) -> Server:
    if kind not in SERVERS:
        raise Refusal("fault", f"no such database server: {kind!r}")
    return SERVERS[kind]


def _checked(entry: Mapping[str, Any], server: Server) -> tuple[str, str]:
    for name, pattern in ((entry["name"], server.names), (entry["user"], server.users)):
        if not isinstance(name, str) or not pattern.fullmatch(name) or name.lower() in server.reserved:
            raise Refusal("fault", f"refused as a database's or its user's name: {name!r}")
    return entry["name"], entry["user"]


def _secret(path: object) -> str:
    try:
        secret = treestate.read(places.at(places.checked_path(path))).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal("activation", f"the secret {path} cannot be read") from error
    if not _SECRET.fullmatch(secret):
        raise Refusal("activation", f"the secret {path} is not one of ours (16 or more of A-Z a-z 0-9 _ -)")
    return secret

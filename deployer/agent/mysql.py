"""MySQL 8.0 and later: as MariaDB, but for how a password is kept and shown, and how a second one stands beside it."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple

from .mariadb import LOOK_TIMEOUT_S, MariaDB

#: Ways to prove oneself by a password; a user's second one has to be of the same.
_PASSWORDS = ("caching_sha2_password", "sha256_password", "mysql_native_password")
_WAYS_IN = """\
SELECT User, plugin, JSON_CONTAINS_PATH(COALESCE(User_attributes, '{}'), 'one', '$.additional_password')
FROM mysql.user WHERE Host = 'localhost' AND User <> '';
"""


class _WayIn(NamedTuple):
    """How a user proves itself."""

    plugin: str
    has_second: bool

    @property
    def has_room(self) -> bool:
        """Whether another password can stand beside its own."""
        return self.plugin in _PASSWORDS and not self.has_second


class MySQL(MariaDB):
    """The server's side of `database.Server`."""

    clients = ("mysql",)
    # said aloud, as a server may have the older plugin as its default, which 9.0 no longer has
    identified = "IDENTIFIED WITH caching_sha2_password BY"
    # the salt of such a password is any bytes; one with bytes that are no text can only be put back in hex
    prelude = "SET SESSION print_identified_with_as_hex = ON;\n"

    def before(self, name: str, user: str) -> dict[str, Any]:
        """Note also whether the user has a second password, which nothing shows as a statement."""
        way = self._ways_in().get(user)
        return {**super().before(name, user), "had_second_password": way is not None and way.has_second}

    def undo(self, note: Mapping[str, Any]) -> str:
        """Take back the second password too, which `make` made of the first."""
        kept = super().undo(note)
        if note["user_before"] is not None and not note.get("had_second_password", True):
            self._query(f"ALTER USER '{note['user']}'@'localhost' DISCARD OLD PASSWORD")
        return kept

    def alone(self) -> list[str]:
        """Name the users of this host that the app's password could only replace: no password, or two already."""
        return sorted(f"{user}@localhost" for user, way in self._ways_in().items() if not way.has_room)

    def _besides_former(self, user: str, secret: str) -> str:
        way = self._ways_in().get(user)
        if way is None or not way.has_room:
            return ""
        # whoever did this already has both: the first is ours then, and setting it again leaves the second alone
        return f"IDENTIFIED WITH {way.plugin} BY '{secret}' RETAIN CURRENT PASSWORD"

    def _ways_in(self) -> dict[str, _WayIn]:
        rows = (line.split("\t") for line in self._query(_WAYS_IN, timeout_s=LOOK_TIMEOUT_S).splitlines())
        return {row[0]: _WayIn(row[1], row[2] == "1") for row in rows if len(row) == 3}

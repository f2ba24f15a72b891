"""MariaDB, spoken to through root's own socket login."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from typing import Any, Iterable, Mapping

from . import command
from .refusal import Refusal

TIMEOUT_S = 60
LOOK_TIMEOUT_S = 10
SOCKET = "/run/mysqld/mysqld.sock"

_WHAT_IS_THERE = """\
SELECT 'database', SCHEMA_NAME FROM information_schema.SCHEMATA;
SELECT 'user', User FROM mysql.user WHERE Host = 'localhost';
SELECT CONCAT('granted to ', User), REPLACE(Db, CHAR(92), '') FROM mysql.db WHERE Host = 'localhost';
SELECT 'end', 1;
"""
_WHAT_IT_HOLDS = """\
SELECT 'version', VERSION();
SELECT 'datadir', @@datadir;
SELECT 'database', SCHEMA_NAME, COUNT(TABLE_NAME), ROUND(COALESCE(SUM(DATA_LENGTH + INDEX_LENGTH), 0) / 1048576, 1)
FROM information_schema.SCHEMATA LEFT JOIN information_schema.TABLES ON TABLE_SCHEMA = SCHEMA_NAME
GROUP BY SCHEMA_NAME LIMIT 200;
SELECT 'user', User, Host FROM mysql.user
WHERE User NOT IN ('', 'PUBLIC', 'root', 'mysql') AND User NOT LIKE 'mysql.%' AND User NOT LIKE 'mariadb.%' LIMIT 200;
"""
#: How a user proves itself, in what SHOW CREATE USER says; what may follow is about connections and ages.
_WAYS = re.compile(
    r" IDENTIFIED (?:BY PASSWORD ('\*[0-9A-F]{40}')|VIA (.+?))(?= REQUIRE | WITH | PASSWORD EXPIRE| ACCOUNT LOCK|$)"
)
_TABLES = "SELECT TABLE_SCHEMA, COUNT(*) FROM information_schema.TABLES GROUP BY TABLE_SCHEMA;\n"
#: One statement for all tables of a database; their names are quoted by the server. Replicas count for themselves.
_COUNT = """\
SET SESSION group_concat_max_len = 1048576;
SELECT COALESCE(CONCAT('ANALYZE NO_WRITE_TO_BINLOG TABLE ', GROUP_CONCAT(
    '`', REPLACE(TABLE_SCHEMA, '`', '``'), '`.`', REPLACE(TABLE_NAME, '`', '``'), '`')), 'DO 0') INTO @count
FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}' AND ENGINE = 'InnoDB';
PREPARE count_all FROM @count;
EXECUTE count_all;
"""


class MariaDB:
    """The server's side of `database.Server`."""

    names = users = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
    reserved = frozenset(["mysql", "information_schema", "performance_schema", "sys", "root"])
    has_passwords = True

    clients: tuple[str, ...] = ("mariadb", "mysql")
    #: What stands before a password.
    identified = "IDENTIFIED BY"
    #: What every session begins with.
    prelude = ""

    def look(self, pairs: Iterable[tuple[str, str]]) -> dict[str, bool] | None:
        """Say of each name whether that database and its user are there; names never become part of a statement."""
        if not self._is_there():
            return None
        try:
            rows = self._rows(_WHAT_IS_THERE, timeout_s=LOOK_TIMEOUT_S)
        except Refusal:
            return None
        if ("end", "1") not in rows:  # it shows that the others were answered
            return None
        return {name: ("database", name) in rows and ("user", user) in rows for name, user in pairs}

    def before(self, name: str, user: str) -> dict[str, Any]:
        """Note what is there, and the statement that makes the user as it is (with its password's hash)."""
        rows = self._rows(_WHAT_IS_THERE)
        statement = None
        if ("user", user) in rows:  # raw: a backslash in its password's salt is escaped once already, as SQL wants it
            statement = self._query(f"SHOW CREATE USER '{user}'@'localhost'", raw=True)
        return {
            "made_database": ("database", name) not in rows,
            "user_before": statement,
            "granted_before": (f"granted to {user}", name) in rows,
        }

    def make(self, name: str, user: str, secret: str, *, keep_login: bool = False) -> None:
        """Make the database, the user and the grant; the user's former way in stays valid if that is wanted."""
        login = f"{self.identified} '{secret}'"
        statements = [
            f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4",
            f"CREATE USER IF NOT EXISTS '{user}'@'localhost' {login}",
            f"ALTER USER '{user}'@'localhost' {(keep_login and self._besides_former(user, secret)) or login}",
            f"GRANT ALL PRIVILEGES ON `{_pattern(name)}`.* TO '{user}'@'localhost'",
        ]
        self._query(";\n".join(statements), hide=secret)

    def _besides_former(self, user: str, secret: str) -> str:
        """Say how a user proves itself by a secret or as before; nothing for one that is new or had no password."""
        if ("user", user) not in self._rows(_WHAT_IS_THERE):
            return ""
        return both_ways(self._query(f"SHOW CREATE USER '{user}'@'localhost'"), secret)

    def tell(self) -> dict[str, Any] | None:
        """Tell what the server holds: version, data folder, databases with their tables and size, users; no secret."""
        if not self._is_there():
            return None
        try:
            lines = self._query(_WHAT_IT_HOLDS, timeout_s=LOOK_TIMEOUT_S).splitlines()
        except Refusal:
            return None
        rows = [line.split("\t") for line in lines]
        values = {row[0]: row[1] for row in rows if len(row) == 2}
        databases = [
            {"name": row[1], "tables": int(row[2]), "mib": float(row[3])} for row in rows if row[0] == "database"
        ]
        return {
            "flavour": "mariadb" if "mariadb" in values.get("version", "").lower() else "mysql",
            "version": values.get("version", ""),
            "data": values.get("datadir", ""),
            "databases": [one for one in databases if str(one["name"]).lower() not in self.reserved],
            "users": sorted(f"{row[1]}@{row[2]}" for row in rows if row[0] == "user"),
        }

    def count(self, name: str) -> None:
        """Have InnoDB look at some pages of each index, which takes milliseconds, whatever a table's size."""
        self._query(_COUNT.format(name=name))

    def undo(self, note: Mapping[str, Any]) -> str:
        """Take back what was made, but for a database that holds tables."""
        name, user = note["name"], note["user"]
        rows = self._rows(_WHAT_IS_THERE)
        if note["made_database"] and ("database", name) in rows:
            if any(schema == name for schema, _ in self._rows(_TABLES)):
                return f"database {name} and its user: it holds tables now"
            self._query(f"DROP DATABASE `{name}`")
        if note["user_before"] is None:
            self._query(f"DROP USER IF EXISTS '{user}'@'localhost'")
            return ""
        if not note.get("granted_before", True) and (f"granted to {user}", name) in rows:
            self._query(f"REVOKE ALL PRIVILEGES ON `{_pattern(name)}`.* FROM '{user}'@'localhost'")
        self._query(re.sub(r"^CREATE USER", "ALTER USER", note["user_before"]))
        return ""

    def _rows(self, statements: str, timeout_s: float = TIMEOUT_S) -> set[tuple[str, ...]]:
        lines = self._query(statements, timeout_s=timeout_s).splitlines()
        return {tuple(line.split("\t", 1)) for line in lines if "\t" in line}

    def _query(self, statements: str, *, hide: str = "", timeout_s: float = TIMEOUT_S, raw: bool = False) -> str:
        client = self._client() or self.clients[0]
        argv = [client, "--no-defaults", "--protocol=socket", f"--socket={SOCKET}", "--user=root", "--batch"]
        argv += ["--skip-column-names", "--connect-timeout=5", "--default-character-set=utf8mb4"]
        argv += ["--raw"] if raw else []
        feed = (self.prelude + statements).encode()
        try:
            result = command.run(argv, timeout_s=timeout_s, feed=feed, whole=True)
        except OSError as error:
            raise Refusal("activation", f"{client} cannot be run: {error}") from error
        if not result.ok:
            output = result.output.replace(hide, "[secret]") if hide else result.output
            raise Refusal("activation", "the database server refused", detail=output[-command.TAIL_BYTES :])
        return result.output

    def _is_there(self) -> bool:
        return os.path.exists(SOCKET) and self._client() is not None

    def _client(self) -> str | None:
        found = (shutil.which(client, path=command.ENVIRONMENT["PATH"]) for client in self.clients)
        return next(filter(None, found), None)


def both_ways(shown: str, secret: str) -> str:
    """Say how a user proves itself by a secret or, as before, by what SHOW CREATE USER said.

    Returns:
        What follows the user's name in ALTER USER; nothing if there was no way in that could be kept.
    """
    found = _WAYS.search(shown)
    if found is None:
        return ""
    former = f"mysql_native_password USING {found[1]}" if found[1] else found[2]
    # the server's own form of it: mysql_native_password
    once = hashlib.sha1(secret.encode("ascii"), usedforsecurity=False).digest()
    digest = hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()
    if f"'*{digest}'" in former:
        return f"IDENTIFIED VIA {former}"
    return f"IDENTIFIED VIA mysql_native_password USING '*{digest}' OR {former}"


def _pattern(name: str) -> str:
    """Return a name for GRANT, where an underscore stands for any character unless it is escaped."""
    return name.replace("_", "\\_")

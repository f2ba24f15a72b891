"""PostgreSQL, spoken to as its own system user over the unix socket; an app is the role of its system user's name.

Names reach the server as psql's variables, which psql itself quotes.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, Iterable, Mapping

from . import command
from .refusal import Refusal

TIMEOUT_S = 60
LOOK_TIMEOUT_S = 10
SUPERUSER = "postgres"
SOCKETS = "/run/postgresql"
SOCKET = SOCKETS + "/.s.PGSQL.5432"

_DATABASES_AND_ROLES = """\
SELECT 'database', datname, pg_get_userbyid(datdba) FROM pg_database;
SELECT 'role', rolname, CASE WHEN rolcanlogin THEN 'LOGIN' ELSE 'NOLOGIN' END FROM pg_roles;
SELECT 'superuser', rolname, 1 FROM pg_roles WHERE rolsuper;
SELECT 'acts for its owner', datname, rolname FROM pg_db_role_setting
JOIN pg_database ON pg_database.oid = setdatabase JOIN pg_roles ON pg_roles.oid = setrole
WHERE 'role=' || pg_get_userbyid(datdba) = ANY (setconfig) AND pg_has_role(setrole, datdba, 'MEMBER');
SELECT 'end', 1, 1;
"""
_WHAT_IT_HOLDS = """\
SELECT 'version', current_setting('server_version');
SELECT 'data', current_setting('data_directory');
SELECT 'database', datname, round(pg_database_size(pg_database.oid) / 1048576.0, 1), rolname, rolsuper FROM pg_database
JOIN pg_roles ON pg_roles.oid = datdba WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY 2 LIMIT 200;
SELECT 'user', rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' AND rolname <> 'postgres' ORDER BY 2 LIMIT 200;
"""
#: Tables, materialized views and foreign tables that are not the server's own.
_TABLES = """\
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind IN ('r', 'p', 'm', 'f') AND nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema';
"""


class PostgreSQL:
    """The server's side of `database.Server`."""

    names = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
    users = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
    reserved = frozenset([SUPERUSER, "template0", "template1", "public", "none"])
    has_passwords = False

    def look(self, pairs: Iterable[tuple[str, str]]) -> dict[str, bool] | None:
        """Say of each name whether that database is there, and belongs to its role, or the role acts for its owner."""
        if not os.path.exists(SOCKET) or shutil.which("psql", path=command.ENVIRONMENT["PATH"]) is None:
            return None
        try:
            rows = _rows(timeout_s=LOOK_TIMEOUT_S)
        except Refusal:
            return None
        if ("end", "1", "1") not in rows:  # it shows that the others were answered
            return None
        return {
            name: ("role", user, "LOGIN") in rows
            and bool({("database", name, user), ("acts for its owner", name, user)} & rows)
            for name, user in pairs
        }

    def before(self, name: str, user: str) -> dict[str, Any]:
        """Note whether the database is there and whose it is, and whether the role is there and may log in."""
        rows = _rows()
        owner, acts = _owner(rows, name), ("acts for its owner", name, user) in rows
        login = next((row[2] for row in rows if row[:2] == ("role", user)), None)
        return {"made_database": owner is None, "user_before": login, "owner": owner, "acted_before": acts}

    def make(self, name: str, user: str, _secret: str, *, keep_login: bool = False) -> None:
        """Make role and database, and let nobody else in; the role logs in by its system user, without a password.

        Args:
            name: The database.
            user: The role; a password that it has stays valid either way.
            keep_login: A database that belongs to another role stays its: the app's role acts for that one there, so
                that whatever the app makes is its owner's too, who goes on as before.

        Raises:
            Refusal: The database belongs to somebody else, and is not taken over, or its owner may do everything.
        """
        rows = _rows()
        owner, acts = _owner(rows, name), ("acts for its owner", name, user) in rows
        is_another = owner not in (None, user) and not acts
        if is_another and (not keep_login or ("superuser", owner, "1") in rows):
            raise Refusal(
                "activation",
                f"the database {name} belongs to the role {owner}, not to {user}",
                next=f'give it to the app (ALTER DATABASE "{name}" OWNER TO "{user}"), or name another one',
            )
        statements = []
        if not any(row[:2] == ("role", user) for row in rows):
            statements.append('CREATE ROLE :"user" LOGIN;')
        statements.append('ALTER ROLE :"user" LOGIN;')
        if is_another:
            statements.append('GRANT :"owner" TO :"user"; ALTER ROLE :"user" IN DATABASE :"name" SET role = :"owner";')
        elif owner is None:
            # template1 may hold what somebody put there, in another encoding
            statements.append('CREATE DATABASE :"name" OWNER :"user" TEMPLATE template0 ENCODING \'UTF8\';')
            statements.append('REVOKE CONNECT, TEMPORARY ON DATABASE :"name" FROM PUBLIC;')
        query("\n".join(statements), name=name, user=user, owner=owner or user)

    def count(self, name: str) -> None:
        """Take samples of all tables; autovacuum would within some minutes."""
        query("ANALYZE;", database=name)

    def tell(self) -> dict[str, Any] | None:
        """Tell what the server holds, as ``MariaDB.tell``; a database's tables are not counted."""
        if not os.path.exists(SOCKET) or shutil.which("psql", path=command.ENVIRONMENT["PATH"]) is None:
            return None
        try:
            rows = [line.split("\t") for line in query(_WHAT_IT_HOLDS, timeout_s=LOOK_TIMEOUT_S).splitlines()]
        except Refusal:
            return None
        values = {row[0]: row[1] for row in rows if len(row) == 2}
        databases = [row for row in rows if row[0] == "database"]
        return {
            "flavour": "postgresql",
            "version": values.get("version", ""),
            "data": values.get("data", ""),
            "databases": [
                {"name": row[1], "tables": None, "mib": float(row[2]), "owner": row[3], "owner_may_all": row[4] == "t"}
                for row in databases
            ],
            "users": sorted(row[1] for row in rows if row[0] == "user"),
        }

    def undo(self, note: Mapping[str, Any]) -> str:
        """Take back what was made, but for a database that holds tables."""
        name, user = note["name"], note["user"]
        rows = _rows()
        if note["made_database"] and ("database", name, user) in rows:
            if query(_TABLES, database=name) != "0":
                return f"database {name} and its role: it holds tables now"
            query('DROP DATABASE :"name" WITH (FORCE);', name=name)  # an app that is being returned may be connected
        owner = note.get("owner")
        if owner not in (None, user) and not note["acted_before"] and ("acts for its owner", name, user) in rows:
            took = 'ALTER ROLE :"user" IN DATABASE :"name" RESET role; REVOKE :"owner" FROM :"user";'
            query(took, name=name, user=user, owner=owner)
        if note["user_before"] is None:
            query('DROP ROLE IF EXISTS :"user";', user=user)
        elif note["user_before"] == "NOLOGIN":
            query('ALTER ROLE :"user" NOLOGIN;', user=user)
        return ""


def _owner(rows: set[tuple[str, ...]], name: str) -> str | None:
    return next((row[2] for row in rows if row[:2] == ("database", name)), None)


def _rows(timeout_s: float = TIMEOUT_S) -> set[tuple[str, ...]]:
    return {tuple(line.split("\t")) for line in query(_DATABASES_AND_ROLES, timeout_s=timeout_s).splitlines()}


def query(statements: str, *, database: str = SUPERUSER, timeout_s: float = TIMEOUT_S, **names: str) -> str:
    """Ask as the superuser; ``names`` become psql's variables. Returns the rows, their fields parted by tabs.

    Raises:
        Refusal: The server refuses, or there is no psql.
    """
    argv = ["psql", "--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t"]
    argv += ["--set=ON_ERROR_STOP=1", f"--host={SOCKETS}", f"--username={SUPERUSER}", f"--dbname={database}"]
    argv += [f"--set={key}={value}" for key, value in names.items()]
    # a word of the server's that is no answer (a NOTICE) would be taken for one
    feed = ("SET client_min_messages = error;\n" + statements).encode()
    try:
        result = command.run(argv, timeout_s=timeout_s, feed=feed, whole=True, user=SUPERUSER)
    except OSError as error:
        raise Refusal("activation", f"psql cannot be run: {error}") from error
    if not result.ok:
        raise Refusal("activation", "the database server refused", detail=result.output[-command.TAIL_BYTES :])
    return result.output

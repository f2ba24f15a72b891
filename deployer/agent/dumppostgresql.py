"""Dumps of PostgreSQL, which undoes all: a database is put back in one transaction, and nobody sees it half done."""

from __future__ import annotations

import hashlib
import os
import shlex
from typing import Any, Mapping

from . import command, recordedsteps
from .postgresql import LOOK_TIMEOUT_S, SOCKET, SOCKETS, SUPERUSER, PostgreSQL, query
from .refusal import Refusal

TIMEOUT_S = 60.0
#: Everything that is not the server's own goes; what the dump holds comes, in the same transaction.
_EMPTY = """\
BEGIN;
SET LOCAL lock_timeout = '20s';
SELECT count(lo_unlink(oid)) FROM pg_largeobject_metadata;
DO $deployer$
DECLARE
    one text;
    had_public boolean;
BEGIN
    SELECT count(*) > 0 INTO had_public FROM pg_namespace WHERE nspname = 'public';
    FOR one IN SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' LOOP
        EXECUTE format('DROP SCHEMA %I CASCADE', one);
    END LOOP;
    IF had_public THEN
        CREATE SCHEMA public AUTHORIZATION pg_database_owner;
        GRANT USAGE ON SCHEMA public TO PUBLIC;
        COMMENT ON SCHEMA public IS 'standard public schema';
    END IF;
END
$deployer$;
"""
_BUSY = """\
SELECT pid FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = :'name' AND backend_type = 'client backend' AND xact_start IS NOT NULL;
"""
_OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :'name';"
_KNOWN = """\
SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE relkind = 'r' AND relname IN ('{known}') ORDER BY 1, 2;
"""
_ROWS = 'SELECT * FROM :"schema".:"table" LIMIT :most;'


class PostgreSQLDumper:
    """The server's side of `dumper.Dumper`."""

    def check(self, place: Mapping[str, Any]) -> None:
        """Raise Refusal if a name is not plain."""
        for name, pattern in ((place["name"], PostgreSQL.names), (place["user"], PostgreSQL.users)):
            if not isinstance(name, str) or not pattern.fullmatch(name) or name in PostgreSQL.reserved:
                raise Refusal("fault", f"refused as a database's or its user's name: {name!r}")

    def is_there(self, place: Mapping[str, Any]) -> bool:
        """Say whether there is such a database."""
        if not os.path.exists(SOCKET):
            return False
        statement = "SELECT count(*) FROM pg_database WHERE datname = :'name';"
        try:
            return query(statement, timeout_s=LOOK_TIMEOUT_S, name=place["name"]).strip() == "1"
        except Refusal:
            return False

    def size_bytes(self, place: Mapping[str, Any]) -> int:
        """Say how much it fills of the disk, indexes included."""
        return int(query("SELECT pg_database_size(:'name');", name=place["name"]).strip())

    def picture(self, place: Mapping[str, Any]) -> dict[str, Any]:
        """Tell its schema as the server's own dump writes it, the recorded steps, and to whom it belongs."""
        argv = [*_dump_call(place), "--schema-only"]
        result = command.run(argv, timeout_s=TIMEOUT_S, whole=True, user=SUPERUSER)
        if not result.ok:
            raise Refusal("activation", f"the schema of {place['name']} cannot be read", detail=result.output[-2000:])
        # newer ones begin and end with a word that is another one each time
        lines = [line for line in result.output.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]
        schema = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
        return {
            "schema": schema,
            "recorded": _recorded(place["name"]),
            "owner": query(_OWNER, name=place["name"]).strip(),
        }

    def dump(self, place: Mapping[str, Any], path: str) -> list[str]:
        """Dump it as statements, all of one moment."""
        return [f'runuser -u {SUPERUSER} -- {shlex.join(_dump_call(place))} | gzip -1 > "$1"', path]

    def is_whole(self, _head: bytes, tail: bytes, _total_bytes: int) -> bool:
        """Look for the line that the program writes last."""
        return b"\n-- PostgreSQL database dump complete\n" in tail

    def restore(self, place: Mapping[str, Any], path: str) -> list[str]:
        """Empty and fill it in one transaction; without its last word, COMMIT, all is as it was."""
        call = ["psql", "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", f"--host={SOCKETS}"]
        call += [f"--username={SUPERUSER}", f"--dbname={place['name']}"]
        feed = """{ printf '%s' "$2" && gzip -dc "$1" && echo 'COMMIT;'; }"""
        return [f"{feed} | runuser -u {SUPERUSER} -- {shlex.join(call)} >/dev/null", path, _EMPTY]

    def is_busy(self, place: Mapping[str, Any]) -> bool:
        """Say whether somebody is in a transaction there."""
        return bool(query(_BUSY, name=place["name"]).split())

    def end_sessions(self, place: Mapping[str, Any]) -> None:
        """End those sessions."""
        for pid in query(_BUSY, name=place["name"]).split():
            query("SELECT pg_terminate_backend(:pid);", pid=pid)

    def by_hand(self, place: Mapping[str, Any], path: str) -> str:
        """Say what a person types."""
        name, user, as_server = place["name"], place["user"], f"runuser -u {SUPERUSER} --"
        owner = (place.get("before") or {}).get("owner") or user
        acts = f'ALTER ROLE "{user}" IN DATABASE "{name}" SET role = "{owner}"'  # goes with the database
        made = f"{as_server} createdb -T template0 -E UTF8 -O {shlex.quote(owner)} {name}"
        made += "" if owner == user else f" && {as_server} psql -qc {shlex.quote(acts)}"
        return (
            f"{as_server} dropdb --force {name}; {made} && "
            f"gzip -dc {path} | {as_server} psql -q -v ON_ERROR_STOP=1 {name}"
        )


def _dump_call(place: Mapping[str, Any]) -> list[str]:
    call = ["pg_dump", "--no-password", f"--host={SOCKETS}", f"--username={SUPERUSER}"]
    return [*call, f"--dbname={place['name']}"]


def _recorded(name: str) -> list[str] | None:
    found = query(_KNOWN.format(known="', '".join(recordedsteps.TABLES)), database=name)
    if not found:
        return None
    tables = [line.split("\t") for line in found.splitlines()]
    most = str(recordedsteps.MOST)
    answers = [query(_ROWS, database=name, schema=schema, table=table, most=most) for schema, table in tables]
    return [recordedsteps.told(line.split("\t")) for answer in answers for line in answer.splitlines()]

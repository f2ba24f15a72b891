"""Dumps of SQLite: pages, by its own backup, which others may read and write beside and which is one transaction.

Its file is the app's, so it is opened as the app's user, never as root.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import Any, Mapping

from . import command, places, recordedsteps, treestate
from .refusal import Refusal

TIMEOUT_S = 60.0
_USERS = re.compile(r"[a-z_][a-z0-9_-]{0,30}")
_BEGIN = """\
import os, shutil, sqlite3, sys
path = sys.argv[1]
aside = os.path.dirname(path) + "/.deployer-copy"
for name in (aside, aside + "-journal", aside + "-wal", aside + "-shm"):
    if os.path.lexists(name):
        os.unlink(name)
"""
DUMP = f"""{_BEGIN}
try:
    found, copy = sqlite3.connect(f"file:{{path}}?mode=rw", uri=True, timeout=30), sqlite3.connect(aside)
    found.backup(copy)
    copy.execute("PRAGMA journal_mode = DELETE")
    assert copy.execute("PRAGMA quick_check").fetchall() == [("ok",)], "the database is damaged"
    found.close(); copy.close()
    with open(aside, "rb") as stream:
        shutil.copyfileobj(stream, sys.stdout.buffer)
finally:
    if os.path.exists(aside):
        os.unlink(aside)
"""
_RESTORE = f"""{_BEGIN}
try:
    with open(aside, "xb") as stream:
        shutil.copyfileobj(sys.stdin.buffer, stream)
    copy, found = sqlite3.connect(aside), sqlite3.connect(f"file:{{path}}?mode=rw", uri=True, timeout=30)
    assert copy.execute("PRAGMA quick_check").fetchall() == [("ok",)], "the dump is damaged"
    (mode,) = found.execute("PRAGMA journal_mode").fetchone()
    copy.execute("PRAGMA journal_mode = " + ("WAL" if mode == "wal" else "DELETE"))
    copy.backup(found)
    found.close(); copy.close()
finally:
    for name in (aside, aside + "-wal", aside + "-shm"):
        if os.path.exists(name):
            os.unlink(name)
"""
_LOOK = """\
import json, sqlite3, sys
found = sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True, timeout=30)
schema = found.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
schema += found.execute("PRAGMA user_version").fetchall()
rows = None
for (table,) in found.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall():
    if table in sys.argv[3:]:
        rows = (rows or []) + found.execute(f'SELECT * FROM "{table}" LIMIT {int(sys.argv[2])}').fetchall()
print(json.dumps([schema, rows], default=str))
"""
_TRY = """\
import sqlite3, sys
found = sqlite3.connect(f"file:{sys.argv[1]}?mode=rw", uri=True, timeout=0.2, isolation_level=None)
try:
    found.execute("BEGIN IMMEDIATE"); found.execute("ROLLBACK"); print("free")
except sqlite3.OperationalError:
    print("busy")
"""


class SQLiteDumper:
    """The side of SQLite of `dumper.Dumper`."""

    def check(self, place: Mapping[str, Any]) -> None:
        """Raise Refusal if the path or the user's name is not plain."""
        places.checked_path(place["path"])
        if not isinstance(place["user"], str) or not _USERS.fullmatch(place["user"]):
            raise Refusal("fault", f"refused as a user's name: {place['user']!r}")

    def is_there(self, place: Mapping[str, Any]) -> bool:
        """Say whether there is such a file, with something in it."""
        found = places.at(place["path"])
        return os.path.isfile(found) and not os.path.islink(found) and os.stat(found).st_size > 0

    def size_bytes(self, place: Mapping[str, Any]) -> int:
        """Say how large its file is, and its log of writes."""
        found = places.at(place["path"])
        return sum(os.stat(path).st_size for path in (found, found + "-wal") if os.path.exists(path))

    def picture(self, place: Mapping[str, Any]) -> dict[str, Any]:
        """Tell its schema and the recorded steps."""
        try:
            schema, rows = json.loads(_as_its_user(place, _LOOK, str(recordedsteps.MOST), *recordedsteps.TABLES))
        except ValueError as error:
            raise Refusal("activation", f"the database {place['path']} cannot be read") from error
        return {
            "schema": hashlib.sha256(json.dumps(schema).encode()).hexdigest()[:16],
            "recorded": None if rows is None else [recordedsteps.told(row) for row in rows],
        }

    def dump(self, place: Mapping[str, Any], path: str) -> list[str]:
        """Copy its pages aside, look whether they are whole, and pack them."""
        pipeline = 'runuser -u "$2" -- python3 -I -c "$3" "$4" | gzip -1 > "$1"'
        return [pipeline, path, place["user"], DUMP, places.at(place["path"])]

    def is_whole(self, head: bytes, _tail: bytes, total_bytes: int) -> bool:
        """Compare its size with the number of pages that it says it has."""
        page_bytes = int.from_bytes(head[16:18], "big")
        pages = int.from_bytes(head[28:32], "big")
        return head.startswith(b"SQLite format 3\0") and total_bytes == pages * (
            65536 if page_bytes == 1 else page_bytes
        )

    def restore(self, place: Mapping[str, Any], path: str) -> list[str]:
        """Write the dump's pages over its own, in one transaction."""
        pipeline = 'gzip -dc "$1" | runuser -u "$2" -- python3 -I -c "$3" "$4"'
        return [pipeline, path, place["user"], _RESTORE, places.at(place["path"])]

    def is_busy(self, place: Mapping[str, Any]) -> bool:
        """Say whether somebody holds it for writing."""
        return "busy" in _as_its_user(place, _TRY)

    def end_sessions(self, place: Mapping[str, Any]) -> None:
        """Nobody can: whoever holds it has to go on, or to be ended himself."""

    def by_hand(self, place: Mapping[str, Any], path: str) -> str:
        """Say what a person types."""
        file, user = place["path"], place["user"]
        return (
            f"stop the units of the app; rm -f {file}-wal {file}-shm; gzip -dc {path} > {file}; "
            f"chown {user}:{user} {file}; start them again"
        )


def _as_its_user(place: Mapping[str, Any], script: str, *words: str) -> str:
    treestate.user_id(place["user"])
    argv = ["python3", "-I", "-c", script, places.at(place["path"]), *words]
    result = command.run(argv, timeout_s=TIMEOUT_S, whole=True, user=place["user"])
    if not result.ok:
        message = f"the database {place['path']} cannot be read"
        raise Refusal("activation", message, detail=result.output[-command.TAIL_BYTES :])
    return result.output

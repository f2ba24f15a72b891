"""The entries in SQLite: one file, one connection per thread, a writer at a time."""

import sqlite3
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

#: Waiting for another writer, ms; then it is an error.
BUSY_TIMEOUT_MS = 5_000
#: Entries that are kept; the oldest go, so that the disk does not fill up.
KEPT = 10_000
ENTRIES_PER_PAGE = 20
SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    message TEXT NOT NULL,
    written_at TEXT NOT NULL
) STRICT
"""


class Entry(NamedTuple):
    """What a guest wrote, at a time in UTC."""

    id: int
    name: str
    message: str
    written_at: str


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Write the log's kind into the file: readers never wait for a writer. SQLite itself does not wait to change it."""
    end = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


class Entries:
    """All entries.

    Args:
        path: The database's file; its folder must exist.
        cache_kib: Pages that each connection keeps, KiB.
        wal_mib: What the log of writes keeps of the disk once it is in the database, MiB.
    """

    def __init__(self, path: Path, cache_kib: int = 2_048, wal_mib: int = 8) -> None:
        self._path = path
        self._cache_kib = cache_kib
        self._wal_mib = wal_mib
        self._of_thread = threading.local()

    def migrate(self) -> bool:
        """Make the table; False if it is there. Two at once wait for each other."""
        connection = self._connection(mode="rwc")
        _write_ahead(connection)
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version >= SCHEMA_VERSION:
                return False
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            return True

    def add(self, name: str, message: str) -> None:
        """Write an entry, and let go of the oldest if there are too many."""
        written_at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
        connection = self._connection()
        connection.execute("BEGIN IMMEDIATE")  # a lock asked for later could be refused without any wait
        with connection:
            added = connection.execute(
                "INSERT INTO entries (name, message, written_at) VALUES (?, ?, ?)", (name, message, written_at)
            )
            connection.execute("DELETE FROM entries WHERE id <= ?", ((added.lastrowid or 0) - KEPT,))

    def newest(self, before: int | None = None) -> list[Entry]:
        """Return up to 20 entries, the newest first; those before one, if it is said."""
        rows = self._connection().execute(
            "SELECT id, name, message, written_at FROM entries WHERE id < ? ORDER BY id DESC LIMIT ?",
            (2**63 - 1 if before is None else before, ENTRIES_PER_PAGE),
        )
        return [Entry(*row) for row in rows]

    def check(self) -> None:
        """Read an entry, to see that the database is there.

        Raises:
            sqlite3.Error: It is not, or has no table.
        """
        self._connection().execute("SELECT 1 FROM entries LIMIT 1").fetchone()

    def _connection(self, mode: str = "rw") -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            # only the migration makes the file: an empty one in the place of a lost one would hide the loss
            address = f"{self._path.absolute().as_uri()}?mode={mode}"
            connection = sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
            connection.execute("PRAGMA synchronous = NORMAL")  # in WAL: a power cut may lose the last, never damage
            connection.execute(f"PRAGMA cache_size = -{self._cache_kib}")
            connection.execute(f"PRAGMA journal_size_limit = {self._wal_mib << 20}")
            self._of_thread.connection = connection
        return connection

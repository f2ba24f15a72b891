"""Every statement of the app, and one error for "the database is not there now"."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg

from notes.settings import Settings

ACQUIRE_TIMEOUT_S = 5.0
QUERY_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
#: Idle connections are given back: each costs the server some MiB.
IDLE_LIFETIME_S = 60.0
NOTES_PER_PAGE = 50


class DatabaseUnavailableError(Exception):
    """The database cannot be reached, is too slow, or all connections are taken."""


class Note(NamedTuple):
    """A note, and the name of its file if it has one."""

    id: int
    text: str
    file_key: str | None
    file_name: str | None
    file_bytes: int | None


class Store:
    """Bounded access to the notes; every method raises ``DatabaseUnavailableError`` when the database is away."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @classmethod
    async def open(cls, settings: Settings) -> "Store":
        """Make the pool, which connects when it is first asked: the database may come up later than the app."""
        pool = await asyncpg.create_pool(
            host=settings.socket_folder,
            database=settings.name,
            user=settings.user,
            min_size=0,
            max_size=settings.pool_size,
            max_inactive_connection_lifetime=IDLE_LIFETIME_S,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=QUERY_TIMEOUT_S,
        )
        return cls(pool)

    async def close(self) -> None:
        """Close all connections, those in use after 5 s at the latest."""
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def ping(self, timeout_s: float) -> None:
        """Ask for an answer within ``timeout_s``."""
        async with self._connection(timeout_s) as connection:
            await connection.fetchval("SELECT 1", timeout=timeout_s)

    async def newest(self) -> list[Note]:
        """Return the newest 50 notes."""
        async with self._connection() as connection:
            rows = await connection.fetch(
                "SELECT id, text, file_key, file_name, file_bytes FROM notes ORDER BY id DESC LIMIT $1", NOTES_PER_PAGE
            )
        return [Note(*row) for row in rows]

    async def note(self, note_id: int) -> Note | None:
        """Return a note."""
        async with self._connection() as connection:
            row = await connection.fetchrow(
                "SELECT id, text, file_key, file_name, file_bytes FROM notes WHERE id = $1", note_id
            )
        return None if row is None else Note(*row)

    async def add(self, text: str) -> int:
        """Store a note and return its number."""
        async with self._connection() as connection:
            return int(await connection.fetchval("INSERT INTO notes (text) VALUES ($1) RETURNING id", text))

    async def attach(self, note_id: int, key: str, name: str, size_bytes: int) -> bool:
        """Tie a file to a note; False if there is no such note, or it has one already."""
        async with self._connection() as connection:
            done = await connection.fetchval(
                "UPDATE notes SET file_key = $2, file_name = $3, file_bytes = $4 "
                "WHERE id = $1 AND file_key IS NULL RETURNING id",
                note_id,
                key,
                name,
                size_bytes,
            )
        return done is not None

    async def remove(self, note_id: int) -> str | None:
        """Remove a note, and return the key of its file if it had one."""
        async with self._connection() as connection:
            key: str | None = await connection.fetchval("DELETE FROM notes WHERE id = $1 RETURNING file_key", note_id)
        return key

    @asynccontextmanager
    async def _connection(self, timeout_s: float = ACQUIRE_TIMEOUT_S) -> AsyncIterator[asyncpg.Connection]:
        try:
            async with self._pool.acquire(timeout=timeout_s) as connection:
                yield connection
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as error:
            raise DatabaseUnavailableError(str(error)) from error
        except (asyncpg.TooManyConnectionsError, asyncpg.AdminShutdownError, asyncpg.InterfaceError) as error:
            raise DatabaseUnavailableError(str(error)) from error

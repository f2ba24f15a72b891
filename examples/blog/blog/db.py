"""The database as the blog sees it: rows, transactions, and one error for "not there now"."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncmy
from asyncmy.connection import Connection
from asyncmy.errors import InterfaceError, InternalError, OperationalError

from blog.pool import Pool, PoolTimeoutError
from blog.settings import DatabaseSettings

Row = tuple[Any, ...]
Args = Sequence[object]
T = TypeVar("T")

#: Error numbers that tell of a connection, not of the statement: refused, gone, lost, killed, too many.
CONNECTION_ERRORS = frozenset({0, 1040, 1053, 1080, 1158, 1159, 1160, 1161, 1203, 1927, 2002, 2003, 2006, 2013, 2055})


class DatabaseUnavailableError(Exception):
    """The database cannot be reached, is too slow, or all connections are taken."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A connection with an open transaction."""

    connection: Connection

    async def rows(self, sql: str, args: Args = ()) -> list[Row]:
        """Run a statement and return all of its rows."""
        return await _rows(self.connection, sql, args)

    async def execute(self, sql: str, args: Args = ()) -> int:
        """Run a statement and return the id that AUTO_INCREMENT gave, or 0."""
        async with self.connection.cursor() as cursor:
            await cursor.execute(sql, args or None)
            return int(cursor.lastrowid or 0)

    async def execute_many(self, sql: str, args: Sequence[Args]) -> None:
        """Run an `INSERT ... VALUES (...)` for many rows in as few statements as fit."""
        async with self.connection.cursor() as cursor:
            await cursor.executemany(sql, args)


class Database:
    """Bounded access to one database; every method raises `DatabaseUnavailableError` when it is away."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._query_timeout_s = settings.query_timeout_s
        self._pool: Pool[Connection] = Pool(
            lambda: connect(settings),
            size=settings.pool_size,
            acquire_timeout_s=settings.acquire_timeout_s,
            recycle_s=settings.recycle_s,
        )

    async def rows(self, sql: str, args: Args = (), *, urgent: bool = False) -> list[Row]:
        """Read rows.

        Tried a second time if the connection turns out to be dead: after a restart of the server the first
        use of each idle connection fails, and no visitor should notice. So: for reading only.
        """
        with_idle_connections = True
        while True:
            try:
                async with self._pool.connection(urgent=urgent) as connection:
                    return await self._within_time(_rows(connection, sql, args))
            except Exception as error:
                if not is_connection_error(error):
                    raise
                self._pool.forget_idle()
                if isinstance(error, PoolTimeoutError | TimeoutError) or not with_idle_connections:
                    raise DatabaseUnavailableError(str(error)) from error
                with_idle_connections = False

    async def row(self, sql: str, args: Args = ()) -> Row | None:
        """Read the first row, or None."""
        found = await self.rows(sql, args)
        return found[0] if found else None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Commit at the end of the block; an exception closes the connection: the server rolls back."""
        try:
            async with self._pool.connection() as connection:
                await connection.begin()
                yield Transaction(connection)
                await self._within_time(connection.commit())
        except Exception as error:
            if is_connection_error(error):
                raise DatabaseUnavailableError(str(error)) from error
            raise

    async def ping(self, timeout_s: float) -> None:
        """Ask the database for an answer within `timeout_s`, ahead of all waiting visitors."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.rows("SELECT 1", urgent=True)
        except TimeoutError as error:
            raise DatabaseUnavailableError(f"no answer within {timeout_s} s") from error

    def close(self) -> None:
        """Close idle connections; those in use close with their requests."""
        self._pool.forget_idle()

    async def _within_time(self, statement: Awaitable[T]) -> T:
        async with asyncio.timeout(self._query_timeout_s):
            return await statement


async def connect(settings: DatabaseSettings) -> Connection:
    """Open one connection over the unix socket: utf8mb4, autocommit."""
    return await asyncmy.connect(
        unix_socket=settings.socket,
        user=settings.user,
        password=settings.password,
        db=settings.name,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=settings.acquire_timeout_s,
    )


def is_connection_error(error: BaseException) -> bool:
    """Tell a lost, refused or late connection from a wrong statement."""
    if isinstance(error, PoolTimeoutError | TimeoutError | OSError | EOFError):
        return True
    if isinstance(error, OperationalError | InterfaceError | InternalError):
        return not error.args or error.args[0] in CONNECTION_ERRORS or not isinstance(error.args[0], int)
    return False


async def _rows(connection: Connection, sql: str, args: Args) -> list[Row]:
    async with connection.cursor() as cursor:
        await cursor.execute(sql, args or None)
        return list(await cursor.fetchall())

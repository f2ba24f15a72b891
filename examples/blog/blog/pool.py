"""A bounded pool of connections that survives the server's restart. Knows nothing of SQL or a driver."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """All that the pool does to a connection."""

    def close(self) -> None:
        """Drop the connection at once, without a word to the server."""


C = TypeVar("C", bound="Closable")


class PoolTimeoutError(Exception):
    """No connection became free in time."""


class Pool(Generic[C]):
    """At most `size` connections, opened when needed, handed out in the order of asking.

    Idle connections are taken last-in first-out, so that after a peak the surplus grows old and is closed.

    Args:
        connect: Opens one connection.
        size: Connections at most, >= 1.
        acquire_timeout_s: Longest wait for a connection, the opening of a new one included.
        recycle_s: Age at which an idle connection is closed rather than used.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[C]],
        *,
        size: int,
        acquire_timeout_s: float,
        recycle_s: float,
    ) -> None:
        self._connect = connect
        self._free = size
        self._acquire_timeout_s = acquire_timeout_s
        self._recycle_s = recycle_s
        self._idle: list[tuple[C, float]] = []
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def connection(self, *, urgent: bool = False) -> AsyncIterator[C]:
        """Lend a connection; one whose use raised anything is closed, as its state is unknown.

        Args:
            urgent: Go before all who wait: for the health check, which must answer under load too.

        Raises:
            PoolTimeoutError: None became free in time.
        """
        try:
            async with asyncio.timeout(self._acquire_timeout_s):
                await self._take_permit(urgent=urgent)
                try:
                    connection, born = self._fresh_idle() or (await self._connect(), time.monotonic())
                except BaseException:
                    self._give_permit()
                    raise
        except TimeoutError:
            raise PoolTimeoutError(f"no database connection within {self._acquire_timeout_s} s") from None
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        else:
            self._idle.append((connection, born))
        finally:
            self._give_permit()

    def forget_idle(self) -> None:
        """Close what is idle: after one lost connection the others are dead as well."""
        while self._idle:
            connection, _ = self._idle.pop()
            with suppress(Exception):
                connection.close()

    def _fresh_idle(self) -> tuple[C, float] | None:
        oldest_allowed = time.monotonic() - self._recycle_s
        while self._idle:
            connection, born = self._idle.pop()
            if born >= oldest_allowed:
                return connection, born
            connection.close()
        return None

    async def _take_permit(self, *, urgent: bool) -> None:
        if self._free:  # then nobody waits: a permit given back goes to the next in line
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._urgent if urgent else self._waiting
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_permit()  # it was granted in the very moment of giving up
            else:
                with suppress(ValueError):  # already stepped over by _give_permit
                    line.remove(turn)
            raise

    def _give_permit(self) -> None:
        while line := self._urgent or self._waiting:
            turn = line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

"""Hands every message to everybody who listens, and lets go of those who do not keep up."""

import asyncio
import re
from typing import NamedTuple

#: Messages that may wait for one listener; one who is further behind is cut off, and comes back with Last-Event-ID.
WAITING = 64
_ID = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)


class Message(NamedTuple):
    """A message; its id is that of the stream in Redis, and grows."""

    id: str
    text: str

    def event(self) -> bytes:
        """Give it as a Server-Sent Event."""
        lines = "".join(f"data: {line}\n" for line in self.text.splitlines() or [""])
        return f"id: {self.id}\n{lines}\n".encode()


class FullError(Exception):
    """As many as may listen are there already."""


class Listener:
    """One visitor's messages, in order; after the last comes the end."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue(WAITING + 1)
        self.is_over = False

    def put(self, message: Message) -> None:
        """Add a message, or end it all if too many wait."""
        if self._queue.qsize() >= WAITING:
            self.end()
        elif not self.is_over:
            self._queue.put_nowait(message)

    def end(self) -> None:
        """Let what waits be read, and nothing more."""
        if not self.is_over:
            self.is_over = True
            self._queue.put_nowait(None)

    async def next(self) -> Message | None:
        """Wait for the next message; None at the end."""
        return await self._queue.get()


class Hub:
    """Everybody who listens to this process.

    Args:
        most: Listeners at the same time, >= 1.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._listeners: set[Listener] = set()

    def join(self) -> Listener:
        """Begin to listen.

        Raises:
            FullError: There is no room.
        """
        if len(self._listeners) >= self._most:
            raise FullError
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """No longer listen."""
        self._listeners.discard(listener)

    def hand_out(self, message: Message) -> None:
        """Give a message to everybody."""
        for listener in self._listeners:
            listener.put(message)

    def end(self) -> None:
        """Say good-bye to everybody."""
        for listener in self._listeners:
            listener.end()


def is_message_id(text: str) -> bool:
    """Tell whether a visitor's Last-Event-ID can be one of ours."""
    return _ID.fullmatch(text) is not None


def is_newer(one: str, other: str) -> bool:
    """Tell whether one id comes after another."""
    return _order(one) > _order(other)


def _order(message_id: str) -> tuple[int, int]:
    milliseconds, _, number = message_id.partition("-")
    return int(milliseconds), int(number)

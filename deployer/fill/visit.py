"""What visitors of the fill test do, and what they saw."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

#: How long a visitor waits for a connection, s.
PATIENCE_S = 30.0
#: How long the first waits for the last, s: nginx sends away who has asked for nothing after 10 s.
GATHERED_WITHIN_S = 8.0
#: What can go wrong on a connection.
TROUBLE = (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
_NUMBERS = count(time.time_ns())


@dataclass(frozen=True, slots=True)
class Visit:
    """What visitors do.

    Attributes:
        address: The host.
        port: Its port.
        server_name: Name that they ask for.
        tls: Whether they speak TLS.
        paths: Pages, one of which each visitor asks for again and again.
        connections: How many visitors there are.
        duration_s: How long they stay, s.
        headers: Request headers besides the name.
        again: Once it is set, nearly all break off and connect again.
    """

    address: str
    port: int
    server_name: str
    tls: bool
    paths: Sequence[str]
    connections: int
    duration_s: float
    headers: Mapping[str, str] = field(default_factory=dict)
    again: threading.Event = field(default_factory=threading.Event)

    def path_of(self, visitor: int) -> str:
        """Give the page that a visitor wants."""
        return self.paths[visitor % len(self.paths)]

    def request(self, path: str) -> bytes:
        """Give a request as HTTP/1.1 writes it."""
        lines = [f"GET {path} HTTP/1.1", f"Host: {self.server_name}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()


def unseen(path: str, length: int) -> str:
    """Give an address of a page that nobody has asked for, so that no cache has it, of at least so many characters."""
    path += f"{'&' if '?' in path else '?'}visit="
    return path + f"{next(_NUMBERS):x}".rjust(length - len(path), "0")


@dataclass
class Seen:
    """What they saw.

    Attributes:
        statuses: Answers by status.
        failures: What went wrong, by kind.
        received: What came on long-lived connections, by kind.
        held: The most connections that were open at once.
        open_now: Connections that are open.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    held: int = 0
    open_now: int = 0

    def opened(self) -> None:
        """Count a connection."""
        self.open_now += 1
        self.held = max(self.held, self.open_now)

    def add(self, other: Seen) -> None:
        """Count what others saw after these."""
        self.statuses.update(other.statuses)
        self.failures.update(other.failures)
        self.received.update(other.received)
        self.held = max(self.held, other.held)

    def add_beside(self, other: Seen) -> None:
        """Count what others saw at the same time."""
        held = self.held + other.held
        self.add(other)
        self.held = held


class Gathering:
    """Lets all visitors ask at the same moment: that is when an app has the most in progress."""

    def __init__(self, visitors: int) -> None:
        self._missing = set(range(visitors))
        self._is_begun = False
        self._begins = asyncio.Event()

    async def join(self, visitor: int) -> None:
        """Wait for those who were never there, but not for long; one who comes again is no new one."""
        if not self._is_begun:
            self._is_begun = True
            asyncio.get_running_loop().call_later(GATHERED_WITHIN_S, self._begins.set)
        self._missing.discard(visitor)
        if not self._missing:
            self._begins.set()
        await self._begins.wait()

"""Visitors who read slowly: each holds a TLS connection, a slot to the app and full buffers in between.

A bounded number of connections for a bounded time; what goes wrong is counted, not raised.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

#: What a visitor's kernel takes at once, and what it reads of it each second, bytes.
RECEIVE_BUFFER_BYTES = 4096
READ_BYTES = 2048
#: Connections that are opened each second.
OPENED_PER_S = 200
PATIENCE_S = 30.0
#: One of so many stays when the others connect again: a worker of nginx that was to go keeps all of its memory for him.
PATIENT = 100


@dataclass(frozen=True, slots=True)
class Visit:
    """What visitors do.

    Attributes:
        address: The host.
        port: Its port.
        server_name: Name that they ask for.
        tls: Whether they speak TLS.
        requests: Whole requests, one of which each visitor sends again and again.
        connections: How many visitors there are.
        duration_s: How long they stay, s.
        again: Once it is set, all but one in ``PATIENT`` break off and connect again.
    """

    address: str
    port: int
    server_name: str
    tls: bool
    requests: Sequence[bytes]
    connections: int
    duration_s: float
    again: threading.Event = field(default_factory=threading.Event)


class _BreaksOffError(Exception):
    """A visitor wants to connect again."""


@runtime_checkable
class _ReadsAhead(Protocol):
    """A transport that takes more than it was asked for, TLS's above all."""

    def set_read_buffer_limits(self, high: int) -> None:
        """Say how much that may be, bytes."""


@dataclass
class Seen:
    """What they saw.

    Attributes:
        statuses: Answers by status.
        failures: What went wrong, by kind.
        held: The most connections that were open at once.
        open_now: Connections that are open.
        still_to_come: Visitors who have not connected yet.
        all_there: Set once the last has.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    held: int = 0
    open_now: int = 0
    still_to_come: int = 0
    all_there: asyncio.Event = field(default_factory=asyncio.Event)


def visit_slowly(visit: Visit) -> Seen:
    """Send the visitors, and say what they saw once the last has left."""
    return asyncio.run(_all(visit))


async def _all(visit: Visit) -> Seen:
    seen = Seen(still_to_come=visit.connections)
    end = asyncio.get_running_loop().time() + visit.duration_s
    async with asyncio.TaskGroup() as group:
        for number in range(visit.connections):
            group.create_task(_one(visit, number, seen, end))
            await asyncio.sleep(1 / OPENED_PER_S)
    return seen


async def _one(visit: Visit, number: int, seen: Seen, end: float) -> None:
    loop, request = asyncio.get_running_loop(), visit.requests[number % len(visit.requests)]
    impatient = number % PATIENT != 0 and not visit.again.is_set()
    while loop.time() < end:
        try:
            async with asyncio.timeout(PATIENCE_S):
                reader, writer = await _connect(visit)
        except (OSError, TimeoutError) as error:
            seen.failures[f"connect: {type(error).__name__}"] += 1
            await asyncio.sleep(1)
            continue
        seen.open_now += 1
        seen.held = max(seen.held, seen.open_now)
        try:
            await _until_all_are_there(seen)
            while loop.time() < end:
                writer.write(request)
                seen.statuses[await _read_slowly(reader, end, visit.again if impatient else None)] += 1
        except _BreaksOffError:
            impatient = False
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            if loop.time() < end:
                seen.failures[f"read: {type(error).__name__}"] += 1
        finally:
            seen.open_now -= 1
            writer.transport.abort()


async def _until_all_are_there(seen: Seen) -> None:
    """Let all ask at the same moment: that is when an app has the most in progress. Who comes late asks at once."""
    seen.still_to_come -= 1
    if seen.still_to_come <= 0:
        seen.all_there.set()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            await seen.all_there.wait()


async def _connect(visit: Visit) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    raw.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(raw, (visit.address, visit.port))
        context = None
        if visit.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        name = visit.server_name if visit.tls else None
        reader, writer = await asyncio.open_connection(sock=raw, ssl=context, server_hostname=name, limit=READ_BYTES)
    except BaseException:
        raw.close()
        raise
    if isinstance(writer.transport, _ReadsAhead):  # TLS would take 256 KiB before it lets the sender wait
        writer.transport.set_read_buffer_limits(high=READ_BYTES)
    return reader, writer


async def _read_slowly(reader: asyncio.StreamReader, end: float, again: threading.Event | None) -> int:
    """Read one answer a little each second; its length is told, or it ends in a chunk of nothing.

    Raises:
        _BreaksOffError: ``again`` was set.
    """
    loop = asyncio.get_running_loop()
    status = int((await reader.readuntil(b"\r\n")).split(b" ", 2)[1])
    length, chunked = 0, False
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif name.lower() == "transfer-encoding":
            chunked = "chunked" in value.lower()
    tail = b""
    while chunked or length:
        data = await reader.read(min(READ_BYTES, length) if not chunked else READ_BYTES)
        if not data:
            raise asyncio.IncompleteReadError(b"", None)
        length -= 0 if chunked else len(data)
        tail = (tail + data)[-5:]
        if chunked and tail == b"0\r\n\r\n":
            break
        if again is not None and again.is_set():
            raise _BreaksOffError
        if loop.time() < end:
            await asyncio.sleep(1)
    return status

"""Visitors of the fill test with a WebSocket each: they ping the app, and read what it says, for as long as it lasts.

Every server of WebSockets has to answer a ping with what it brought (RFC 6455, 5.5.2), so something goes both ways
whatever the app has to say; and what it does say comes besides. Streams of events are not asked for.
"""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Iterator

from deployer.fill.connection import connect
from deployer.fill.visit import TROUBLE, Seen, Visit

#: Connections that are opened each second.
OPENED_PER_S = 50
#: What a ping brings, and its answer brings back, bytes: the most that may be.
PING_BYTES = 125
#: Between two pings of one visitor, s.
PING_EVERY_S = 0.5
#: What a visitor reads at once, bytes.
READ_BYTES = 2048
#: After a connection that was refused or broke off, s.
PAUSE_S = 1.0
SWITCHED = 101
PING, PONG, CLOSE = 0x9, 0xA, 0x8
FINAL = 0x80
MASKED = 0x80
_KINDS = {PING: "pings", PONG: "pongs", CLOSE: "closes"}


def hold(visit: Visit, over: threading.Event) -> Seen:
    """Keep as many WebSockets open as a visit has connections until it is over, and say what their visitors saw.

    ``statuses`` counts how each handshake was answered, ``received`` what came afterwards, by kind.
    """
    return asyncio.run(_all(visit, over))


def handshake(visit: Visit, path: str) -> bytes:
    """Write the request that makes a WebSocket of a connection."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {visit.server_name}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in visit.headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def control(kind: int, payload: bytes = b"") -> bytes:
    """Write a control frame as a client does: masked, here by zeros."""
    return bytes([FINAL | kind, MASKED | len(payload)]) + bytes(4) + payload


def frames_in(buffer: bytearray) -> Iterator[tuple[int, bytes]]:
    """Take all whole frames of a server from the beginning of what came: kind and payload."""
    while len(buffer) >= 2:
        length, begins = buffer[1] & 0x7F, 2
        if length > PING_BYTES:
            begins += 2 if length == PING_BYTES + 1 else 8
            if len(buffer) < begins:
                return
            length = int.from_bytes(buffer[2:begins], "big")
        if len(buffer) < begins + length:
            return
        kind, payload = buffer[0] & 0xF, bytes(buffer[begins : begins + length])
        del buffer[: begins + length]
        yield kind, payload


async def _all(visit: Visit, over: threading.Event) -> Seen:
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        for visitor in range(visit.connections):
            group.create_task(_one(visit, visitor, seen, over))
            await asyncio.sleep(0 if over.is_set() else 1 / OPENED_PER_S)
    return seen


async def _one(visit: Visit, visitor: int, seen: Seen, over: threading.Event) -> None:
    while not over.is_set():
        try:
            reader, writer = await connect(visit, ahead_bytes=READ_BYTES)
        except (OSError, TimeoutError) as error:
            seen.failures[f"connect: {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE_S)
            continue
        try:
            writer.write(handshake(visit, visit.path_of(visitor)))
            status = int((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])
            seen.statuses[status] += 1
            if status == SWITCHED:
                await _talk(reader, writer, seen, over)
        except TROUBLE as error:
            if not over.is_set():
                seen.failures[f"read: {type(error).__name__}"] += 1
        finally:
            writer.transport.abort()
        await asyncio.sleep(0 if over.is_set() else PAUSE_S)


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: Seen, over: threading.Event) -> None:
    seen.opened()
    pinging = asyncio.create_task(_ping(writer))
    rest = bytearray()
    try:
        while not over.is_set():
            try:
                data = await asyncio.wait_for(reader.read(READ_BYTES), PING_EVERY_S)
            except TimeoutError:
                continue
            if not data:
                raise asyncio.IncompleteReadError(b"", None)
            rest += data
            for kind, payload in frames_in(rest):
                seen.received[_KINDS.get(kind, "messages")] += 1
                if kind == PING:
                    writer.write(control(PONG, payload))
                elif kind == CLOSE:
                    return
    finally:
        pinging.cancel()
        seen.open_now -= 1


async def _ping(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(control(PING, bytes(PING_BYTES)))
        await asyncio.sleep(PING_EVERY_S)

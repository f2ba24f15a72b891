"""Visitors of the fill test who upload: bodies as large as they may be, as many at once as the app says, slowly.

nginx takes a whole body before it asks the app, so what they fill is nginx's part: a buffer each, then its file. What
an app needs for a body depends on what it does with one.
"""

from __future__ import annotations

import asyncio
import threading

from deployer.fill.connection import connect, read_answer
from deployer.fill.visit import TROUBLE, Seen, Visit

#: How long a body is on its way, s: all are at the same time, and each comes many times.
TAKES_S = 4.0
PIECES = 32
PAUSE_S = 1.0
READ_BYTES = 2**16


def upload(visit: Visit, body_bytes: int, over: threading.Event) -> Seen:
    """Upload bodies, one after the other on each of a visit's connections, until it is over.

    Args:
        visit: Where to, and how many at once.
        body_bytes: Size of each, bytes.
        over: Ends it.
    """
    return asyncio.run(_all(visit, body_bytes, over))


async def _all(visit: Visit, body_bytes: int, over: threading.Event) -> Seen:
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        for visitor in range(visit.connections):
            group.create_task(_one(visit, visitor, body_bytes, seen, over))
    return seen


async def _one(visit: Visit, visitor: int, body_bytes: int, seen: Seen, over: threading.Event) -> None:
    lines = [
        f"POST {visit.path_of(visitor)} HTTP/1.1",
        f"Host: {visit.server_name}",
        "Content-Type: application/octet-stream",
        f"Content-Length: {body_bytes}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in visit.headers.items()),
    ]
    head = "\r\n".join([*lines, "", ""]).encode()
    while not over.is_set():
        try:
            reader, writer = await connect(visit)
        except (OSError, TimeoutError) as error:
            seen.failures[f"connect: {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE_S)
            continue
        seen.opened()
        try:
            writer.write(head)
            for piece in range(PIECES):
                writer.write(bytes(body_bytes * (piece + 1) // PIECES - body_bytes * piece // PIECES))
                await writer.drain()
                await asyncio.sleep(0 if over.is_set() else TAKES_S / PIECES)
            seen.statuses[await read_answer(reader, READ_BYTES)] += 1
        except TROUBLE as error:
            seen.failures[f"read: {type(error).__name__}"] += 1
            await asyncio.sleep(0 if over.is_set() else PAUSE_S)
        finally:
            seen.open_now -= 1
            writer.transport.abort()

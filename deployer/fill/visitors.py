"""Visitors of the fill test: so many connections, for so long; what goes wrong is counted, not raised.

Most read slowly: each holds a TLS connection, a slot to the app and full buffers in between. Some speak HTTP/2 and ask
for many pages at once; as many others have none to read: they got theirs quickly, and stay. Besides these a few are
eager: they ask again at once, for addresses as long as they may be that nobody has asked for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

from deployer.fill.connection import HTTP1, HTTP2, BreaksOffError, Connection, connect, read_answer
from deployer.fill.streams import STREAMS, ask_by_streams
from deployer.fill.visit import TROUBLE, Gathering, Seen, Visit, unseen

#: What a slow visitor reads each second, bytes.
READ_BYTES = 2048
#: Connections that are opened each second.
OPENED_PER_S = 200
#: One of so many stays when the others connect again: a worker of nginx that was to go keeps all of its memory for him.
#: No multiple of ``BY_STREAMS``, so that they are of all kinds.
PATIENT = 97
#: One of so many speaks HTTP/2, where there is TLS.
BY_STREAMS = 50
#: How often one who has read his page asks again, s: nginx keeps his connection.
STAY_S = 20
#: Eager visitors of each app, and how long their addresses are: gunicorn takes 4094 in the whole line.
EAGER = 6
ADDRESS_LENGTH = 3900
EAGER_READ_BYTES = 2**16
#: After an answer that is none, s.
PAUSE_S = 1.0
OK = 200


def visit_slowly(visit: Visit) -> Seen:
    """Send the visitors, and say what they saw once the last has left."""
    return asyncio.run(_all(visit))


def visit_eagerly(visits: Sequence[Visit], over: threading.Event) -> Seen:
    """Send eager visitors to each app until all is over, and say what they saw: they fill caches that keep pages."""
    return asyncio.run(_all_eager(visits, over))


async def _all(visit: Visit) -> Seen:
    seen, gathering = Seen(), Gathering(visit.connections)
    end = asyncio.get_running_loop().time() + visit.duration_s
    async with asyncio.TaskGroup() as group:
        for visitor in range(visit.connections):
            group.create_task(_one(visit, visitor, seen, gathering, end))
            await asyncio.sleep(1 / OPENED_PER_S)
    return seen


async def _one(visit: Visit, visitor: int, seen: Seen, gathering: Gathering, end: float) -> None:
    loop, habit = asyncio.get_running_loop(), _habit_of(visit, visitor)
    impatient = visitor % PATIENT != 0 and not visit.again.is_set()
    while loop.time() < end:
        try:
            protocol = HTTP2 if habit is ask_by_streams else HTTP1
            reader, writer = await connect(visit, protocol=protocol, ahead_bytes=READ_BYTES)
        except (OSError, TimeoutError) as error:
            seen.failures[f"connect: {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE_S)
            continue
        seen.opened()
        again = visit.again if impatient else None
        try:
            await gathering.join(visitor)
            await habit(Connection(visit, visitor, reader, writer, seen, end, again))
        except BreaksOffError:
            impatient = False
        except TROUBLE as error:
            if loop.time() < end:
                seen.failures[f"read: {type(error).__name__}"] += 1
        finally:
            seen.open_now -= 1
            writer.transport.abort()


def _habit_of(visit: Visit, visitor: int) -> Callable[[Connection], Awaitable[None]]:
    """One of ``BY_STREAMS`` has ``STREAMS`` requests, so many fewer have none: together they have one each."""
    place = visitor % BY_STREAMS
    if not visit.tls or place >= STREAMS:
        return _ask_slowly
    return _stay if place else ask_by_streams


async def _ask_slowly(one: Connection) -> None:
    while not one.is_over:
        one.writer.write(one.visit.request(one.visit.path_of(one.visitor)))
        status = await read_answer(one.reader, READ_BYTES, one.pause)
        one.seen.statuses[status] += 1
        if status != OK:
            await one.pause(PAUSE_S)


async def _stay(one: Connection) -> None:
    while not one.is_over:
        one.writer.write(one.visit.request(one.visit.path_of(one.visitor)))
        one.seen.statuses[await read_answer(one.reader, READ_BYTES)] += 1
        asks_again = min(one.end, asyncio.get_running_loop().time() + STAY_S)
        while asyncio.get_running_loop().time() < asks_again:
            await one.pause()


async def _all_eager(visits: Sequence[Visit], over: threading.Event) -> Seen:
    seen = Seen()
    async with asyncio.TaskGroup() as group:
        for visit in visits:
            for visitor in range(EAGER):
                group.create_task(_eager(visit, visitor, seen, over))
    return seen


async def _eager(visit: Visit, visitor: int, seen: Seen, over: threading.Event) -> None:
    while not over.is_set():
        try:
            reader, writer = await connect(visit)
        except (OSError, TimeoutError) as error:
            seen.failures[f"connect: {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE_S)
            continue
        seen.opened()
        try:
            while not over.is_set():
                writer.write(visit.request(unseen(visit.path_of(visitor), ADDRESS_LENGTH)))
                status = await read_answer(reader, EAGER_READ_BYTES)
                seen.statuses[status] += 1
                if status != OK:
                    await asyncio.sleep(PAUSE_S)
        except TROUBLE as error:
            seen.failures[f"read: {type(error).__name__}"] += 1
        finally:
            seen.open_now -= 1
            writer.transport.abort()

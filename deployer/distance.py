"""A host that is far away: a TCP proxy on loopback that adds a round trip time, and counts connections.

It delays what is sent once a connection stands. TCP's own handshake and slow start are not seen through it, so a figure
from it is that of a link that is long, not narrow.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

CHUNK_BYTES = 64 << 10
#: To start, and to end with all connections; s.
START_S = 30.0
#: Pieces that are under way in one direction, at most: who sends more has to wait.
UNDER_WAY = 256


@dataclass
class Distance:
    """The proxy, while it runs.

    Attributes:
        rtt_s: Round trip time that it adds to connections made from now on, s.
        port: Where it listens, on 127.0.0.1.
        connections: How many were made through it.
        sent_bytes: What went to the host.
        received_bytes: What came from it.
    """

    rtt_s: float
    port: int = 0
    connections: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0

    def sent(self, data: bytes) -> None:
        """Count what goes to the host."""
        self.sent_bytes += len(data)

    def received(self, data: bytes) -> None:
        """Count what comes from it."""
        self.received_bytes += len(data)


@contextmanager
def far_away(address: str, port: int, *, rtt_s: float = 0.0) -> Iterator[Distance]:
    """Put a host at a distance, for as long as the context lasts.

    Args:
        address: The host.
        port: Its port.
        rtt_s: Round trip time to add, s.
    """
    found, ready, over = Distance(rtt_s), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(found, (address, port), ready, over)), daemon=True)
    thread.start()
    if not ready.wait(START_S):
        raise TimeoutError("the proxy does not start")
    try:
        yield found
    finally:
        over.set()
        thread.join(START_S)


async def _serve(found: Distance, host: tuple[str, int], ready: threading.Event, over: threading.Event) -> None:
    carried: set[asyncio.Task[None] | None] = set()  # the loop itself holds its tasks weakly

    async def carry(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        found.connections += 1
        task: asyncio.Task[None] | None = asyncio.current_task()
        carried.add(task)
        delay_s = found.rtt_s / 2
        try:
            far_in, far_out = await asyncio.open_connection(*host)
        except OSError:
            near_out.transport.abort()
            carried.discard(task)
            return
        try:
            await asyncio.gather(
                _one_way(near_in, far_out, delay_s, found.sent), _one_way(far_in, near_out, delay_s, found.received)
            )
        except asyncio.CancelledError:
            return  # the proxy ends before a connection did
        finally:
            near_out.close()
            far_out.close()
            carried.discard(task)

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    ready.set()
    await asyncio.to_thread(over.wait)
    server.close()


async def _one_way(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, delay_s: float, count: Callable[[bytes], None]
) -> None:
    """Carry bytes in their order, each piece so long after it came."""
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)
    loop = asyncio.get_running_loop()

    async def take() -> None:
        data = b"begin"
        while data:
            try:
                data = await source.read(CHUNK_BYTES)
            except OSError:
                data = b""
            await under_way.put((loop.time() + delay_s, data))

    taking = asyncio.create_task(take())
    with suppress(OSError):
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not data:
                break
            count(data)
            sink.write(data)
            await sink.drain()
        sink.write_eof()  # the other direction may go on
    taking.cancel()

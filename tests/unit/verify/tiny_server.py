"""A small web server of known behaviour, in a thread, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import struct
import threading
import time

PAGE = b"<html>" + b"x" * 900 + b"</html>"


class TinyServer:
    """What it does is said by the path; counts what it saw.

    /ok, /delays (every 10th takes 200 ms, the others 20 ms), /stall (as /ok, but nothing is answered from ``stall_at``
    for ``stall_s``), /chunked, /gzip, /500, /reset, /short, /close, /nothing, /hit (from a cache),
    /sometimes (every third is another page of the same length),
    /interim (answers without end that are none), /no-number (as its length).
    """

    def __init__(self, *, most=10_000, idle_s=30.0, tls=None):
        self.most, self.idle_s, self.tls = most, idle_s, tls
        self.requests, self.open, self.most_open = 0, 0, 0
        self.headers = []
        self.on_request = lambda: None
        self.stall_at, self.stall_s = float("inf"), 0.0
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(5)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(5)

    def stall(self, *, after_s, for_s):
        self.stall_at, self.stall_s = time.monotonic() + after_s, for_s

    async def _serve(self):
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=1024, ssl=self.tls)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._over.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _connection(self, reader, writer):
        if self.open >= self.most:
            writer.close()
            return
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        with contextlib.suppress(OSError, EOFError, asyncio.TimeoutError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        self.open -= 1
        writer.close()

    async def _answer(self, reader, writer):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.idle_s)
        self.requests += 1
        self.on_request()
        path = head.split(b" ")[1].decode()
        self.headers.append(head.decode())
        now = time.monotonic()
        if path == "/stall" and self.stall_at <= now < self.stall_at + self.stall_s:
            await asyncio.sleep(self.stall_at + self.stall_s - now)
        if path == "/delays":
            await asyncio.sleep(0.2 if self.requests % 10 == 0 else 0.02)
        if path == "/nothing":
            return False
        if path == "/reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if path == "/sometimes" and self.requests % 3 == 0:  # as long, and another
            path = "/other"
        writer.write(self._page(path))
        await writer.drain()
        return path not in {"/short", "/close"}

    @staticmethod
    def _page(path):
        if path == "/chunked":
            pieces = [PAGE[i : i + 100] for i in range(0, len(PAGE), 100)]
            parts = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
            return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"
        if path == "/interim":
            return b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000
        if path == "/no-number":
            return b"HTTP/1.1 200 OK\r\nContent-Length: \xb2\r\n\r\n"
        body, extra, status = PAGE, b"", b"200 OK"
        if path == "/other":
            body = PAGE.replace(b"</html>", b"</htm_>")
        if path == "/gzip":
            body, extra = gzip.compress(PAGE), b"Content-Encoding: gzip\r\n"
        if path == "/500":
            status = b"500 Oh"
        if path == "/close":
            extra = b"Connection: close\r\n"
        if path == "/hit":
            extra = b"X-Cache: HIT\r\n"
        head = b"HTTP/1.1 " + status + b"\r\nContent-Length: %d\r\n" % len(body) + extra + b"\r\n"
        return head + (body[:10] if path == "/short" else body)

"""Visitors with WebSockets and uploads: as many at once as were declared, to and fro, and again when they are cut."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deployer.fill import longlived, uploads
from deployer.fill.drive import websockets_of
from deployer.fill.longlived import CLOSE, MASKED, PING, PONG, hold
from deployer.fill.uploads import upload
from deployer.fill.visit import Seen, Visit
from deployer.inventory import load_inventory

ROOT = Path(__file__).parents[3]


def visit(port: int, connections: int, path: str) -> Visit:
    return Visit(
        address="127.0.0.1",
        port=port,
        server_name="test.example",
        tls=False,
        paths=[path],
        connections=connections,
        duration_s=0,
        headers={"Cookie": "a=b"},
    )


def frame(kind: int, payload: bytes) -> bytes:
    length = bytes([len(payload)]) if len(payload) < 126 else b"\x7e" + len(payload).to_bytes(2, "big")
    return bytes([0x80 | kind]) + length + payload


@asynccontextmanager
async def answering(heads: list[bytes], pings: list[bytes], *, cut_after: int = 0) -> AsyncIterator[int]:
    """Serve WebSockets: say something long, answer pings, and cut a connection after so many of them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + frame(0x1, b"x" * 300))
        answered = 0
        try:
            while not cut_after or answered < cut_after:
                kind, length = await reader.readexactly(2)
                assert length & MASKED
                body = (await reader.readexactly(4 + (length & 0x7F)))[4:]
                if kind & 0xF == PING:
                    pings.append(body)
                    writer.write(frame(PONG, body))
                    answered += 1
            writer.write(frame(CLOSE, b""))
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def held(seconds: float, connections: int, *, cut_after: int = 0) -> tuple[Seen, list[bytes], list[bytes]]:
    heads: list[bytes] = []
    pings: list[bytes] = []

    async def run() -> Seen:
        async with answering(heads, pings, cut_after=cut_after) as port:
            over = threading.Event()
            asyncio.get_running_loop().call_later(seconds, over.set)
            return await asyncio.to_thread(hold, visit(port, connections, "/live"), over)

    return asyncio.run(run()), heads, pings


def test_each_holds_a_websocket_and_something_goes_both_ways(monkeypatch):
    monkeypatch.setattr(longlived, "PING_EVERY_S", 0.1)
    seen, heads, pings = held(1.0, 8)
    assert (seen.held, seen.open_now) == (8, 0)
    assert seen.statuses == {101: 8}
    assert not seen.failures
    assert seen.received["messages"] == 8
    assert seen.received["pongs"] >= 8 * 4
    assert set(map(len, pings)) == {longlived.PING_BYTES}
    assert heads[0].startswith(b"GET /live HTTP/1.1\r\nHost: test.example\r\n")
    assert b"\r\nCookie: a=b\r\n" in heads[0]


def test_one_who_is_cut_connects_again(monkeypatch):
    monkeypatch.setattr(longlived, "PING_EVERY_S", 0.05)
    monkeypatch.setattr(longlived, "PAUSE_S", 0.05)
    seen, heads, _ = held(1.0, 2, cut_after=3)
    assert len(heads) >= 2 * 2
    assert seen.received["closes"] >= 2
    assert seen.held == 2


def test_one_who_is_refused_is_counted(monkeypatch):
    monkeypatch.setattr(longlived, "PAUSE_S", 0.05)

    async def run() -> Seen:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            over = threading.Event()
            asyncio.get_running_loop().call_later(0.3, over.set)
            port = server.sockets[0].getsockname()[1]
            return await asyncio.to_thread(hold, visit(port, 1, "/live"), over)

    seen = asyncio.run(run())
    assert set(seen.statuses) == {503}
    assert seen.held == 0


@pytest.fixture
def taking() -> Iterator[tuple[int, list[int], list[int]]]:
    """A server that takes bodies: its port, the sizes that came, and how many were on their way whenever one began."""
    sizes: list[int] = []
    at_once: list[int] = []
    running: set[int] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            running.add(threading.get_ident())
            at_once.append(len(running))
            sizes.append(len(self.rfile.read(int(self.headers["Content-Length"]))))
            running.discard(threading.get_ident())
            self.send_response(201)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port, sizes, at_once
    server.shutdown()
    thread.join()
    server.server_close()


def test_bodies_are_on_their_way_together_slowly_and_again(taking, monkeypatch):
    port, sizes, at_once = taking
    monkeypatch.setattr(uploads, "TAKES_S", 0.4)
    over = threading.Event()
    threading.Timer(1.0, over.set).start()
    began = time.monotonic()
    seen = upload(visit(port, 4, "/"), 1_000_001, over)
    assert time.monotonic() - began > 1
    assert max(at_once) == seen.held == 4
    assert set(sizes) == {1_000_001}
    assert seen.statuses == {201: len(sizes)}
    assert len(sizes) >= 8


def test_as_many_websockets_as_the_entries_say():
    host = load_inventory([ROOT / "examples" / "worst.yml"]).entry("worst2").host
    assert websockets_of(host) == 200

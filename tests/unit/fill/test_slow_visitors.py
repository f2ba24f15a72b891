"""The visitors of the fill test: they ask together, read slowly, and all but a few connect again when told to."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deployer.fill import visit as visit_module, visitors
from deployer.fill.visit import Gathering, Visit
from deployer.fill.visitors import READ_BYTES, visit_eagerly, visit_slowly

VISITORS = 6


class Seen:
    """What the server saw: when it was asked, from which ports, for what."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        self.ports: set[int] = set()
        self.paths: list[str] = []


@pytest.fixture
def served() -> Iterator[tuple[int, Seen]]:
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.asked_at.append(time.monotonic())
            seen.ports.add(self.client_address[1])
            seen.paths.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(3 * READ_BYTES))
            self.end_headers()
            self.wfile.write(b"x" * 3 * READ_BYTES)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server.server_port, seen
    server.shutdown()
    thread.join()
    server.server_close()


def visit(port: int, duration_s: float, path: str = "/") -> Visit:
    return Visit(
        address="127.0.0.1",
        port=port,
        server_name="test.example",
        tls=False,
        paths=[path],
        connections=VISITORS,
        duration_s=duration_s,
    )


def test_all_ask_at_the_same_moment(served, monkeypatch):
    port, seen = served
    monkeypatch.setattr(visitors, "OPENED_PER_S", 10)
    found = visit_slowly(visit(port, 1.5))
    first = sorted(seen.asked_at)[:VISITORS]
    assert found.held == VISITORS
    assert first[-1] - first[0] < 0.3  # they connected over half a second


def test_an_answer_is_read_a_little_each_second(served):
    port, _ = served
    began = time.monotonic()
    assert visit_slowly(visit(port, 2.2)).statuses == {200: VISITORS}
    assert time.monotonic() - began > 2


def test_all_but_the_patient_connect_again(served, monkeypatch):
    port, seen = served
    monkeypatch.setattr(visitors, "PATIENT", 3)
    wanted = visit(port, 2.5)
    threading.Timer(0.5, wanted.again.set).start()
    found = visit_slowly(wanted)
    assert not found.failures
    assert len(seen.ports) == VISITORS + VISITORS - VISITORS // 3


def test_the_eager_ask_for_one_unseen_address_after_the_other(served, monkeypatch):
    port, seen = served
    monkeypatch.setattr(visitors, "EAGER", 2)
    over = threading.Event()
    threading.Timer(0.5, over.set).start()
    found = visit_eagerly([visit(port, 0, "/a"), visit(port, 0, "/b?c=d")], over)
    assert found.held == 4
    assert found.statuses == {200: len(seen.paths)}
    assert len(set(seen.paths)) == len(seen.paths) > 8
    assert {path[:14] for path in seen.paths} == {"/a?visit=00000", "/b?c=d&visit=0"}
    assert {len(path) for path in seen.paths} == {visitors.ADDRESS_LENGTH}


def test_nobody_waits_for_ever_for_one_who_does_not_come(monkeypatch):
    monkeypatch.setattr(visit_module, "GATHERED_WITHIN_S", 0.1)

    async def gather() -> None:
        gathering = Gathering(3)
        await asyncio.wait_for(asyncio.gather(gathering.join(0), gathering.join(1)), 1)
        await asyncio.wait_for(gathering.join(1), 0.05)

    asyncio.run(gather())


def test_one_who_comes_again_is_not_taken_for_another_who_is_missing():
    async def gather() -> None:
        gathering = Gathering(2)
        first = asyncio.create_task(gathering.join(0))
        again = asyncio.create_task(gathering.join(0))
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not again.done()
        await asyncio.wait_for(gathering.join(1), 1)
        await asyncio.wait_for(asyncio.gather(first, again), 1)

    asyncio.run(gather())

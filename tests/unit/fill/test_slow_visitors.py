"""The visitors of the fill test: they ask together, read slowly, and all but a few connect again when told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deployer.fill import visitors
from deployer.fill.visitors import READ_BYTES, Visit, visit_slowly

VISITORS = 6


class Seen:
    """What the server saw: when it was asked, from which ports."""

    def __init__(self) -> None:
        self.asked_at: list[float] = []
        self.ports: set[int] = set()


@pytest.fixture
def served() -> Iterator[tuple[int, Seen]]:
    seen = Seen()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.asked_at.append(time.monotonic())
            seen.ports.add(self.client_address[1])
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


def visit(port: int, duration_s: float) -> Visit:
    request = b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n"
    return Visit(
        address="127.0.0.1",
        port=port,
        server_name="test.example",
        tls=False,
        requests=[request],
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

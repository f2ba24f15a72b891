"""A socket that systemd holds lets everybody wait, the gate too; who has died is noticed meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from deployer.agent import probes
from deployer.agent.refusal import Refusal


@pytest.fixture
def silent(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "app.sock"))
        listener.listen()
        yield {"socket": str(tmp_path / "app.sock"), "path": "/healthz", "status": [200]}


def test_a_look_at_the_units_ends_the_wait(silent):
    def look():
        raise Refusal("probe", "app-shop@1.service died")

    began = time.monotonic()
    with pytest.raises(Refusal, match="died"):
        probes.answer(silent, meanwhile=look)
    assert time.monotonic() - began < 2


def test_nobody_waits_for_ever(silent, monkeypatch):
    monkeypatch.setattr(probes, "ANSWER_WITHIN_S", 0.4)
    looks = []
    assert probes.answer(silent, meanwhile=lambda: looks.append(1)).endswith("timed out")
    assert looks


def test_an_answer_without_an_end_is_cut(silent, monkeypatch):
    monkeypatch.setattr(probes, "WHOLE_ANSWER_WITHIN_S", 0.5)
    over = threading.Event()

    def trickle():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(silent["socket"] + ".slow")
            listener.listen()
            ready.set()
            link, _ = listener.accept()
            with link, suppress(OSError):
                link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not over.wait(0.05):
                    link.sendall(b"x")

    ready = threading.Event()
    thread = threading.Thread(target=trickle)
    thread.start()
    ready.wait(5)
    began = time.monotonic()
    try:
        assert "the answer came to no end" in probes.answer({**silent, "socket": silent["socket"] + ".slow"})
        assert time.monotonic() - began < 3
    finally:
        over.set()
        thread.join(5)

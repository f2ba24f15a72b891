"""A socket that systemd holds lets everybody wait, the gate too; who has died is noticed meanwhile."""

from __future__ import annotations

import socket
import time
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

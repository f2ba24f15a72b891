"""The wait for a confirmation: it is given once, to the transaction that waits, and it ends in time."""

from __future__ import annotations

import threading
import time

import pytest

from deployer.agent import confirm, places
from deployer.agent.journal import Journal
from deployer.agent.progress import Progress
from deployer.agent.refusal import Refusal


@pytest.fixture(autouse=True)
def record(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    (tmp_path / "run").mkdir()
    found = Journal.create("t1", "me")
    found.doc["state"] = "armed"
    found.save()
    confirm.expect("t1")
    return found


def waiting(stopped=lambda seconds: bool(time.sleep(seconds)), within_s=5.0):
    confirm.wait("t1", ["/etc/ssh/x"], within_s, Progress(lambda event: None, stopped))


def test_it_ends_when_somebody_confirms():
    threading.Timer(0.3, confirm.run, ({"transaction": "t1"},)).start()
    began = time.monotonic()
    waiting()
    assert 0.2 < time.monotonic() - began < 3
    with pytest.raises(Refusal, match="waits for no confirmation"):
        confirm.run({"transaction": "t1"})


def test_it_ends_when_nobody_does():
    with pytest.raises(Refusal, match=r"reached anew after a change of /etc/ssh/x: nobody did so within 0 s") as caught:
        waiting(within_s=0.2)
    assert caught.value.kind == "probe"
    with pytest.raises(Refusal, match="waits for no confirmation"):
        confirm.run({"transaction": "t1"})


def test_it_ends_when_the_control_machine_has_gone():
    with pytest.raises(Refusal, match="the control machine is gone or asked to stop"):
        waiting(stopped=lambda _seconds: True)


@pytest.mark.parametrize("change", [{"state": "closed"}, {"state": "preparing"}, {"returning": True}])
def test_a_transaction_that_is_over_is_not_confirmed(record, change):
    record.doc.update(change)
    record.save()
    with pytest.raises(Refusal) as caught:
        confirm.run({"transaction": "t1"})
    assert (caught.value.kind, caught.value.state) == ("outdated", "untouched")


def test_a_name_is_no_path():
    with pytest.raises(Refusal, match="not a transaction id"):
        confirm.run({"transaction": "../t1"})

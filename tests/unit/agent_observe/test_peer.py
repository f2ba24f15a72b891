"""The control machine as the agent sees it: gone, silent or asking to stop, and never a reason to die."""

import os
import socket
import threading
import time

import pytest

from deployer.agent import frames, main


@pytest.fixture
def line(monkeypatch):
    monkeypatch.setattr(main, "WRITE_PATIENCE_S", 0.3)
    near, far = socket.socketpair()
    with near, far:
        far.settimeout(5)
        yield main.Peer(near.fileno(), os.dup(near.fileno())), far


def test_nothing_arriving_is_no_stop_and_waits_as_long_as_asked(line):
    peer, _ = line
    began = time.monotonic()
    assert not peer.stopped(0.2)
    assert 0.15 < time.monotonic() - began < 2
    assert not peer.gone


def test_the_end_of_stdin_is_a_stop_for_good(line):
    peer, far = line
    far.shutdown(socket.SHUT_WR)
    assert peer.stopped(5)
    assert peer.stopped(0)
    assert peer.request() is None


def test_a_stop_frame_is_a_stop_and_the_line_stays(line):
    peer, far = line
    threading.Timer(0.1, far.sendall, (frames.encode({"op": "stop"}),)).start()
    assert peer.stopped(5)
    assert not peer.stopped(0)
    assert not peer.gone


@pytest.mark.parametrize("data", [b"\xff" * 8, frames.encode({"op": "stop"})[:9]])
def test_garbage_in_the_middle_of_a_request_is_a_stop_for_good(line, data):
    peer, far = line
    far.sendall(data)
    far.shutdown(socket.SHUT_WR)
    assert peer.stopped(5)
    assert peer.gone


def test_a_closed_line_does_not_raise_when_something_is_sent(line):
    peer, far = line
    far.close()
    for _ in range(3):
        peer.emit({"event": "step"})
    assert peer.gone
    assert peer.stopped(0)


def test_a_peer_that_takes_nothing_counts_as_gone_instead_of_blocking_the_return(line):
    peer, _ = line
    began = time.monotonic()
    peer.emit({"event": "x" * (4 << 20)})
    assert time.monotonic() - began < 3
    assert peer.gone


def test_frames_of_two_threads_do_not_mix(line):
    peer, far = line
    body = "y" * 100_000
    senders = [threading.Thread(target=peer.emit, args=({"event": body, "n": n},)) for n in range(4)]
    for sender in senders:
        sender.start()
    found = sorted(frames.read_frame(far.recv)[0]["n"] for _ in senders)
    assert found == [0, 1, 2, 3]


def answer(monkeypatch, op, error):
    def fail(*_arguments):
        raise error

    monkeypatch.setattr(main, "dispatch", fail)
    reader, writer = os.pipe()
    source, feed = os.pipe()
    os.write(feed, frames.encode({"op": op}))
    os.close(feed)
    assert main.serve(main.Peer(source, writer)) == 0
    os.close(writer)
    frame = frames.read_frame(lambda count: os.read(reader, count))
    return frame[0]["error"]


@pytest.mark.parametrize(("op", "state"), [("observe", "untouched"), ("sample", "untouched"), ("apply", "unknown")])
def test_a_fault_of_ours_says_the_state_that_the_request_can_have_left(monkeypatch, op, state):
    found = answer(monkeypatch, op, ZeroDivisionError("by us"))
    assert (found["kind"], found["state"], found["step"]) == ("fault", state, op)
    assert "by us" in found["message"]
    assert "Traceback" in found["detail"]


def test_what_the_apply_side_says_of_itself_is_passed_on(monkeypatch):
    from deployer.agent.refusal import Refusal

    found = answer(monkeypatch, "apply", Refusal("probe", "no answer", state="restored", step="gate"))
    assert (found["kind"], found["state"], found["step"]) == ("probe", "restored", "gate")


def test_a_document_that_is_too_long_is_a_fault_and_no_death(monkeypatch):
    monkeypatch.setattr(main, "dispatch", lambda *_: {"big": "x" * frames.MAX_JSON_BYTES})
    reader, writer = os.pipe()
    source, feed = os.pipe()
    os.write(feed, frames.encode({"op": "observe"}))
    os.close(feed)
    assert main.serve(main.Peer(source, writer)) == 0
    assert "cannot be sent" in frames.read_frame(lambda count: os.read(reader, count))[0]["error"]["message"]


def test_a_left_copy_runs_the_command_of_the_module_that_it_is_told(monkeypatch):
    from deployer.agent import recover

    seen = []
    monkeypatch.setattr(recover, "command", lambda arguments: seen.append(arguments) or 5)
    assert main.start(["recover", "t1"]) == 5
    assert seen == [["t1"]]
    with pytest.raises(ValueError, match="no module"):
        main.start(["../recover"])


def test_a_line_on_which_nobody_asks_is_given_up(line, monkeypatch):
    monkeypatch.setattr(main, "IDLE_S", 0.2)
    peer, _ = line
    began = time.monotonic()
    assert peer.request() is None
    assert time.monotonic() - began < 2


def test_a_frame_that_does_not_go_on_is_given_up(line, monkeypatch):
    monkeypatch.setattr(main, "SILENCE_S", 0.2)
    peer, far = line
    far.sendall(frames.encode({"op": "observe"})[:9])
    began = time.monotonic()
    with pytest.raises(frames.ProtocolError):
        peer.request()
    assert peer.gone
    assert time.monotonic() - began < 2

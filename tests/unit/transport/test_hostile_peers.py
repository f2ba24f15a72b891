"""Whatever is at the other end: a clear error, soon, and in bounded memory."""

import struct
import threading
import time
import tracemalloc

import pytest
from transport_wires import GREETING, PROGRAM, agent_of

from deployer import errors
from deployer.agent import frames
from deployer.secret import Secret
from deployer.transport.client import STDERR_LIMIT_BYTES
from deployer.transport.startup import Start

APPLY = {"op": "apply", "plan": {"return_after_s": 90}}
QUICK = {"silence_s": 0.3, "start_s": 0.4}


def received(sock, count=1):
    """Read the program and ``count`` bytes of a request, at least."""
    data = b""
    while len(data) < count:
        piece = sock.recv(65536)
        if not piece:
            break
        data += piece
    return data


def greeted(*answers, wait_s=0.0):
    def play(sock, _err):
        received(sock, 20)
        sock.sendall(GREETING)
        for answer in answers:
            sock.sendall(frames.encode(answer) if isinstance(answer, dict) else answer)
        time.sleep(wait_s)

    return play


def flood(first=b"", *, piece=b"A" * 65536):
    def play(sock, _err):
        sock.sendall(first)
        while True:
            sock.sendall(piece)

    return play


def call(play, request=None, timeout_s=3.0, **options):
    began = time.monotonic()
    try:
        with agent_of(play, **{**QUICK, **options}) as agent:
            return agent.call(request or {"op": "observe"}, timeout_s=timeout_s)
    finally:
        assert time.monotonic() - began < 6


def test_an_answer_is_given_and_events_come_before_it():
    seen = []
    play = greeted({"event": "alive"}, {"event": "step", "message": "\x1b[1mstage"}, {"ok": {"a": 1}})
    with agent_of(play, **QUICK) as agent:
        assert agent.call({"op": "apply"}, on_event=seen.append) == {"a": 1}
    assert seen == [{"event": "step", "message": "?[1mstage"}]


def test_a_login_shell_may_greet():
    def play(sock, err):
        err(b"bash: warning\n")
        sock.sendall(b"Welcome!\n" + GREETING + frames.encode({"ok": {}}))
        time.sleep(0.2)

    assert call(play) == {}


@pytest.mark.parametrize(
    "play",
    [
        flood(),
        flood(b"HTTP/1.1 400 Bad Request\r\n"),
        flood(GREETING, piece=b"\xff" * 65536),
        flood(GREETING + struct.pack(">II", 0xFFFFFFFF, 0)),
        flood(GREETING + struct.pack(">II", 2, 0xFFFFFFF) + b"{}"),
        greeted(struct.pack(">II", 4, 0) + b"nope", wait_s=1),
        greeted(struct.pack(">II", 2, 0) + b"[]", wait_s=1),
        greeted({"neither": 1}, wait_s=1),
        greeted({"ok": "no object"}, wait_s=1),
        greeted({"error": ["no object"]}, wait_s=1),
    ],
)
def test_what_is_not_the_protocol_is_an_agent_error_and_costs_no_memory(play):
    tracemalloc.start()
    try:
        with pytest.raises(errors.AgentError, match="protocol"):
            call(play)
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_endless_stderr_is_an_agent_error():
    def play(sock, err):
        for _ in range(2 * STDERR_LIMIT_BYTES // 65536):
            err(b"e" * 65536)
            time.sleep(0.001)
        time.sleep(2)

    with pytest.raises(errors.AgentError, match="stderr"):
        call(play)


def test_endless_events_end_with_the_time_of_the_request():
    with pytest.raises(errors.ConnectError, match="time"):
        call(flood(GREETING, piece=frames.encode({"event": "step"}) * 100), timeout_s=0.5)


@pytest.mark.parametrize("play", [lambda sock, err: time.sleep(2), greeted(wait_s=2), greeted(b"\0\0", wait_s=2)])
def test_silence_is_a_lost_link(play):
    with pytest.raises(errors.ConnectError, match="silent"):
        call(play)


def test_a_byte_now_and_then_does_not_last_longer_than_the_request():
    def play(sock, _err):
        sock.sendall(GREETING)
        while True:
            sock.sendall(b"\0" if time.sleep(0.05) is None else b"")

    with pytest.raises((errors.ConnectError, errors.AgentError)):
        call(play, timeout_s=0.6)


def test_a_peer_that_takes_nothing_is_a_lost_link():
    with pytest.raises(errors.ConnectError), agent_of(lambda sock, err: time.sleep(3), **QUICK) as agent:
        agent.call({"op": "observe"}, b"x" * (8 << 20), timeout_s=5)


@pytest.mark.parametrize("cut", [0, 5, 12])
def test_a_link_lost_while_observing_changed_nothing(cut):
    whole = frames.encode({"ok": {"facts": {}}})
    with pytest.raises(errors.ConnectError):
        call(greeted(whole[:cut]))


@pytest.mark.parametrize("play", [greeted(), greeted(wait_s=2), greeted(b"\0\0\0"), greeted(b"garbage" * 9, wait_s=1)])
def test_a_link_lost_while_applying_is_unknown_and_says_what_happens_now(play):
    with pytest.raises(errors.HostUnknown) as caught:
        call(play, APPLY)
    assert "90 s" in caught.value.message
    assert "deployer plan" in caught.value.next_step


def test_a_request_that_was_not_sent_whole_changed_nothing():
    def play(sock, _err):
        received(sock, 20)
        sock.sendall(GREETING)

    with pytest.raises(errors.ConnectError), agent_of(play, **QUICK) as agent:
        agent.call(APPLY, b"x" * (8 << 20), timeout_s=2)


def test_an_apply_whose_program_never_started_changed_nothing():
    def play(sock, err):
        err(b"env: 'python3': No such file or directory\n")
        received(sock, 20)

    with pytest.raises(errors.AgentError, match="no python3"):
        call(play, APPLY, status=127)


def test_an_agent_that_dies_tells_its_last_words():
    def play(sock, err):
        greeted()(sock, err)
        err(b"Traceback\nMemoryError: no room\n")

    with pytest.raises(errors.AgentError, match="no room"):
        call(play, status=1)
    with pytest.raises(errors.HostUnknown, match="no room"):
        call(play, APPLY, status=1)


def test_after_a_broken_exchange_the_agent_is_not_used_again():
    with agent_of(greeted(b"\0" * 8, wait_s=1), **QUICK) as agent:
        with pytest.raises(errors.AgentError):
            agent.call({"op": "observe"}, timeout_s=1)
        with pytest.raises(errors.ConnectError, match="closed"):
            agent.call({"op": "observe"}, timeout_s=1)


def test_after_an_error_answer_it_is():
    play = greeted({"error": {"kind": "lock", "message": "held", "state": "untouched"}}, {"ok": {}}, wait_s=1)
    with agent_of(play, **QUICK) as agent:
        with pytest.raises(errors.LockHeld):
            agent.call({"op": "apply"})
        assert agent.call({"op": "observe"}) == {}


def test_an_exception_of_the_listener_ends_the_agent():
    def listener(_event):
        raise KeyError("mine")

    agent = agent_of(greeted({"event": "step"}, wait_s=1), **QUICK)
    with pytest.raises(KeyError, match="mine"):
        agent.call({"op": "apply"}, on_event=listener)
    with pytest.raises(errors.ConnectError, match="closed"):
        agent.call({"op": "observe"})


# -- sudo

SUDO = Start("sudo", "deployer-nonce:", Secret("right"))


def sudo_host(*, accepts="right", asks=True, seen=None):
    def play(sock, err):
        if asks:
            err(b"We trust you have received the usual lecture\ndeployer-nonce:")
            line = received(sock)
            if seen is not None:
                seen.append(line)
            if line != accepts.encode() + b"\n":
                err(b"Sorry, try again.\ndeployer-nonce:")
                time.sleep(1)
                return
        sock.sendall(GREETING)
        data = received(sock, 20)
        if seen is not None:
            seen.append(data)
        sock.sendall(frames.encode({"ok": {}}))
        time.sleep(0.2)

    return play


def test_the_password_goes_alone_and_only_after_the_prompt():
    seen = []
    assert call(sudo_host(seen=seen), start=SUDO) == {}
    assert seen[0] == b"right\n"
    assert seen[1].startswith(b"0000000000")


def test_a_host_that_has_not_kept_the_program_gets_it_whole():
    seen = []

    def play(sock, _err):
        received(sock, 100)
        sock.sendall(frames.MAGIC + b"send\n")
        seen.append(received(sock, len(PROGRAM.wire)))
        sock.sendall(frames.encode({"ok": {}}))
        time.sleep(0.2)

    assert call(play) == {}
    assert seen == [PROGRAM.wire]


def test_a_host_that_says_something_else_of_the_program_does_not_speak_the_protocol():
    with pytest.raises(errors.AgentError, match="then said 'full"):
        call(greeting_only(frames.MAGIC + b"full\n"))


def test_a_host_that_greets_and_never_says_whether_it_has_the_program():
    with pytest.raises(errors.ConnectError, match=r"did not start|was silent"):
        call(greeting_only(frames.MAGIC + b"ke"))


def greeting_only(data):
    def play(sock, _err):
        received(sock, 20)
        sock.sendall(data)
        time.sleep(1)

    return play


def test_a_password_may_be_any_bytes():
    seen = []
    odd = Start("sudo", "deployer-nonce:", Secret(b"r\xfc\xc3\xbct".decode("utf-8", "surrogateescape")))
    with pytest.raises(errors.SudoError):
        call(sudo_host(seen=seen), start=odd)
    assert seen == [b"r\xfc\xc3\xbct\n"]


def test_a_sudo_that_does_not_ask_never_gets_the_password():
    seen = []
    assert call(sudo_host(asks=False, seen=seen), start=SUDO) == {}
    assert b"right" not in b"".join(seen)


def test_a_wrong_password_is_offered_once():
    seen = []
    with pytest.raises(errors.SudoError, match="refused the password"):
        call(sudo_host(accepts="other", seen=seen), start=SUDO)
    assert seen == [b"right\n"]


def test_the_prompt_of_another_program_gets_no_password():
    seen = []

    def play(sock, err):
        err(b"[sudo] password for deploy: Password: deployer-other:")
        seen.append(received(sock))

    with pytest.raises(errors.SudoError, match="in another way"):
        call(play, start=SUDO)
    assert seen in ([], [b""])


# -- streams


def test_a_stream_ends_when_it_is_stopped_from_another_thread():
    def play(sock, _err):
        received(sock, 20)
        sock.sendall(GREETING)
        while True:
            sock.sendall(frames.encode({"event": "sample", "n": 1}))
            sock.settimeout(0.02)
            try:
                if b'"stop"' in sock.recv(4096):
                    break
            except TimeoutError:
                continue
        sock.sendall(frames.encode({"ok": {"samples": 3}}))
        time.sleep(0.2)

    with agent_of(play, **QUICK) as agent, agent.stream({"op": "sample"}) as stream:
        threading.Timer(0.1, stream.stop).start()
        assert all(event["event"] == "sample" for event in stream)
        assert stream.answer == {"samples": 3}


def test_leaving_a_stream_stops_it():
    def play(sock, _err):
        received(sock, 20)
        sock.sendall(GREETING + frames.encode({"event": "sample"}))
        assert b'"stop"' in received(sock)
        sock.sendall(frames.encode({"ok": {"n": 1}}))
        time.sleep(0.2)

    with agent_of(play, **QUICK) as agent:
        with agent.stream({"op": "sample"}) as stream:
            pass
        assert stream.answer == {"n": 1}

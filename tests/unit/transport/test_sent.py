"""A program of one file on a wire: it runs as it stands, speaks lines, and ends with its stdin."""

import shlex
import sys

import pytest
from transport_wires import PeerWire, ProcessWire

from deployer.agent.frames import MAGIC
from deployer.errors import AgentError, ConnectError
from deployer.packing import LOADER, Program
from deployer.transport import Sent

ECHO = """
import sys
assert __name__ == "__main__"
for line in sys.stdin:
    if line == "die\\n":
        sys.exit("gone for good")
    print("heard", line, end="", flush=True)
"""


def sent(program=ECHO, *, python=sys.executable, before=""):
    command = f"{before} exec {shlex.quote(python)} -I -S -c '{LOADER}'"
    return Sent(ProcessWire(["sh", "-c", command]), Program(program).wire, place="lg1")


def test_it_runs_and_is_talked_to_by_lines():
    with sent(before="echo Welcome to lg1!;") as running:
        for word in ("one", "two"):
            running.tell(word)
            assert running.read() == f"heard {word}\n".encode()


def test_its_end_is_an_end_and_its_last_words_are_told():
    with sent() as running:
        running.tell("die")
        assert running.read() == b""
        assert running.read() == b""
        assert running.last_words() == "gone for good"


def test_it_ends_when_it_is_let_go_of():
    running = sent()
    process = running._wire.process
    running.close()
    assert process.wait(5) == 0
    running.tell("nobody hears this")
    assert running.read() == b""


def test_a_host_without_python_says_so():
    with pytest.raises(AgentError, match="no python3"):
        sent(python="/nowhere/python3")


def test_a_link_that_is_lost_before_it_runs():
    with pytest.raises(ConnectError):
        Sent(PeerWire(lambda sock, _err: sock.recv(4)), Program(ECHO).wire, place="lg1")


def test_a_host_that_greets_without_end():
    def play(sock, _err):
        while True:
            sock.sendall(b"Welcome! " * 1000)

    with pytest.raises(AgentError, match="greets without end"):
        Sent(PeerWire(play), Program(ECHO).wire, place="lg1")


def test_what_comes_right_behind_the_greeting_is_not_lost():
    def play(sock, _err):
        sock.recv(100_000)
        sock.sendall(b"motd\n" + MAGIC + b"first\n")
        sock.recv(1)

    with Sent(PeerWire(play), Program(ECHO).wire, place="lg1") as running:
        assert running.read() == b"first\n"

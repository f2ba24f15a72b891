"""Ending a connection from another thread, while somebody waits on it."""

import contextlib
import os
import threading
from types import SimpleNamespace

import pytest

from deployer.transport import ssh
from deployer.transport.wire import ChannelWire


class Channel:
    """As paramiko's, with nothing to read; `while_closing` is called from its close()."""

    def __init__(self):
        self.reader, self.writer = os.pipe()
        self.eof_received = self.closed = False
        self.while_closing = lambda: None

    def fileno(self):
        return self.reader

    def recv_ready(self):
        return False

    recv_stderr_ready = recv_ready

    def close(self):
        self.while_closing()
        self.closed = True
        os.write(self.writer, b"*")


@pytest.fixture
def channel():
    made = Channel()
    yield made
    for descriptor in (made.reader, made.writer):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def test_a_reader_that_comes_while_the_channel_is_closed_meets_no_closed_selector(channel):
    wire, seen = ChannelWire(channel), []
    channel.while_closing = lambda: seen.append(wire.read(0.0))
    wire.close()
    assert not seen[0].ended


def test_a_reader_that_comes_after_it_is_told_the_end(channel):
    wire = ChannelWire(channel)
    wire.close()
    channel.closed = False  # as it was when the reader looked
    assert wire.read(1.0).ended


def test_a_login_that_takes_too_long_is_cut_and_its_client_keeps_its_transport():
    cut, forgotten = threading.Event(), threading.Event()
    client = SimpleNamespace(get_transport=lambda: SimpleNamespace(close=cut.set), close=forgotten.set)
    with ssh._bound(0.01, [SimpleNamespace(client=client)]):
        assert cut.wait(5)
    assert not forgotten.is_set(), "who is about to use the transport would meet None"


def test_a_login_in_time_is_not_cut():
    cut = threading.Event()
    client = SimpleNamespace(get_transport=lambda: SimpleNamespace(close=cut.set))
    with ssh._bound(0.05, [SimpleNamespace(client=client)]):
        pass
    assert not cut.wait(0.2)

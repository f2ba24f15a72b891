"""Connections and queues as the kernel tells them over netlink: its messages read, and the real kernel asked."""

import socket
import struct
import sys

import pytest

from deployer.agent import sampleapps, socketdiag
from deployer.agent.socketdiag import Outgoing

HERE, THERE = "10.0.0.5", "203.0.113.7"


def message(
    here=HERE, there=THERE, *, port=443, state=1, uid=991, sent_ms=None, came_ms=0, segments=9, round_trip_us=20_000
):
    """A connection as struct inet_diag_msg, with struct tcp_info behind it unless nothing is known of its times."""
    family = socket.AF_INET6 if ":" in there else socket.AF_INET
    addresses = [socket.inet_pton(family, one).ljust(16, b"\0") for one in (here, there)]
    ends = struct.pack("!HH", 40_000, port) + addresses[0] + addresses[1] + struct.pack("=I8s", 0, b"")
    head = struct.pack("=4B", family, state, 0, 0) + ends + struct.pack("=5I", 0, 0, 0, uid, 4711)
    if sent_ms is None:
        return head
    info = bytearray(232)
    for at, value in ((44, sent_ms), (52, came_ms), (68, round_trip_us), (156, segments)):
        struct.pack_into("=I", info, at, value)
    return head + struct.pack("=HH", 5, 1) + b"x\0\0\0" + struct.pack("=HH", 4 + len(info), 2) + bytes(info)


@pytest.mark.parametrize(
    ("values", "waits", "waited_ms"),
    [
        ({"sent_ms": 700, "came_ms": 30_000}, True, 700),
        ({"sent_ms": 700, "came_ms": 700}, True, 700),
        ({"sent_ms": 700, "came_ms": 10}, False, 0),
        ({"state": 2}, True, 0),  # not even open
        ({}, False, 0),  # an old kernel that does not tell
        # TLS 1.3: the tickets that follow the first request at once are no answer
        ({"sent_ms": 5000, "came_ms": 4960, "segments": 3}, True, 5000),
        ({"sent_ms": 5000, "came_ms": 4000, "segments": 3}, False, 0),
        ({"sent_ms": 5000, "came_ms": 4960, "segments": 4}, False, 0),
        ({"sent_ms": 5000, "came_ms": 4960, "segments": 3, "port": 80}, False, 0),
    ],
)
def test_a_connection_waits_on_which_nothing_came_since_something_was_sent(values, waits, waited_ms):
    found = socketdiag._outgoing(message(**values))
    assert found == Outgoing(991, f"{THERE}:{values.get('port', 443)}", waits=waits, waited_ms=waited_ms)


@pytest.mark.parametrize(
    ("here", "there", "to"),
    [
        ("2001:db8::5", "2001:db8::7", "[2001:db8::7]:443"),
        ("::ffff:10.0.0.5", "::ffff:203.0.113.7", "203.0.113.7:443"),
    ],
)
def test_addresses_of_six_are_read(here, there, to):
    found = socketdiag._outgoing(message(here, there, sent_ms=1, came_ms=2))
    assert found.to == to


@pytest.mark.parametrize(
    ("here", "there"), [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2"), (HERE, HERE), ("::1", "::1"),
                        ("::ffff:127.0.0.1", "::ffff:127.0.0.2")],
)  # fmt: skip
def test_what_stays_on_the_host_is_not_outside(here, there):
    assert socketdiag._outgoing(message(here, there, sent_ms=1, came_ms=2)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")
def test_the_kernel_tells_how_many_wait_at_a_socket(tmp_path):
    path = str(tmp_path / "app.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(16)
        assert socketdiag.queues()[path] == 0
        visitors = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for visitor in visitors:
            visitor.connect(path)
        assert socketdiag.queues()[path] == 3
        listener.accept()[0].close()
        assert socketdiag.queues()[path] == 2
        for visitor in visitors:
            visitor.close()
    assert isinstance(socketdiag.outgoing(), list)


def test_a_kernel_that_does_not_tell_is_not_taken_for_an_idle_one(monkeypatch):
    monkeypatch.setattr(socketdiag, "_asked", lambda _request: None)
    assert socketdiag.outgoing() is None
    assert socketdiag.queues() is None


class TestApps:
    """What is told of each app."""

    @pytest.fixture
    def apps(self, monkeypatch):
        monkeypatch.setattr(sampleapps, "_uid", {"app-blog": 991, "app-shop": 992}.get)
        return sampleapps.Apps(
            {
                "blog": {"user": "app-blog", "sockets": ["/run/app-blog-1.sock", "/run/app-blog-2.sock"]},
                "gone": {"user": "app-gone", "sockets": []},
            }
        )

    def test_its_own_connections_are_counted_and_whom_most_wait_for(self, apps, monkeypatch):
        told = [
            Outgoing(991, "a:443", waits=True, waited_ms=900),
            Outgoing(991, "b:443", waits=True, waited_ms=100),
            Outgoing(991, "b:443", waits=True, waited_ms=200),
            Outgoing(991, "b:443", waits=False, waited_ms=0),
            Outgoing(992, "c:443", waits=True, waited_ms=5000),
        ]
        monkeypatch.setattr(socketdiag, "outgoing", lambda: told)
        queues = {"/run/app-blog-1.sock": 4, "/run/app-blog-2.sock": 1, "/run/other.sock": 9}
        monkeypatch.setattr(socketdiag, "queues", lambda: queues)
        found = apps.sample()
        assert found["blog"] == {
            "queue": 5, "outside": 4, "outside_waiting": 3, "outside_waited_ms": 900, "outside_to": "b:443",
        }  # fmt: skip
        assert set(found["gone"].values()) == {None}, "a user that is not there is not known to wait for nobody"

    def test_what_the_kernel_does_not_tell_is_none(self, apps, monkeypatch):
        monkeypatch.setattr(socketdiag, "outgoing", lambda: None)
        monkeypatch.setattr(socketdiag, "queues", lambda: None)
        assert set(apps.sample()["blog"].values()) == {None}

"""The proxy that puts a host far away: it adds what it says, keeps the order, and counts."""

import socket
import threading
import time
from contextlib import suppress

import pytest

from deployer.distance import far_away


@pytest.fixture
def echo():
    """Port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection):
        with connection, suppress(ConnectionError):
            while data := connection.recv(65536):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def connected(port):
    return socket.create_connection(("127.0.0.1", port), 10)


def round_trips_s(port, count):
    with connected(port) as connection:
        began = time.monotonic()
        for _ in range(count):
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
        return time.monotonic() - began


def test_each_round_trip_takes_the_added_time(echo):
    with far_away("127.0.0.1", echo) as far:
        assert min(round_trips_s(far.port, 5) for _ in range(3)) < 0.2
        far.rtt_s = 0.1
        # the quickest of three: whatever else the machine does only adds to it
        assert 0.5 <= min(round_trips_s(far.port, 5) for _ in range(3)) < 0.9
    assert (far.connections, far.sent_bytes, far.received_bytes) == (6, 30, 30)


def test_much_passes_whole_and_in_order_and_pieces_travel_together(echo):
    data = bytes(range(256)) * 8000
    with far_away("127.0.0.1", echo, rtt_s=0.1) as far, connected(far.port) as connection:
        began = time.monotonic()
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        got = b""
        while len(got) < len(data):
            got += connection.recv(1 << 20)
        assert time.monotonic() - began < 1.5  # not a delay for each piece
    assert got == data


def test_the_end_of_one_side_reaches_the_other(echo):
    with far_away("127.0.0.1", echo, rtt_s=0.02) as far, connected(far.port) as connection:
        connection.sendall(b"last")
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(10) == b"last"
        assert connection.recv(10) == b""


def test_a_host_that_is_not_there_ends_the_connection():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with far_away("127.0.0.1", port) as far, connected(far.port) as connection, suppress(ConnectionError):
        assert connection.recv(1) == b""

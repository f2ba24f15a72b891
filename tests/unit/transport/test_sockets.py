"""What the guard asks of a connection's socket, before a byte goes over it."""

import socket
import threading
import time

from deployer.transport import Login
from deployer.transport.guard import UNACKNOWLEDGED_MS, Guard


def test_short_messages_do_not_wait_for_one_another_and_a_dead_peer_is_given_up(tmp_path):
    login = Login(address="127.0.0.1", user="root", known_hosts_files=(tmp_path / "known_hosts",))
    with socket.create_server(("127.0.0.1", 0)) as server:
        sock = socket.create_connection(server.getsockname())
        transport = Guard(login, print).transport(sock)
        try:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_MS
        finally:
            transport.close()
            sock.close()


def test_what_was_read_is_acknowledged_at_once(tmp_path):
    """A peer like sshd, which sends the second of two short answers once the first was acknowledged."""
    login = Login(address="127.0.0.1", user="root", known_hosts_files=(tmp_path / "known_hosts",))
    rounds = 20

    def answer_twice(server):
        with server.accept()[0] as peer:
            for _ in range(rounds):
                peer.recv(9)
                peer.send(b"a")
                peer.send(b"b")

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer_twice, args=(server,))
        answering.start()
        transport = Guard(login, print).transport(socket.create_connection(server.getsockname()))
        began = time.monotonic()
        for _ in range(rounds):
            transport.sock.send(b"asked")
            heard = b""
            while len(heard) < 2:
                heard += transport.sock.recv(9)
        took_s = time.monotonic() - began
        answering.join()
        transport.sock.close()
    assert took_s < 0.04 * rounds / 2  # a delayed acknowledgement is 40 ms, in each round but the first

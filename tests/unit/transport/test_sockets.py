"""What the guard asks of a connection's socket, before a byte goes over it."""

import socket

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

"""What a login sends, and when: a key behind the request for the service, one round trip sooner than paramiko's own."""

import socket
import threading

import paramiko
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from paramiko.auth_handler import AuthHandler

from deployer.transport import Login
from deployer.transport.guard import Guard

TIMEOUT_S = 10


class Door(paramiko.ServerInterface):
    """A host that takes one key."""

    def __init__(self, takes):
        self.takes = takes

    def check_auth_publickey(self, _username, key):
        return paramiko.AUTH_SUCCESSFUL if key == self.takes else paramiko.AUTH_FAILED

    def get_allowed_auths(self, _username):
        return "publickey"


@pytest.fixture
def key(tmp_path):
    def make(name):
        file = tmp_path / name
        private = Ed25519PrivateKey.generate()
        file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        return paramiko.Ed25519Key.from_private_key_file(str(file))

    return make


def logged_in_to(door, host_key, keys, tmp_path):
    """Offer keys to a host; give what came of each."""
    login = Login(address="127.0.0.1", user="root", known_hosts_files=(tmp_path / "known_hosts",))
    found = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sock = socket.create_connection(listening.getsockname())
        host = paramiko.Transport(listening.accept()[0])
        host.add_server_key(host_key)
        client = Guard(login, print).transport(sock)
        client.auth_timeout = TIMEOUT_S
        try:
            host.start_server(threading.Event(), door)
            client.start_client(timeout=TIMEOUT_S)
            for one in keys:
                try:
                    found.append(client.auth_publickey("root", one))
                except (paramiko.AuthenticationException, ConnectionError):  # the latter where it hung up meanwhile
                    found.append("refused")
            return found, client.is_authenticated()
        finally:
            client.close()
            host.close()


def test_a_key_is_offered_before_the_service_was_granted(monkeypatch, key, tmp_path):
    monkeypatch.setattr(AuthHandler, "_parse_service_request", lambda _handler, _message: None)  # it never is
    right = key("right")
    assert logged_in_to(Door(right), key("host"), [right], tmp_path) == ([[]], True)


def test_a_key_that_is_not_taken_is_followed_by_the_next(key, tmp_path):
    right = key("right")
    found = logged_in_to(Door(right), key("host"), [key("wrong"), key("wrong2"), right], tmp_path)
    assert found == (["refused", "refused", []], True)


def test_a_host_that_does_not_grant_the_service_hangs_up_and_that_is_no_login(monkeypatch, key, tmp_path):
    def refuse(handler, _message):
        handler._disconnect_service_not_available()
        handler.transport.close()

    monkeypatch.setattr(AuthHandler, "_parse_service_request", refuse)
    right = key("right")
    assert logged_in_to(Door(right), key("host"), [right], tmp_path) == (["refused"], False)

"""Read-back: only settings that are asked for are told, and answers of servers are read as they are."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from deployer.agent import readback, readbackstores

DUMP = """\
# configuration file /etc/nginx/nginx.conf:
worker_processes 2;
events { worker_connections 1; }
    worker_connections 4096;
    proxy_set_header Authorization "Basic c2VjcmV0";
# configuration file /etc/nginx/own.conf:
    worker_connections   99;
    keepalive 8 ;
"""


def test_directives_are_told_by_file_and_only_those_that_were_asked_for() -> None:
    assert readback.directives(DUMP, ["worker_connections", "proxy_set_header"]) == {
        "/etc/nginx/nginx.conf": {"worker_connections": ["4096"]},
        "/etc/nginx/own.conf": {"worker_connections": ["99"]},
    }


def test_a_server_that_nobody_knows_and_names_that_are_none_tell_nothing() -> None:
    assert readback.run({"servers": {"oracle": {"names": ["x"]}}}) == {"servers": {"oracle": None}}
    assert (
        readback.run({"servers": {"kernel": {"names": ["../etc/shadow", "-x"]}}})["servers"]["kernel"]["values"] == {}
    )


def test_redis_is_asked_over_its_socket_and_never_for_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "socket"
    info = b"redis_version:7.2.4\r\nvalkey_version:8.1.1"
    words = [b"maxmemory", b"67108864", b"requirepass", b"secret", b"save", b""]
    answer = b"$%d\r\n%s\r\n*%d\r\n" % (len(info), info, len(words))
    answer += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    monkeypatch.setattr(readbackstores, "_REDIS_SOCKET", readbackstores.re.compile(".*"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        told = readbackstores.redis({"socket": str(path)}, ["maxmemory", "requirepass", "save"])
        thread.join()
    assert told == {"version": "8.1.1", "values": {"maxmemory": "67108864", "save": ""}}


def test_redis_that_does_not_run_tells_nothing() -> None:
    assert readbackstores.redis({"socket": "/run/redis/not-there.sock"}, ["maxmemory"]) is None
    assert readbackstores.redis({"socket": "/etc/passwd"}, ["maxmemory"]) is None

"""Read-back: only settings that are asked for are told, and answers of servers are read as they are."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer.agent import readback, readbackredis, readbackstores

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


def told_by(answer: Callable[[socket.socket], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Ask a server that answers in its own way."""
    path = tmp_path / "socket"
    monkeypatch.setattr(readbackstores, "_REDIS_SOCKET", re.compile(".*"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                try:
                    answer(connection)
                except OSError:  # whoever asked has left
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        told = readbackstores.redis({"socket": str(path)}, ["maxmemory", "requirepass", "save"])
        thread.join(10)
        assert not thread.is_alive()
    return told


def test_redis_is_asked_over_its_socket_and_never_for_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = b"redis_version:7.2.4\r\nvalkey_version:8.1.1"
    words = [b"maxmemory", b"67108864", b"requirepass", b"secret", b"save", b""]
    answer = b"$%d\r\n%s\r\n*%d\r\n" % (len(info), info, len(words))
    answer += b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
    told = told_by(lambda connection: connection.sendall(answer), tmp_path, monkeypatch)
    assert told == {"version": "8.1.1", "values": {"maxmemory": "67108864", "save": ""}}


def test_redis_that_drips_is_left_when_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"$400\r\n")
        for _ in range(400):  # each byte within the patience for one byte
            connection.sendall(b"x")
            time.sleep(0.02)

    monkeypatch.setattr(readbackstores, "TIMEOUT_S", 0.5)
    began = time.monotonic()
    assert told_by(drip, tmp_path, monkeypatch) is None
    assert 0.4 < time.monotonic() - began < 3


def test_redis_that_says_more_than_any_config_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def pour(connection: socket.socket) -> None:
        connection.sendall(b"$2\r\nhi\r\n*100000\r\n")
        for _ in range(1000):
            connection.sendall(b"$1000\r\n" + 1000 * b"x" + b"\r\n")
            sent.append(1000)

    monkeypatch.setattr(readbackredis, "MOST_BYTES", 1 << 17)
    assert told_by(pour, tmp_path, monkeypatch) is None
    assert sum(sent) < 600_000


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"-NOAUTH Authentication required.\r\n", id="refused"),
        pytest.param(b"*1\r\n" * 5000, id="arrays in arrays"),
        pytest.param(b"$99999999\r\n", id="longer than any config"),
        pytest.param(b"$-1\r\n", id="nothing"),
        pytest.param(b"$5\r\nhi", id="ends before its end"),
        pytest.param(b"x" * 5000, id="a line without an end"),
    ],
)
def test_redis_that_answers_something_else_tells_nothing(
    answer: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told_by(lambda connection: connection.sendall(answer), tmp_path, monkeypatch) is None


def test_redis_that_does_not_run_tells_nothing() -> None:
    assert readbackstores.redis({"socket": "/run/redis/not-there.sock"}, ["maxmemory"]) is None
    assert readbackstores.redis({"socket": "/etc/passwd"}, ["maxmemory"]) is None


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ({"log_bin": "OFF"}, {"skip_log_bin": "ON", "mysqlx": "OFF"}),
        ({"log_bin": "ON", "mysqlx_port": "33060"}, {"skip_log_bin": "OFF", "mysqlx": "ON"}),
    ],
)
def test_options_of_mysql_that_are_no_variables_show_in_others(told: dict[str, str], shown: dict[str, str]) -> None:
    assert readbackstores._shown_by_others(told) == shown

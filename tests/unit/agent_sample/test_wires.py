"""The sessions with servers: what is said on the line, and what becomes of a server that is odd, slow or gone."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import closing, contextmanager

import pytest

from deployer.agent import countdatabase, counting, countnginx, countredis, mysqlwire, postgreswire
from deployer.agent.mysqlwire import MysqlError, MysqlWire
from deployer.agent.postgreswire import PostgresError, PostgresWire


@contextmanager
def speaking(path, talk):
    """A server at a unix socket: ``talk`` gets each connection, in a thread."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(5)

    def serve():
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                line.settimeout(5)
                try:
                    talk(line)
                except (OSError, EOFError):
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield str(path)
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def taken(line, count):
    found = b""
    while len(found) < count:
        chunk = line.recv(count - len(found))
        if not chunk:
            raise EOFError
        found += chunk
    return found


class Mysqld:
    """What MariaDB says on the line: packets of a length, a number and the rest."""

    def __init__(self, answers, *, version=b"5.5.5-10.11.19-MariaDB", login=(b"\x00\x00\x00\x02\x00\x00\x00",)):
        self.answers, self.version, self.login = answers, version, login
        self.asked = []
        self.said = b""

    def __call__(self, line):
        self.send(line, 0, b"\x0a" + self.version + b"\0" + b"\1\0\0\0" + b"12345678\0" + b"\xff\xf7" + bytes(40))
        for number, answer in enumerate(self.login):
            self.said += self.packet(line)
            self.send(line, 2 * number + 2, answer)
        while True:
            statement = self.packet(line)[1:].decode()
            self.asked.append(statement)
            for number, answer in enumerate(self.answers(statement), 1):
                self.send(line, number, answer)

    def send(self, line, number, data):
        line.sendall(struct.pack("<I", len(data))[:3] + bytes([number]) + data)

    def packet(self, line):
        head = taken(line, 4)
        return taken(line, int.from_bytes(head[:3], "little"))


OK, END = b"\x00\x00\x00\x02\x00\x00\x00", b"\xfe\x00\x00\x02\x00"


def rows(*found):
    """Give the packets of an answer with these rows; None is NULL."""
    columns = len(found[0]) if found else 1
    yield bytes([columns])
    yield from [b"a description"] * columns
    yield END
    for row in found:
        yield b"".join(b"\xfb" if text is None else bytes([len(text)]) + text.encode() for text in row)
    yield END


def test_rows_of_mysql_are_read_as_text_with_null_as_none(tmp_path):
    server = Mysqld(lambda asked: [OK] if asked.startswith("SET") else rows(("one", "1"), ("none", None)))
    with speaking(tmp_path / "s", server) as path:
        wire = MysqlWire(path)
        assert wire.version == "5.5.5-10.11.19-MariaDB"
        assert wire.rows("SET SESSION TRANSACTION READ ONLY") == []
        assert wire.rows("SELECT 1") == [["one", "1"], ["none", None]]
        assert wire.rows("SELECT 2") == [["one", "1"], ["none", None]], "the session goes on"
        wire.close()
    assert server.asked == ["SET SESSION TRANSACTION READ ONLY", "SELECT 1", "SELECT 2"]
    assert b"root\0\0" in server.said, "the user, and no password"


def test_a_login_by_another_way_has_nothing_to_show_but_who_we_are(tmp_path):
    server = Mysqld(lambda _: [OK], login=(b"\xfemysql_native_password\0salt", OK))
    with speaking(tmp_path / "s", server) as path:
        MysqlWire(path).close()
    assert server.said.endswith(b"auth_socket\0"), "the second answer is empty"


@pytest.mark.parametrize(
    "login",
    [(b"\xff\x15\x04#28000Access denied",), (b"\xfea\0",) * 6],
    ids=["refused", "without an end"],
)
def test_a_login_that_is_refused_is_told(tmp_path, login):
    with speaking(tmp_path / "s", Mysqld(lambda _: [OK], login=login)) as path, pytest.raises((MysqlError, OSError)):
        MysqlWire(path, within_s=0.5)


@pytest.mark.parametrize(
    "answers",
    [
        [b"\xff\x15\x04#42000You have an error"],
        [b"\x01", b"a description", END, b"\xfc"],
        [b"\x01", b"a description"],
    ],
    ids=["refused", "half a row", "silent"],
)
def test_an_answer_that_is_none_is_an_error_and_not_waited_for(tmp_path, answers):
    began = time.monotonic()
    with speaking(tmp_path / "s", Mysqld(lambda _: answers)) as path:
        wire = MysqlWire(path, within_s=0.3)
        with pytest.raises((MysqlError, OSError)):
            wire.rows("SELECT 1")
        wire.close()
    assert time.monotonic() - began < 3


STATUS = [
    ("Threads_connected", "4"),
    ("Threads_running", "3"),
    ("Questions", "100"),
    ("Innodb_row_lock_current_waits", "1"),
]
#: id, user, host, database, command, s, state, text
PROCESSES = [
    ("7", "root", "localhost", None, "Query", "0", "starting", "SHOW PROCESSLIST"),
    ("8", "blog", "localhost", "blog", "Query", "3", "Sending data", "SELECT a secret"),
    ("9", "blog", "localhost", "blog", "Query", "2", "Updating", "UPDATE a"),
    ("10", "blog", "localhost", "blog", "Query", "1", "Waiting for table metadata lock", "ALTER TABLE a"),
    ("11", "blog", "localhost", "blog", "Sleep", "9", "", None),
    ("12", "shop", "localhost", "shop", "Sleep", "9", "", None),
]


def mariadb(asked, questions=lambda: 100):
    if asked.startswith("SHOW GLOBAL"):
        return rows(*((name, str(questions()) if name == "Questions" else value) for name, value in STATUS))
    if asked.startswith("SHOW PROC"):
        return rows(*PROCESSES)
    if "innodb_trx" in asked:
        return rows(("9", "LOCK WAIT"), ("11", "RUNNING"))
    return rows(("7",)) if "CONNECTION_ID" in asked else [OK]


def test_what_mariadb_tells_is_added_up_by_user_without_our_own_session_and_without_texts(tmp_path):
    with speaking(tmp_path / "s", Mysqld(mariadb)) as path:
        session = countdatabase.Mysql({"socket": path})
        found = session.count()
        session.close()
    assert (found["connected"], found["running"], found["lock_waiting"]) == (3, 2, 1)
    assert found["users"] == {
        "blog": {"connections": 4, "busy": 3, "in_transaction": 1, "waiting_for_lock": 2, "longest_ms": 3000},
        "shop": {"connections": 1, "busy": 0, "in_transaction": 0, "waiting_for_lock": 0, "longest_ms": 0},
    }
    assert "secret" not in repr(found)


def message(kind, body=b""):
    return kind + struct.pack("!I", len(body) + 4) + body


WELCOME = message(b"R", struct.pack("!I", 0))


class Postmaster:
    """What PostgreSQL says on the line."""

    READY = message(b"Z", b"I")

    def __init__(self, answers, login=WELCOME):
        self.answers, self.login = answers, login
        self.asked = []

    def __call__(self, line):
        [length] = struct.unpack("!I", taken(line, 4))
        self.started = taken(line, length - 4)
        line.sendall(self.login + message(b"S", b"server_version\x0015\0") + self.READY)
        while True:
            assert taken(line, 1) == b"Q"
            [length] = struct.unpack("!I", taken(line, 4))
            self.asked.append(taken(line, length - 4)[:-1].decode())
            line.sendall(self.answers(self.asked[-1]))


def data(*row):
    cells = (struct.pack("!i", -1) if text is None else struct.pack("!i", len(text)) + text.encode() for text in row)
    return message(b"D", struct.pack("!H", len(row)) + b"".join(cells))


def postgresql(asked):
    if "usename" in asked:
        return data("app-notes", "3", "2", "1", "1", "2500") + Postmaster.READY
    if "pg_stat_database" in asked:
        return data("5", "10", "20", None, "30", "0") + Postmaster.READY
    return message(b"C", b"SET\0") + Postmaster.READY


def test_what_postgresql_tells_comes_from_a_session_that_may_only_look(tmp_path, monkeypatch):
    monkeypatch.setattr(
        postgreswire.pwd, "getpwnam", lambda _name: postgreswire.pwd.getpwuid(postgreswire.os.geteuid())
    )
    server = Postmaster(postgresql)
    with speaking(tmp_path / "s", server) as path:
        session = countdatabase.Postgresql({"socket": path})
        found = session.count()
        session.close()
    assert b"user\0postgres\0" in server.started
    assert server.asked[:2] == ["SET ROLE pg_monitor", "SET default_transaction_read_only = on"]
    assert (found["connected"], found["running"], found["lock_waiting"], found["disk_tables"]) == (5, 2, 1, 0)
    users = {"connections": 3, "busy": 2, "in_transaction": 1, "waiting_for_lock": 1, "longest_ms": 2500}
    assert found["users"] == {"app-notes": users}


def asked(path):
    with closing(PostgresWire(path, within_s=0.5)) as wire:
        wire.rows("SELECT 1")


@pytest.mark.parametrize(
    ("login", "answer"),
    [
        (message(b"R", struct.pack("!I", 3)), b""),
        (WELCOME, message(b"E", b"SERROR\0Mno such thing\0\0") + Postmaster.READY),
        (WELCOME, b"D\xff\xff\xff\xff"),
    ],
    ids=["password wanted", "refused", "odd"],
)
def test_what_postgresql_refuses_is_told(tmp_path, monkeypatch, login, answer):
    monkeypatch.setattr(
        postgreswire.pwd, "getpwnam", lambda _name: postgreswire.pwd.getpwuid(postgreswire.os.geteuid())
    )
    with speaking(tmp_path / "s", Postmaster(lambda _: answer, login)) as path, pytest.raises(PostgresError):
        asked(path)


def test_what_redis_tells_is_without_our_own_connection(tmp_path):
    def redis(line):
        while True:
            taken(line, len(countredis._ASKED))
            for text in ("connected_clients:3\r\nblocked_clients:1\r\n", "used_memory:900\r\n", "evicted_keys:7\r\n"):
                line.sendall(b"$%d\r\n%s\r\n" % (len(text), text.encode()))

    with speaking(tmp_path / "s", redis) as path:
        session = countredis.Redis({"socket": path})
        assert session.count() == {"connected": 2, "blocked": 1, "memory_bytes": 900, "evicted": 7}
        assert session.count()["connected"] == 2, "over the same connection"
        session.close()


NGINX = "Active connections: 9 \nserver accepts handled requests\n 120 119 500 \nReading: 1 Writing: 5 Waiting: 3 \n"


def test_what_nginx_tells_comes_over_one_kept_connection(monkeypatch):
    ours, its = socket.socketpair()
    monkeypatch.setattr(countnginx.socket, "create_connection", lambda *_args, **_more: ours)
    session = countnginx.Nginx({})
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(NGINX)}\r\n\r\n"
    for _ in range(2):
        its.sendall((head + NGINX).encode())
        assert session.count() == {
            "active": 8, "accepts": 120, "handled": 119, "requests": 500, "reading": 1, "writing": 4, "waiting": 3,
        }  # fmt: skip
    assert its.recv(1000).count(b"GET /deployer-status HTTP/1.1") == 2
    its.sendall(b"HTTP/1.1 404 Not Found\r\n\r\n")
    its.shutdown(socket.SHUT_WR)
    with pytest.raises(ValueError, match="no page of counters"):
        session.count()
    session.close()


class TestServers:
    """Many servers, one of which may be gone."""

    @pytest.fixture
    def clock(self, monkeypatch):
        class Clock:
            now_s = 100.0

            def monotonic(self):
                return self.now_s

        found = Clock()
        monkeypatch.setattr(counting, "time", found)
        return found

    def test_what_only_rises_is_told_as_what_came_since(self, tmp_path, clock):
        asked = iter([100, 140, 20, 60])
        with speaking(tmp_path / "s", Mysqld(lambda text: mariadb(text, lambda: next(asked)))) as path:
            servers = counting.Servers({"mariadb": {"socket": path}, "somebody": {}})
            found = []
            for _ in range(4):
                found.append(servers.sample()["mariadb"])
                clock.now_s += 1
            servers.close()
        assert [one["questions"] for one in found] == [0, 40, 60, 100], "one that was started anew counts from 0"
        assert "answer_ms" in found[0]

    def test_it_is_not_asked_more_than_once_a_second(self, tmp_path, clock):
        server = Mysqld(mariadb)
        with speaking(tmp_path / "s", server) as path:
            servers = counting.Servers({"mariadb": {"socket": path}})
            for _ in range(12):
                servers.sample()
                clock.now_s += 0.1
            servers.close()
        assert sum(text.startswith("SHOW GLOBAL") for text in server.asked) == 2

    def test_one_that_is_gone_is_none_left_alone_for_a_while_and_found_again(self, tmp_path, clock):
        path = tmp_path / "s"
        servers = counting.Servers({"mariadb": {"socket": str(path)}})
        assert servers.sample() == {"mariadb": None}
        with speaking(path, Mysqld(mariadb)):
            clock.now_s += counting.AGAIN_AFTER_S - 1
            assert servers.sample() == {"mariadb": None}
            clock.now_s += 1
            assert servers.sample()["mariadb"]["connected"] == 3
        clock.now_s += 1
        assert servers.sample() == {"mariadb": None}
        servers.close()

    def test_one_that_is_silent_costs_half_a_second_and_not_the_sampling(self, tmp_path):
        with speaking(tmp_path / "s", lambda line: time.sleep(1)) as path:
            servers = counting.Servers({"mariadb": {"socket": path}, "redis": {"socket": path}})
            began = time.monotonic()
            assert servers.sample() == {"mariadb": None, "redis": None}
            assert servers.sample() == {"mariadb": None, "redis": None}
            assert time.monotonic() - began < 2 * countdatabase.WITHIN_S + 0.5


def test_the_sockets_path_is_debians():
    assert mysqlwire.SOCKET == "/run/mysqld/mysqld.sock"

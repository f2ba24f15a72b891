"""MySQL itself, of a release that no supported host has: the agent's side of it against the real server."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from deployer.agent import command, countdatabase, mysqlwire
from deployer.agent.mysql import MySQL
from deployer.agent.refusal import Refusal
from deployer.sandbox.inside import Inside, inside
from deployer.sandbox.trees import debian_tree

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

SECRET = "a-secret-of-more-than-16"


class InTheTree(MySQL):
    """The host is a tree, so whether the server runs there is not seen by this machine's files."""

    def _is_there(self) -> bool:
        return True

    def _client(self) -> str:
        return "mysql"


@pytest.fixture(scope="module")
def tree(sandbox: Any) -> Iterator[Inside]:
    with debian_tree("sid") as folder, inside(folder) as found, tempfile.TemporaryFile() as log:
        found.check(["install", "-d", "-o", "mysql", "/run/mysqld"])
        found.start(["mysqld", "--user=mysql", "--mysqlx=OFF"], log=log)
        deadline = time.monotonic() + 60
        while found.run(["mysql", "-e", "SELECT 1"]).code:
            assert time.monotonic() < deadline, (log.seek(0), log.read().decode())
            time.sleep(0.2)
        yield found


@pytest.fixture
def server(tree: Inside, monkeypatch: pytest.MonkeyPatch) -> MySQL:
    def run(argv: list[str], *, timeout_s: float, feed: bytes = b"", **_: Any) -> command.Result:
        done = tree.run(argv, text=feed, timeout_s=timeout_s)
        return command.Result(done.code, done.text.strip(), timed_out=False)

    monkeypatch.setattr(command, "run", run)
    return InTheTree()


def noted(server: MySQL, name: str, user: str) -> dict[str, Any]:
    return {"server": "mysql", "name": name, "user": user, **server.before(name, user)}


def sql(tree: Inside, text: str) -> str:
    return tree.check(["mysql", "-BN"], text=text).strip()


def picture(tree: Inside) -> str:
    users = "SELECT User, Host, plugin, HEX(authentication_string), User_attributes FROM mysql.user"
    return sql(tree, f"SHOW DATABASES; SELECT * FROM mysql.db; {users}")


def login(tree: Inside, secret: str, text: str, user: str = "shop") -> str:
    return tree.run(["mysql", "-BN", f"--user={user}", f"--password={secret}"], text=text).text


def test_what_was_made_works_is_seen_and_is_gone_again(tree: Inside, server: MySQL) -> None:
    before = picture(tree)
    assert server.look([("my_shop", "shop")]) == {"my_shop": False}
    note = noted(server, "my_shop", "shop")
    server.make("my_shop", "shop", SECRET)
    server.make("my_shop", "shop", SECRET)
    assert server.look([("my_shop", "shop"), ("my_shop", "other")])
    said = login(tree, SECRET, "CREATE TABLE my_shop.a (i int); DROP TABLE my_shop.a; SHOW DATABASES")
    assert "my_shop" in said
    assert "mysql\n" not in said
    assert "denied" in login(tree, SECRET, "CREATE DATABASE myxshop")  # an underscore stands for itself alone
    assert "caching_sha2_password" in sql(tree, "SELECT plugin FROM mysql.user WHERE User = 'shop'")
    for _ in range(2):
        assert server.undo(note) == ""
        assert picture(tree) == before


def test_a_user_that_was_there_gets_its_own_password_back_whatever_bytes_its_salt_has(
    tree: Inside, server: MySQL
) -> None:
    for number in range(12):  # about one salt of two holds a byte that is no text
        user = f"old{number}"
        sql(tree, f"CREATE USER {user}@localhost IDENTIFIED BY 'of-somebody-before'")
        before = picture(tree)
        note = noted(server, "fresh", user)
        server.make("fresh", user, SECRET)
        assert server.look([("fresh", user)]) == {"fresh": True}
        assert server.undo(note) == ""
        assert picture(tree) == before
        assert "fine" in login(tree, "of-somebody-before", "SELECT 'fine'", user)


def test_a_user_whose_salt_is_text_with_backslashes_and_quotes_is_put_back(tree: Inside, server: MySQL) -> None:
    """Such a one is shown as a literal and not in hex, whatever is asked for: about one of a thousand."""
    stored = rb"$A$005$" + rb"""\^;1\b'e%W#L;=@"QcCf""" + b"x" * 43
    assert len(stored) == 70
    sql(tree, f"CREATE USER quoted@localhost IDENTIFIED WITH caching_sha2_password AS 0x{stored.hex()}")
    before = picture(tree)
    note = noted(server, "fresh", "quoted")
    server.make("fresh", "quoted", SECRET)
    assert picture(tree) != before
    assert server.undo(note) == ""
    assert picture(tree) == before


def test_a_user_that_is_taken_over_has_two_passwords_and_afterwards_its_own_alone(tree: Inside, server: MySQL) -> None:
    sql(tree, "CREATE USER taken@localhost IDENTIFIED BY 'of-somebody-before'")
    before = picture(tree)
    note = noted(server, "fresh", "taken")
    for _ in range(2):  # a second time is no third password
        server.make("fresh", "taken", SECRET, keep_login=True)
        for secret in (SECRET, "of-somebody-before"):
            assert "fine" in login(tree, secret, "SELECT 'fine'", "taken")
    assert "taken@localhost" in server.alone()
    assert "root@localhost" in server.alone()  # it has no password
    for _ in range(2):
        assert server.undo(note) == ""
        assert picture(tree) == before
    assert "taken@localhost" not in server.alone()
    assert "denied" in login(tree, SECRET, "SELECT 'fine'", "taken")


def test_a_second_password_by_hand_is_not_taken_away_for_the_apps(tree: Inside, server: MySQL) -> None:
    sql(tree, "CREATE USER two@localhost IDENTIFIED BY 'the-first-by-hand'")
    sql(tree, "ALTER USER two@localhost IDENTIFIED BY 'the-second-by-hand' RETAIN CURRENT PASSWORD")
    before = picture(tree)
    note = noted(server, "fresh", "two")
    server.make("fresh", "two", SECRET, keep_login=True)
    assert "fine" in login(tree, "the-first-by-hand", "SELECT 'fine'", "two")
    assert server.undo(note) == ""
    assert picture(tree) == before


def test_a_database_that_holds_a_table_is_kept_with_its_user(tree: Inside, server: MySQL) -> None:
    note = noted(server, "held", "held")
    server.make("held", "held", SECRET)
    sql(tree, "CREATE TABLE held.a (i int)")
    assert server.undo(note) == "database held and its user: it holds tables now"
    assert server.look([("held", "held")]) == {"held": True}


def test_what_the_server_refuses_is_told_without_the_secret(server: MySQL) -> None:
    with pytest.raises(Refusal, match="refused") as caught:
        server.make("x" * 70, "shop", SECRET)
    assert "too long" in caught.value.detail
    assert SECRET not in caught.value.detail


def test_its_counters_and_who_waits_for_whom_are_told_over_one_session(tree: Inside) -> None:
    place = f"/proc/{tree.holder}/root{mysqlwire.SOCKET}"
    sql(tree, "CREATE DATABASE waits; CREATE TABLE waits.a (i int PRIMARY KEY); INSERT INTO waits.a VALUES (1)")
    holding = "BEGIN; SELECT * FROM waits.a FOR UPDATE; DO SLEEP(4); COMMIT"
    session = countdatabase.Mysql({"socket": place})
    before = session.count()
    assert {name for name in countdatabase._MYSQL.values() if name not in before} == set()
    others = [threading.Thread(target=sql, args=(tree, text)) for text in (holding, "DELETE FROM waits.a")]
    for other in others:
        other.start()
        time.sleep(1)
    during = session.count()
    for other in others:
        other.join()
    after = session.count()
    session.close()
    assert before["users"].get("root", {"busy": 0})["busy"] == 0
    assert during["users"]["root"] == {
        "connections": 2,
        "busy": 2,
        "in_transaction": 0,
        "waiting_for_lock": 1,
        "longest_ms": pytest.approx(2000, abs=1000),
    }
    assert (during["lock_waiting"], after["lock_waiting"]) == (1, 0)
    assert during["running"] >= 2, "MySQL counts threads of its own as well"
    assert after["lock_wait_ms"] - before["lock_wait_ms"] > 1000

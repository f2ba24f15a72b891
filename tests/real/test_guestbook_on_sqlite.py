"""The example guestbook with SQLite on a real local VPS of 512 MiB: no server, the database in the app's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from example_on_vps import Example, ExampleVisitors, answers_under_load, eventually, out_of_memory

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

UNIT, FILE = "app-guestbook.service", "/var/lib/app-guestbook/guestbook.db"


@pytest.fixture(scope="module")
def book(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """One host for this module; each test leaves it as deployed."""
    hosts, of_the_test = vps, vps.cleanup
    hosts.cleanup = hosts.of_the_module
    found = Example(hosts(memory_mib=512), tmp_path_factory.mktemp("guestbook"), app="guestbook")
    hosts.cleanup = of_the_test
    found.write()
    found.deploy()
    return found


def signed(book: Example, message: str) -> int:
    body = f"name=Ada&message={message}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{book.name}"}
    return book.request("POST", "/", body, **headers)[0].status


def test_it_is_live_and_again_nothing_changes(book: Example) -> None:
    assert signed(book, "hello") in (302, 303)
    assert b"hello" in book.get("/")[1]
    assert "no change" in book.deploy().stdout
    assert book.run("plan", "--detailed-exitcode").returncode == 0
    assert book.exposure(UNIT) <= 2.0


def test_only_the_app_gets_at_its_file(book: Example) -> None:
    assert book.sh(f"stat -c '%U %a' {FILE} $(dirname {FILE})").split() == [
        "app-guestbook",
        "644",
        "app-guestbook",
        "700",
    ]
    assert book.sh(f"runuser -u nobody -- cat {FILE} 2>&1; true").endswith("Permission denied")
    assert book.sh(f"sqlite3 {FILE} 2>/dev/null; head -c 15 {FILE}") == "SQLite format 3"


def test_the_app_is_told_what_the_budget_says(book: Example) -> None:
    told = book.sh(f"systemctl show -p Environment {UNIT}")
    numbers = book.numbers("guestbook")
    assert f"DATABASE_PATH={FILE}" in told
    assert f"SQLITE_CACHE_KIB={book.numbers('sqlite')['cache_size']}" in told
    assert f"SQLITE_WAL_MIB={book.numbers('sqlite')['journal_size_limit']}" in told
    assert f"DB_POOL_SIZE={numbers['threads']}" in told
    assert book.limits(UNIT, "MemoryMax", "TasksMax") == [numbers["MemoryMax"] << 20, numbers["TasksMax"]]


@pytest.mark.slow
def test_it_answers_under_load(book: Example) -> None:
    assert answers_under_load(book) > 100
    assert book.sh(f"systemctl show -p NRestarts --value {UNIT}") == "0"


def test_what_was_written_outlives_a_killed_app(book: Example) -> None:
    assert signed(book, "kept") in (302, 303)
    before = book.main_pid(UNIT)
    book.sh(f"systemctl kill --signal=KILL {UNIT}")
    assert eventually(lambda: book.main_pid(UNIT) not in (0, before))
    assert eventually(lambda: book.status("/healthz") == 200)
    assert b"kept" in book.get("/")[1]


@pytest.mark.slow
def test_an_app_out_of_memory_comes_back(book: Example) -> None:
    out_of_memory(book)
    assert eventually(lambda: book.status("/healthz") == 200)


def test_a_migration_that_fails_is_returned_and_visitors_do_not_notice(book: Example) -> None:
    migrate = book.source / "guestbook/migrate.py"
    text = migrate.read_text()
    migrate.write_text("raise SystemExit('the schema is wrong')\n")
    with ExampleVisitors(book) as visitors:
        done = book.deploy(code=5)
    visitors.assert_never_failed()
    assert "the schema is wrong" in done.stderr
    migrate.write_text(text)
    assert "no change" in book.deploy().stdout

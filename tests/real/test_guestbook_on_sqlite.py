"""The example guestbook with SQLite on a real local VPS of 512 MiB: no server, the database in the app's own folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from example_on_vps import Example, answers_under_load, eventually, out_of_memory
from failing_migrations import assert_it_is_taken_back

from deployer.errors import RolledBack

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


MIGRATION = """\
import os, sqlite3
book = sqlite3.connect(os.environ["DATABASE_PATH"], timeout=10, isolation_level=None)
book.execute("CREATE TABLE first_step (a INT)")
book.execute("DELETE FROM entries")
raise SystemExit("the second step is wrong")
"""
CONTENT = f"import sqlite3; print('\\\\n'.join(sqlite3.connect('{FILE}').iterdump()))"


@pytest.mark.slow
def test_a_migration_that_fails_is_taken_back_and_visitors_do_not_notice(book: Example) -> None:
    assert signed(book, "before") in (302, 303)

    def content() -> str:
        return book.sh(f'runuser -u app-guestbook -- python3 -c "{CONTENT}"')

    assert_it_is_taken_back(book, MIGRATION, content, lambda message: signed(book, message))
    assert b"before" in book.get("/")[1]


#: A child takes more memory than there is and is killed; the app itself answers, and no unit is restarted.
GREEDY = """

if os.fork() == 0:
    held = [bytearray(1 << 20) for _ in range(4096)]
    os._exit(0)
"""


@pytest.mark.slow
def test_a_release_that_does_not_fit_into_its_memory_is_returned(book: Example) -> None:
    module = book.source / "guestbook/app.py"
    text = module.read_text()
    limit_mib = book.numbers("guestbook")["MemoryMax"]
    released = book.sh("readlink /srv/guestbook/current/code")
    module.write_text(text + GREEDY)
    try:
        done = book.deploy(code=RolledBack.exit_code)
    finally:
        module.write_text(text)
    said = re.search(
        rf"{UNIT} does not fit into its memory: the kernel killed \w+ process(?:es)? of it; "
        rf"its peak was (?:at least )?(\d+) MiB, MemoryMax {limit_mib} MiB, in deployer.slice",
        done.stderr,
    )
    assert said, done.stderr
    assert limit_mib / 2 < int(said[1]) <= limit_mib
    assert book.sh("readlink /srv/guestbook/current/code") == released
    assert book.status("/healthz") == 200
    assert "no change" in book.deploy().stdout

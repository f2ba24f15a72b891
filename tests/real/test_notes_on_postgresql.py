"""The example notes with PostgreSQL on a real local VPS: what the budget says is what runs; what breaks comes back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from example_on_vps import Example
from failing_migrations import assert_it_is_taken_back
from server_checks import (
    assert_a_killed_server_comes_back,
    assert_a_refused_config_goes_unnoticed,
    assert_an_app_out_of_memory_leaves_the_server_alone,
    assert_answers_under_load,
    assert_nothing_changes_again_and_little_is_exposed,
)

from deployer.access import login_of
from deployer.deploy import desired
from deployer.inventory import load_inventory
from deployer.transport import connect
from deployer.verify import AgentSampler, watched

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

UNIT, CONFIG = "postgresql@15-main.service", "postgresql/90-deployer.conf.j2"
#: Numbers that are limits of the unit, not settings of the server.
LIMITS = ("MemoryMax", "TasksMax")
BYTES = {"MiB": 1 << 20, "KiB": 1 << 10, "MB": 1 << 20, "kB": 1 << 10, "8kB": 8 << 10}


@pytest.fixture(scope="module")
def notes(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """One host for this module; each test leaves it as deployed."""
    found = Example(vps.only, tmp_path_factory.mktemp("notes"), app="notes")
    found.write()
    found.deploy()
    return found


def psql(notes: Example, sql: str, user: str = "postgres", database: str = "postgres") -> str:
    return notes.sh(f'cd /; runuser -u {user} -- psql -qAtd {database} -c "{sql}"')


def test_it_is_live_and_again_nothing_changes(notes: Example) -> None:
    assert (
        notes.request("POST", "/notes", b'{"text": "hello"}', **{"Content-Type": "application/json"})[0].status == 201
    )
    assert b"hello" in notes.get("/")[1]
    assert_nothing_changes_again_and_little_is_exposed(notes, UNIT)
    assert psql(notes, "SELECT current_user", user="app-notes", database="notes") == "app-notes"


def test_the_database_knows_what_its_migration_made(notes: Example) -> None:
    """Counted by itself it would be within minutes: that is another column. A server that was killed forgets both."""
    counted = "SELECT count(*) > 0 AND bool_and(last_analyze IS NOT NULL) FROM pg_stat_user_tables"
    assert psql(notes, counted, database="notes") == "t"


def test_postgresql_has_what_the_budget_says(notes: Example) -> None:
    document = notes.budget()["numbers"]["postgresql"]
    rows = psql(notes, "SELECT name, setting, coalesce(unit, '') FROM pg_settings").splitlines()
    shown = {name: (value, unit) for name, value, unit in (row.split("|") for row in rows)}
    for name, number in document.items():
        if name in LIMITS:
            continue
        value, unit = shown[name]
        assert float(value) * BYTES.get(unit, 1) == number["value"] * BYTES.get(number["unit"], 1), name
    assert notes.limits(UNIT, *LIMITS) == [document["MemoryMax"]["value"] << 20, document["TasksMax"]["value"]]
    off = {name: shown[name][0] for name in ("listen_addresses", "ssl", "jit", "huge_pages")}
    assert off == {"listen_addresses": "", "ssl": "off", "jit": "off", "huge_pages": "off"}


def test_its_server_is_watched_by_one_session_that_may_only_look(notes: Example) -> None:
    entry = load_inventory([notes.folder / "hosts.yml"]).entries["web1"]
    rendered = desired(entry).rendered
    servers, apps = watched.servers(rendered), watched.apps(rendered)
    with connect(login_of(entry)) as remote, remote.agent() as agent:
        watching = AgentSampler(agent, watched.units(rendered), servers=servers, apps=apps)
        with watching:
            time.sleep(2.5)
            ours = psql(notes, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'deployer'")
            notes.get("/")
            time.sleep(1)
        seen = watching.finish().samples[-1].values
    assert ours == "1"
    told = seen["servers"]["postgresql"]
    assert told["users"]["app-notes"]["connections"] >= 1
    assert (told["running"], told["lock_waiting"], told["deadlocks"]) == (0, 0, 0)
    assert seen["servers"]["nginx"]["requests"] >= 1
    assert seen["apps"]["notes"]["outside"] == 0
    assert psql(notes, "SELECT count(*) FROM pg_file_settings WHERE error IS NOT NULL") == "0"


@pytest.mark.slow
def test_it_answers_under_load(notes: Example) -> None:
    assert_answers_under_load(notes, UNIT)


def test_a_killed_server_comes_back_with_what_was_written(notes: Example) -> None:
    psql(notes, "CREATE TABLE IF NOT EXISTS kept (i int); INSERT INTO kept VALUES (1)")
    assert_a_killed_server_comes_back(notes, UNIT)
    assert psql(notes, "SELECT count(*) FROM kept; DROP TABLE kept") == "1"


@pytest.mark.slow
def test_an_app_out_of_memory_leaves_the_server_alone(notes: Example) -> None:
    assert_an_app_out_of_memory_leaves_the_server_alone(notes, UNIT)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("superuser_reserved_connections = 50", "must be less than max_connections"),
        pytest.param("shared_preload_libraries = 'nonesuch'", "could not access file", marks=pytest.mark.slow),
    ],
    ids=["together", "library"],
)
def test_a_config_that_postgresql_refuses_is_refused_and_visitors_do_not_notice(
    notes: Example, line: str, why: str
) -> None:
    assert_a_refused_config_goes_unnoticed(notes, UNIT, CONFIG, line, why)


@pytest.mark.slow
def test_every_connection_that_sorts_stays_within_the_limit(notes: Example) -> None:
    numbers = notes.numbers("postgresql")
    free = numbers["max_connections"] - 3 - notes.numbers("notes")["workers"] * notes.numbers("notes")["pool_size"]
    side = "(SELECT md5(i::text) m FROM generate_series(1, 300000) i ORDER BY 1)"
    sort = f"SELECT count(*) FROM {side} x JOIN {side} y USING (m)"
    psql(notes, "CREATE TABLE filling AS SELECT i, repeat('x', 500) t FROM generate_series(1, 600000) i")
    psql(notes, "SELECT count(*), sum(length(t)) FROM filling")
    notes.sh(f"cd /; for n in $(seq {free + 3}); do runuser -u postgres -- psql -qAtc '{sort}' >/dev/null & done; wait")
    assert notes.sh(f"journalctl -u {UNIT} --no-pager | grep -ci 'out of memory\\|oom-kill'; true") == "0"
    # with what the kernel caches for it, which it takes back: up to the limit, to a page or two
    assert int(notes.peak_mib(UNIT)) <= numbers["MemoryMax"]
    assert notes.status("/healthz") == 200
    psql(notes, "DROP TABLE filling")


MIGRATION = """\
import asyncio, asyncpg
from notes.settings import settings

async def migrate():
    told = settings()
    connection = await asyncpg.connect(host=told.socket_folder, database=told.name, user=told.user, timeout=10)
    await connection.execute("CREATE TABLE first_step (a INT)")
    await connection.execute("CREATE SCHEMA of_the_step CREATE TABLE more (a INT)")
    await connection.execute("DELETE FROM notes")
    raise SystemExit("the second step is wrong")

asyncio.run(migrate())
"""


@pytest.mark.slow
def test_a_migration_that_fails_is_taken_back_and_visitors_do_not_notice(notes: Example) -> None:
    headers = {"Content-Type": "application/json"}

    def write(text: str) -> int:
        return notes.request("POST", "/notes", f'{{"text": "{text}"}}'.encode(), **headers)[0].status

    def content() -> str:
        dump = "runuser -u postgres -- pg_dump notes | grep -v '^.\\(un\\)\\?restrict'"
        return notes.sh(f"cd /; {dump}")

    assert write("before") == 201
    assert_it_is_taken_back(notes, MIGRATION, content, write)
    assert b"before" in notes.get("/")[1]

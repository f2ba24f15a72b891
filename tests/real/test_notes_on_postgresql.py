"""The example notes with PostgreSQL on a real local VPS: what the budget says is what runs; what breaks comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from example_on_vps import Example
from server_checks import (
    assert_a_killed_server_comes_back,
    assert_a_refused_config_goes_unnoticed,
    assert_an_app_out_of_memory_leaves_the_server_alone,
    assert_answers_under_load,
    assert_nothing_changes_again_and_little_is_exposed,
)

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

"""tune-mysql's core: what a server runs with against its budget, memory that could move, statements that scan."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hosts import app, gunicorn, host
from rich.console import Console

from deployer.allocate import allocate
from deployer.declaration import Declaration
from deployer.dialects.values import mysql_size
from deployer.mysqltuning import Tuning, question, tune
from deployer.render import Rendered, render
from deployer.report.tunemysql import print_tuning, shown, tuning_document
from deployer.services.mysql import MysqlSettings
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import SERIES
from deployer.services.redis import RedisSettings
from deployer.wishes import wishes

MIB = 1 << 20
EVERY = [(flavour, version) for flavour, series in SERIES.items() for version in series]


def rendered_of(declaration: Declaration) -> Rendered:
    return render(declaration, allocate(declaration))


@pytest.fixture(scope="module")
def rendered() -> Rendered:
    return rendered_of(host())


def as_rendered(rendered: Rendered) -> dict[str, str]:
    """Make the variables of a server that runs with what was rendered, in its own units."""
    server = flavour_of(rendered.declaration).name
    found = {name: value for told, _, name, value in wishes(rendered) if told == server}
    return {name: told(value) for name, value in found.items()}


def told(value: str) -> str:
    try:
        return str(mysql_size(value))
    except ValueError:
        return value


def answer(
    rendered: Rendered,
    *,
    counters: dict[str, tuple[float, float]] | None = None,
    data_mib: float = 0,
    peaks_mib: dict[str, float] | None = None,
    statements: list[dict[str, Any]] | None = None,
    at_next_start: dict[str, Any] | None = None,
    **variables: str,
) -> dict[str, Any]:
    grew = counters or {}
    return {
        "version": f"{rendered.declaration.settings['mysql'].series}.1",
        "variables": {**as_rendered(rendered), **variables},
        "counters": {
            "seconds": 10.0,
            "looks": 40,
            "first": {name: f"{first:.0f}" for name, (first, _) in grew.items()},
            "last": {name: f"{last:.0f}" for name, (_, last) in grew.items()},
        },
        "sizes": [{"database": "blog", "engine": "InnoDB", "tables": 1, "bytes": int(data_mib * MIB)}],
        "units": {unit: {"peak_mib": peak} for unit, peak in (peaks_mib or {}).items()},
        "at_next_start": at_next_start or {},
        "statements": {"source": "looks", "found": statements or []},
    }


def changed(tuning: Tuning) -> dict[str, str]:
    return {one.setting: one.wanted for one in tuning.changes}


@pytest.mark.parametrize(("flavour", "version"), EVERY)
def test_a_server_as_its_budget_says_has_nothing_to_change_and_fits_its_slice(flavour: Any, version: Any) -> None:
    rendered = rendered_of(host(memory_mib=2048, mysql=MysqlSettings(flavour=flavour, version=version)))
    tuning = tune(rendered, answer(rendered))
    assert not tuning.changes
    assert not tuning.moves
    assert tuning.worst_mib[0] <= tuning.slice_mib


def test_what_runs_beyond_the_budget_comes_back_to_it(rendered: Rendered) -> None:
    spoiled = {
        "innodb_buffer_pool_size": str(8 * MIB),
        "sort_buffer_size": str(64 * MIB),
        "max_connections": "500",
        "query_cache_type": "ON",
        "query_cache_size": str(64 * MIB),
        "innodb_log_buffer_size": str(64 * MIB),
    }
    tuning = tune(rendered, answer(rendered, **spoiled))
    assert changed(tuning) == {
        **{name: value for name, value in as_rendered(rendered).items() if name in spoiled},
        "query_cache_type": "OFF",
    }
    assert tuning.worst_mib[0] > 500 * 64
    assert tuning.worst_mib[1] <= tuning.slice_mib


def test_memory_is_given_back_before_the_pool_takes_it(rendered: Rendered) -> None:
    changes = {"innodb_buffer_pool_size": str(8 * MIB), "sort_buffer_size": str(64 * MIB), "key_buffer_size": "0"}
    tuning = tune(rendered, answer(rendered, **changes))
    assert [one.setting for one in tuning.changes] == ["sort_buffer_size", "key_buffer_size", "innodb_buffer_pool_size"]
    running: dict[str, float] = {}
    for one in tuning.changes:
        running[one.setting] = one.delta_mib
    assert sum(running.values()) < 0


def test_what_is_read_at_the_start_waits_for_one(rendered: Rendered) -> None:
    tuning = tune(rendered, answer(rendered, innodb_log_buffer_size=str(64 * MIB), sort_buffer_size=str(64 * MIB)))
    dynamic = {one.setting: one.is_dynamic for one in tuning.changes}
    assert dynamic == {"innodb_log_buffer_size": False, "sort_buffer_size": True}
    assert {one.setting for one in tuning.changes if one.is_copied} == {"sort_buffer_size"}


def test_a_log_smaller_than_its_running_buffer_waits_too(rendered: Rendered) -> None:
    tuning = tune(rendered, answer(rendered, innodb_log_buffer_size=str(512 * MIB), innodb_log_file_size=str(MIB)))
    [log] = [one for one in tuning.changes if one.setting == "innodb_log_file_size"]
    assert "buffer of 512 MiB" in log.restart_because


def test_durability_comes_back_and_is_not_traded(rendered: Rendered) -> None:
    assert changed(tune(rendered, answer(rendered, innodb_flush_log_at_trx_commit="2"))) == {
        "innodb_flush_log_at_trx_commit": "1"
    }
    relaxed = rendered_of(host(mysql=MysqlSettings(durability="relaxed")))
    assert not tune(relaxed, answer(relaxed)).changes
    assert any("doublewrite" in one for one in tune(rendered, answer(rendered, innodb_doublewrite="OFF")).remarks)


def test_a_mariadb_that_grows_its_pool_only_up_to_a_limit_waits_for_a_restart(rendered: Rendered) -> None:
    small = str(8 * MIB)
    for most, waits in ((8 * MIB, True), (1 << 43, False)):
        tuning = tune(rendered, answer(rendered, innodb_buffer_pool_size=small, innodb_buffer_pool_size_max=str(most)))
        [pool] = [one for one in tuning.changes if one.setting == "innodb_buffer_pool_size"]
        assert pool.is_dynamic is not waits
        assert ("innodb_buffer_pool_size_max while it runs: 8 MiB" in pool.restart_because) is waits


def test_a_mysql_whose_chunks_do_not_make_up_the_pool_waits_for_a_restart() -> None:
    rendered = rendered_of(host(memory_mib=2048, mysql=MysqlSettings(flavour="mysql", version="8.4")))
    pool = allocate(rendered.declaration).count("mysql", "innodb_buffer_pool_size")
    assert pool % 128
    for chunk, waits in ((128, True), (8, False)):
        given = {"innodb_buffer_pool_chunk_size": str(chunk * MIB), "innodb_buffer_pool_instances": "1"}
        tuning = tune(rendered, answer(rendered, innodb_buffer_pool_size=str(128 * MIB), **given))
        [found] = [one for one in tuning.changes if one.setting == "innodb_buffer_pool_size"]
        assert found.is_dynamic is not waits


@pytest.mark.parametrize(
    ("files", "outranked_by"),
    [
        ({"99-tips.cnf": "500", "90-deployer.cnf": "20"}, "99-tips.cnf"),
        ({"50-server.cnf": "500", "90-deployer.cnf": "500"}, ""),  # ours says so too: somebody has changed it
        ({"../my.cnf": "500", "90-deployer.cnf": "20"}, "../my.cnf"),  # behind the line that includes the folders
        ({"90-deployer.cnf": "20"}, "another file that the server reads"),
        ({"50-server.cnf": "500"}, ""),  # ours is not written yet, and is read after that one
        ({"99-tips.cnf": "500"}, "99-tips.cnf"),
    ],
)
def test_a_file_that_is_read_later_and_says_otherwise_is_named(
    rendered: Rendered, files: dict[str, str], outranked_by: str
) -> None:
    folder = "/etc/mysql/mariadb.conf.d"
    said = {f"{folder}/{name}": value for name, value in files.items()}
    next_start = {"max_connections": {"value": "500", "files": said}}
    tuning = tune(rendered, answer(rendered, max_connections="500", at_next_start=next_start))
    [one] = tuning.changes
    assert one.outranked_by.removeprefix(f"{folder}/") == outranked_by
    assert list(tuning.outranked) == (["max_connections"] if outranked_by else [])


STARVING = {
    "Innodb_buffer_pool_reads": (0, 20_000),
    "Innodb_buffer_pool_read_requests": (0, 100_000),
    "Questions": (0, 10_000),
}


def test_a_starving_pool_gets_what_the_app_was_measured_not_to_need() -> None:
    rendered = rendered_of(host(memory_mib=2048))
    given = answer(rendered, counters=STARVING, data_mib=4000, peaks_mib={"app-blog.service": 60.0})
    [move, *_] = tune(rendered, given).moves
    assert set(move.pins) == {"apps.blog.gunicorn.worker_memory_mib", "apps.blog.gunicorn.workers"}
    assert move.pool_mib[1] > move.pool_mib[0]
    assert move.slices_mib["blog"][0] > move.slices_mib["blog"][1] >= 60 * 1.2
    gained = sum(has - had for had, has in move.slices_mib.values())
    assert gained <= rendered.budget.spare_mib
    assert "20.0% of 10000 pages/s" in move.because


@pytest.mark.parametrize(
    ("counters", "data_mib", "peak_mib"),
    [
        ({**STARVING, "Innodb_buffer_pool_reads": (0, 100)}, 4000, 60.0),
        (STARVING, 10, 60.0),
        (STARVING, 4000, 1000.0),
        (STARVING, 4000, None),
    ],
    ids=["misses seldom", "has all data", "the app needs its own", "the app was not measured"],
)
def test_nothing_is_moved_without_need_or_from_whoever_needs_it(
    counters: dict[str, tuple[float, float]], data_mib: float, peak_mib: float | None
) -> None:
    rendered = rendered_of(host(memory_mib=2048))
    peaks = {} if peak_mib is None else {"app-blog.service": peak_mib}
    assert not tune(rendered, answer(rendered, counters=counters, data_mib=data_mib, peaks_mib=peaks)).moves


def test_a_cache_pays_only_what_it_was_measured_not_to_need() -> None:
    declaration = host(memory_mib=2048, apps={"blog": app(uses=("redis",), gunicorn=gunicorn(worker_memory_mib=40))})
    declaration = declaration.model_copy(update={"settings": {**declaration.settings, "redis": RedisSettings()}})
    rendered = rendered_of(declaration)
    had_mib = rendered.budget.grants["redis"].memory_mib

    def moved(peaks_mib: dict[str, float]) -> dict[str, tuple[int, int]]:
        given = answer(rendered, counters=STARVING, data_mib=4000, peaks_mib=peaks_mib)
        found = tune(rendered, given).moves
        assert all(set(move.pins) == {"services.mysql.innodb_buffer_pool_size_mib"} for move in found)
        return dict(found[0].slices_mib) if found else {}

    seen = {one.unit: 20.0 for one in rendered.wanted.units}
    most = moved(seen)
    assert most["redis"][0] == had_mib > most["redis"][1]
    assert sum(has - had for had, has in most.values()) <= rendered.budget.spare_mib
    half = moved({**seen, "redis-server.service": had_mib / 2})
    assert half["redis"][1] >= had_mib / 2 * 1.2
    assert not moved({**seen, "redis-server.service": float(had_mib)})
    assert not moved({unit: peak for unit, peak in seen.items() if unit != "redis-server.service"})


def test_a_pool_is_first_to_be_what_its_budget_says() -> None:
    rendered = rendered_of(host(memory_mib=2048))
    given = answer(
        rendered,
        counters=STARVING,
        data_mib=4000,
        peaks_mib={"app-blog.service": 60.0},
        innodb_buffer_pool_size=str(8 * MIB),
    )
    assert not tune(rendered, given).moves


def statement(**changes: Any) -> dict[str, Any]:
    step = {"table": "posts", "type": "ALL", "possible_keys": "NULL", "key": "NULL", "rows": "50000", "Extra": ""}
    return {
        "database": "blog",
        "digest": "SELECT * FROM posts WHERE author = ? AND created > ? ORDER BY title LIMIT ?",
        "count": 7,
        "seconds": 3.5,
        "rows_examined": 350_000,
        "rows_sent": 70,
        "without_index": None,
        "explained": "as it was run",
        "explain": [{**step, **changes}],
    }


def test_a_full_scan_is_named_with_its_explain_and_a_candidate(rendered: Rendered) -> None:
    [one] = tune(rendered, answer(rendered, statements=[statement()])).advice
    assert one.findings == ("posts: reads all of some 50000 rows; no index fits",)
    assert one.candidates == ("author", "created")
    out = io.StringIO()
    tuning = tune(rendered, answer(rendered, statements=[statement()]))
    print_tuning(Console(file=out, width=140), "web1", tuning)
    assert "3.5 s in 7 runs, 350000 rows read for 70" in out.getvalue()
    assert "EXPLAIN as it was run" in out.getvalue()


@pytest.mark.parametrize("step", [{"rows": "20"}, {"type": "ref", "key": "author"}], ids=["small", "by an index"])
def test_a_statement_that_reads_what_it_needs_is_no_advice(rendered: Rendered, step: dict[str, str]) -> None:
    assert not tune(rendered, answer(rendered, statements=[statement(**step)])).advice


def test_the_agents_own_looks_are_not_counted(rendered: Rendered) -> None:
    grew = {"Created_tmp_disk_tables": (0.0, 40.0), "Created_tmp_tables": (0.0, 40.0), "Questions": (0.0, 80.0)}
    tuning = tune(rendered, answer(rendered, counters=grew))
    assert tuning.seen.per_s("Questions") == 0
    assert not any("temporary" in one for one in tuning.remarks)


def test_the_question_names_settings_and_databases_and_no_secret(rendered: Rendered) -> None:
    asked = question(rendered, 10)
    assert {"innodb_buffer_pool_size", "innodb_buffer_pool_size_max"} <= set(asked["variables"])
    assert asked["databases"] == [
        {"name": "blog", "user": "blog", "secret_path": "/etc/deployer/secrets/blog.database_password"}
    ]


def test_sizes_are_said_as_people_say_them() -> None:
    assert shown("sort_buffer_size", "262144") == "256 KiB"
    assert shown("innodb_buffer_pool_size", str(176 * MIB)) == "176 MiB"
    assert shown("max_connections", "1024") == "1024"


def test_the_document_has_every_change(rendered: Rendered) -> None:
    document = tuning_document("web1", tune(rendered, answer(rendered, max_connections="500")), None)
    [one] = document["changes"]
    assert (one["setting"], one["from"], one["dynamic"]) == ("max_connections", "500", True)
    assert document["applied"] is None

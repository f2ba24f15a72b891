"""Debian 13 brings its own version of every server: each is deployed, put under load, broken, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from runtime_checks import assert_a_release_that_does_not_start_is_returned
from suite_checks import (
    BLOG,
    NGINX_LINE,
    PYTHON,
    Case,
    Deployed,
    assert_a_config_that_its_binary_refuses_is_refused,
    assert_carries_the_load_of_its_slo,
    assert_what_is_killed_comes_back,
    assert_what_runs_is_what_was_declared,
    deployed_on,
)
from tuned_server import assert_a_spoiled_server_is_mended

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(400)]

NGINX = {"services__nginx__version": "1.26"}
MARIADB = {"services__mysql__version": "11.8"}
CASES = {
    "go": Case(
        app="shortener",
        changes={},
        killed=("nginx.service", "app-shortener@1.service"),
        refused=NGINX_LINE,
        broken=("bin/shortener", b"#!/bin/false\n"),
    ),
    "mariadb-11.8": Case(
        app="blog",
        said=BLOG,
        changes=MARIADB,
        killed=("mariadb.service", "app-blog.service", "nginx.service"),
        refused=("mysql/mariadb.cnf.j2", "sql_mode = NONESUCH"),
        broken=("blog/main.py", PYTHON),
    ),
    "postgresql-17": Case(
        app="notes",
        changes={"services__postgresql__version": "17"},
        killed=("postgresql@17-main.service", "app-notes.service"),
        refused=("postgresql/90-deployer.conf.j2", "superuser_reserved_connections = 50"),
        broken=("notes/main.py", PYTHON),
    ),
    "node-20-redis-8": Case(
        app="shop",
        changes={**MARIADB, "services__redis__version": "8", "apps__shop__node__version": "20"},
        killed=("redis-server.service", "mariadb.service", "app-shop@1.service"),
        refused=("redis/deployer.conf.j2", "loadmodule /nowhere.so"),
        broken=("server.js", b"throw new Error('this release does not start');\n"),
        memory_mib=2048,
    ),
    "valkey-8": Case(
        app="feed",
        changes={"services__redis__flavour": "valkey"},
        killed=("valkey-server.service", "app-feed.service"),
        refused=("redis/deployer.conf.j2", "loadmodule /nowhere.so"),
        broken=("feed/main.py", PYTHON),
    ),
    "java-21": Case(
        app="quotes",
        changes={"apps__quotes__java": {"jar": "quotes.jar", "version": "21", "classes": 3000, "processes": 2}},
        killed=("app-quotes@1.service",),
        refused=NGINX_LINE,
        broken=("quotes.jar", b"this is no archive\n"),
    ),
}
#: One of them is quick enough for every run.
QUICK = "go"


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[] if name == QUICK else pytest.mark.slow) for name in CASES]
)
def on_trixie(request: pytest.FixtureRequest, vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A host of its own for each case."""
    case = CASES[request.param]
    with deployed_on("trixie", case, vps, tmp_path_factory.mktemp(case.app), **NGINX) as deployed:
        yield deployed


def test_what_runs_is_what_was_declared(on_trixie: Deployed) -> None:
    assert_what_runs_is_what_was_declared(on_trixie.site)


def test_what_an_app_puts_aside_is_not_in_memory(on_trixie: Deployed) -> None:
    site = on_trixie.site
    [unit] = [one for one in on_trixie.case.killed if one.startswith("app-")]
    pid = site.main_pid(unit)
    assert "TMPDIR=/var/tmp" in site.sh(f"tr '\\0' '\\n' < /proc/{pid}/environ").splitlines()
    kinds = site.sh(f"nsenter -t {pid} -m stat -f -c %T /tmp /var/tmp").split()
    assert kinds[0] == "tmpfs"
    assert kinds[1] != "tmpfs"


def test_it_carries_a_light_load(on_trixie: Deployed) -> None:
    assert_carries_the_load_of_its_slo(on_trixie.site)


def test_what_is_killed_comes_back(on_trixie: Deployed) -> None:
    assert_what_is_killed_comes_back(on_trixie)


def test_a_config_that_its_binary_refuses_is_refused_and_visitors_do_not_notice(on_trixie: Deployed) -> None:
    assert_a_config_that_its_binary_refuses_is_refused(on_trixie)


@pytest.mark.slow
@pytest.mark.parametrize("on_trixie", ["valkey-8", "mariadb-11.8"], indirect=True)
def test_a_burst_of_visitors_waits_in_a_queue_as_long_as_the_budget_says(on_trixie: Deployed) -> None:
    # aiohttp's worker would cut it to 128
    assert on_trixie.site.queue() == on_trixie.site.numbers(on_trixie.case.app)["backlog"]


@pytest.mark.slow
@pytest.mark.parametrize("on_trixie", ["mariadb-11.8"], indirect=True)
def test_a_sort_that_does_not_fit_goes_to_the_disk(on_trixie: Deployed) -> None:
    # there /tmp is memory, which counts as the server's own
    site = on_trixie.site
    before = site.main_pid("mariadb.service")
    rows = site.numbers("mysql")["MemoryMax"] << 10
    pages = f"SELECT md5(seq) AS h, repeat('x', 1024) FROM seq_1_to_{rows} ORDER BY h LIMIT {rows - 1}"
    counted = site.host.sh(f'mariadb -BN blog -e "SELECT count(*) FROM ({pages}) p"', timeout_s=200)
    assert int(counted) == rows - 1
    assert site.main_pid("mariadb.service") == before


def test_a_release_that_does_not_start_is_returned(on_trixie: Deployed) -> None:
    assert_a_release_that_does_not_start_is_returned(on_trixie.site, *on_trixie.case.broken)


@pytest.mark.parametrize("on_trixie", ["mariadb-11.8"], indirect=True)
@pytest.mark.slow
def test_a_spoiled_server_is_tuned(on_trixie: Deployed) -> None:
    assert_a_spoiled_server_is_mended(on_trixie.site, "/etc/mysql/mariadb.conf.d/90-deployer.cnf", "mariadb.service")

"""Servers that no stable Debian has, on a host of Debian 13: deployed, put under load, broken, and they come back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from example_on_vps import Example, eventually
from runtime_checks import assert_a_release_that_does_not_start_is_returned
from suite_checks import (
    BLOG,
    PYTHON,
    Case,
    Deployed,
    assert_a_config_that_its_binary_refuses_is_refused,
    assert_carries_the_load_of_its_slo,
    assert_what_is_killed_comes_back,
    assert_what_runs_is_what_was_declared,
    deployed_on,
    is_another,
)
from tuned_server import assert_a_spoiled_server_is_mended

from deployer.fill import fill
from deployer.inventory import load_inventory

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(400)]

NGINX = {"services__nginx__version": "1.30"}
MYSQL = {"services__mysql__flavour": "mysql", "services__mysql__version": "9.7"}
CASES = {
    "mysql-9.7": Case(
        app="blog",
        said=BLOG,
        changes=MYSQL,
        killed=("mysql.service", "app-blog.service", "nginx.service"),
        refused=("mysql/mysql.cnf.j2", "sql_mode = NONESUCH"),
        broken=("blog/main.py", PYTHON),
    ),
    "node-24-redis-8": Case(
        app="shop",
        changes={**MYSQL, "services__redis__version": "8", "apps__shop__node__version": "24"},
        killed=("redis-server.service", "mysql.service", "app-shop@1.service"),
        refused=("redis/deployer.conf.j2", "loadmodule /nowhere.so"),
        broken=("server.js", b"throw new Error('this release does not start');\n"),
        memory_mib=2048,
    ),
    "valkey-9": Case(
        app="feed",
        changes={"services__redis__flavour": "valkey", "services__redis__version": "9"},
        killed=("valkey-server.service", "app-feed.service"),
        refused=("redis/deployer.conf.j2", "loadmodule /nowhere.so"),
        broken=("feed/main.py", PYTHON),
    ),
}
#: Accepted by `mysqld --validate-config`, which opens no data.
REFUSED_AT_THE_START = ("mysql/mysql.cnf.j2", "innodb_undo_directory = /nonesuch")
on_mysql = pytest.mark.parametrize("on_sid", ["mysql-9.7"], indirect=True)


@pytest.fixture(scope="module", params=CASES)
def on_sid(request: pytest.FixtureRequest, vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """A host of its own for each case."""
    case = CASES[request.param]
    with deployed_on("sid", case, vps, tmp_path_factory.mktemp(case.app), **NGINX) as deployed:
        yield deployed


def sql(site: Example, statements: str, *, timeout_s: float = 60) -> str:
    return site.host.sh(f'mysql -BN -e "{statements}"', timeout_s=timeout_s).strip()


def test_what_runs_is_what_was_declared(on_sid: Deployed) -> None:
    assert_what_runs_is_what_was_declared(on_sid.site)


def test_it_carries_a_light_load(on_sid: Deployed) -> None:
    assert_carries_the_load_of_its_slo(on_sid.site)


def test_what_is_killed_comes_back(on_sid: Deployed) -> None:
    assert_what_is_killed_comes_back(on_sid)


def test_a_config_that_its_binary_refuses_is_refused_and_visitors_do_not_notice(on_sid: Deployed) -> None:
    assert_a_config_that_its_binary_refuses_is_refused(on_sid)


@on_mysql
def test_only_the_socket_leads_to_the_data_and_each_to_its_own(on_sid: Deployed) -> None:
    site = on_sid.site
    assert {line.split()[3].rpartition(":")[2] for line in site.sh("ss -Hltn").splitlines()} == {"22", "80"}
    users = dict(line.split("\t") for line in sql(site, "SELECT User, plugin FROM mysql.user").splitlines())
    assert (users["root"], users["blog"]) == ("auth_socket", "caching_sha2_password")
    assert "Access denied" in site.sh("runuser -u deploy -- mysql --user=root -e 'SELECT 1' 2>&1; true")
    granted = sql(site, "SHOW GRANTS FOR blog@localhost").splitlines()
    assert granted == [
        "GRANT USAGE ON *.* TO `blog`@`localhost`",
        "GRANT ALL PRIVILEGES ON `blog`.* TO `blog`@`localhost`",
    ]
    assert site.sh("stat -c '%U %a' /var/lib/mysql") == "mysql 700"
    assert site.exposure("mysql.service") <= 2.5


@on_mysql
def test_every_setting_of_the_ledger_is_told_by_the_server_and_is_the_same(on_sid: Deployed) -> None:
    settings = json.loads(on_sid.site.run("doctor", "--json").stdout)["settings"]
    told = {one["setting"]: one["state"] for one in settings if one["server"] == "mysql"}
    assert set(told.values()) == {"ok"}, told
    assert {"innodb_buffer_pool_size", "max_connections", "temptable_max_ram", "skip_log_bin", "mysqlx"} <= set(told)


@on_mysql
def test_what_is_persisted_by_hand_does_not_outrank_the_budget(on_sid: Deployed) -> None:
    site = on_sid.site
    sql(site, "SET PERSIST max_connections = 77")
    try:
        assert "max_connections" in site.run("doctor").stdout
        site.sh("systemctl restart mysql.service")
        agrees = site.run("doctor")
        assert agrees.returncode == 0, agrees.stdout
    finally:
        sql(site, "RESET PERSIST")


@on_mysql
def test_a_config_that_only_the_start_refuses_is_taken_back(on_sid: Deployed) -> None:
    site = on_sid.site
    posts = sql(site, "SELECT COUNT(*) FROM blog.posts")
    with site.overriding(*REFUSED_AT_THE_START):
        site.deploy(code=5)
    assert eventually(lambda: site.status("/healthz") == 200)
    assert sql(site, "SELECT COUNT(*) FROM blog.posts") == posts
    assert "no change" in site.deploy().stdout


@on_mysql
def test_a_config_broken_by_hand_is_mended_by_a_deploy(on_sid: Deployed) -> None:
    site = on_sid.site
    site.sh("echo 'nonesuch = 1' >> /etc/mysql/mysql.conf.d/zz-deployer.cnf; systemctl restart mysql.service; true")
    assert eventually(lambda: site.status("/healthz") != 200)
    site.deploy()
    assert eventually(lambda: site.status("/healthz") == 200)
    assert site.run("doctor").returncode == 0


@on_mysql
def test_a_spoiled_server_is_tuned(on_sid: Deployed) -> None:
    persisted = "cat /var/lib/mysql/mysqld-auto.cnf 2>/dev/null; true"
    before = on_sid.site.sh(persisted)  # a test of what somebody persisted leaves an empty one
    assert_a_spoiled_server_is_mended(on_sid.site, "/etc/mysql/mysql.conf.d/zz-deployer.cnf", "mysql.service")
    assert on_sid.site.sh(persisted) == before


@on_mysql
def test_what_was_committed_before_it_was_killed_is_there_afterwards(on_sid: Deployed) -> None:
    site = on_sid.site
    sql(site, "CREATE TABLE blog.written (id INT PRIMARY KEY)")
    try:
        # each number is told once its own transaction is committed
        writes = "seq 1 100000 | sed 's/.*/INSERT INTO written VALUES (&); SELECT &;/'"
        site.sh(f'systemd-run --quiet sh -c "{writes} | mysql -BN --unbuffered blog > /tmp/told"; sleep 2')
        before = site.main_pid("mysql.service")
        site.sh(f"kill -KILL {before}")
        assert eventually(partial(is_another, site, "mysql.service", before))
        assert eventually(lambda: site.status("/healthz") == 200)
        told = int(site.sh("tail -n 1 /tmp/told"))
        assert told > 100
        assert int(sql(site, "SELECT MAX(id) FROM blog.written")) >= told
        assert "no change" in site.deploy().stdout
    finally:
        sql(site, "DROP TABLE blog.written")


@on_mysql
def test_a_sort_that_does_not_fit_goes_to_the_disk(on_sid: Deployed) -> None:
    site = on_sid.site
    before = site.main_pid("mysql.service")
    rows = site.numbers("mysql")["MemoryMax"] << 10
    many = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n"
    pages = f"SELECT sha2(i, 256) AS h, repeat('x', 1024) FROM ({many}) m ORDER BY h LIMIT {rows - 1}"
    counted = sql(
        site, f"USE blog; SET cte_max_recursion_depth = {rows}; SELECT count(*) FROM ({pages}) p", timeout_s=200
    )
    assert int(counted) == rows - 1
    assert site.main_pid("mysql.service") == before


@on_mysql
def test_at_its_worst_it_keeps_within_what_was_predicted(on_sid: Deployed) -> None:
    site = on_sid.site
    entry = load_inventory([site.folder / "hosts.yml"]).entry("web1")
    before = site.main_pid("mysql.service")
    filled = fill(entry, site.host, limits=True, seconds=15)
    [mysql] = [one for one in filled.taken if one.taker == "mysql"]
    assert mysql.peak_mib <= mysql.predicted_mib
    assert (filled.oom_kills, site.main_pid("mysql.service")) == (0, before)


def test_a_release_that_does_not_start_is_returned(on_sid: Deployed) -> None:
    assert_a_release_that_does_not_start_is_returned(on_sid.site, *on_sid.case.broken)

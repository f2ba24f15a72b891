"""Each habit of the folklore as a file that somebody may have, linted for a host of two cores and 2 GiB."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.allocate import allocate
from deployer.app import AppDatabase
from deployer.declaration import Declaration
from deployer.hardware import Hardware
from deployer.inventory import load_inventory
from deployer.lint import Kind, lint, reader_for
from deployer.readers import reader_of
from deployer.render import render
from deployer.services.mysql import MysqlSettings
from deployer.services.node import NodeSettings
from deployer.services.postgresql import PostgresqlSettings
from deployer.services.redis import RedisSettings

FILES = Path(__file__).parent / "folklore"
ROOT = Path(__file__).parents[3]
BLOG = load_inventory([ROOT / "inventories"]).entry("blog1").declaration
F, B, M, N, D, W = Kind.FATAL, Kind.OVER_BUDGET, Kind.MISREAD, Kind.IGNORED, Kind.DANGEROUS, Kind.DEPRECATED


def two_gib(**changes) -> Declaration:
    hardware = Hardware(cpu_cores=2, memory_mib=2048, disk_gib=40, swap_mib=0)
    return BLOG.model_copy(update={"hardware": hardware, **changes})


def findings(name, *, dialect="", declaration=None):
    declaration = declaration or two_gib()
    text = (FILES / name).read_text()
    reader = reader_for(f"/etc/systemd/system/{name}", text, declaration, dialect)
    return lint(text, reader, declaration, allocate(declaration), filename=name)


def found(name, **more):
    return [(one.kind, one.name) for one in findings(name, **more)]


@pytest.mark.parametrize(
    ("name", "dialect", "wanted"),
    [
        # gunicorn's limit that does not exist: fatal as an option, passed over in the file
        ("worker-limit.service", "", {(F, "--worker-memory-limit")}),
        ("gunicorn.conf.py", "", {(N, "worker_memory_limit"), (D, "bind"), (B, "workers")}),
        ("query-cache.cnf", "", {(D, "query_cache_type")}),
        ("query-cache.cnf", "mycnf/mysql/8.4", {(F, "query_cache_type"), (F, "query_cache_size")}),
        ("relaxed.cnf", "", {(D, "innodb_flush_log_at_trx_commit")}),
        ("no-swap.service", "", {(D, "ExecStart")}),
        ("sysctl.conf", "", {(D, "vm.swappiness"), (D, "vm.overcommit_memory"), (N, "net.ipv4.tcp_tw_recycle")}),
        ("java.service", "", {(B, "ExecStart"), (M, "ExecStart")}),
        ("node.service", "", {(B, "ExecStart"), (D, "Environment"), (D, "LimitNOFILE"), (D, "MemoryHigh")}),
        ("hundred-connections.cnf", "", {(B, "max_connections"), (D, "max_connections")}),
        ("redis.conf", "redis/redis/7", {(B, "maxmemory")}),
        ("redis-unbounded.conf", "redis/redis/7", {(D, "maxmemory")}),
        ("nginx.service.d/limits.conf", "", {(D, "MemoryMax")}),
        (
            "nginx.conf",
            "",
            {(B, "worker_connections"), (D, "worker_connections"), (W, "add_header"), (D, "proxy_pass")},
        ),
        ("nginx.conf", "", {(N, "ssl_stapling")}),
        ("postgresql.conf", "postgresql/15", {(B, "max_connections")}),
        ("misread.cnf", "", {(M, "sort_buffer_size"), (M, "join_buffer_size"), (M, "query_cache_size")}),
    ],
)
def test_every_habit_of_the_folklore_is_found(name, dialect, wanted):
    assert wanted <= set(found(name, dialect=dialect)), found(name, dialect=dialect)


def test_what_is_written_instead_is_computed_from_this_hosts_budget():
    declaration = two_gib()
    budget = allocate(declaration)
    slots = budget.count("nginx", "worker_connections")
    by_name = {(one.kind, one.name): one for one in findings("nginx.conf")}
    assert by_name[D, "worker_connections"].instead.startswith(f"worker_connections {slots};")
    connections = budget.count("mysql", "max_connections")
    by_name = {(one.kind, one.name): one for one in findings("hundred-connections.cnf")}
    assert by_name[D, "max_connections"].instead == f"max_connections = {connections}"
    assert (
        f"innodb_buffer_pool_size = {budget.count('mysql', 'innodb_buffer_pool_size')}M"
        in by_name[B, "max_connections"].instead
    )
    (limit,) = findings("nginx.service.d/limits.conf")
    assert limit.instead == f"MemoryMax={budget.grants['nginx'].memory_mib}M"


def test_a_server_that_is_said_to_take_300_to_500_mb_takes_more():
    (over,) = [
        one for one in findings("mysql-300-500-mb.cnf", dialect="mycnf/mysql/8.4", declaration=BLOG) if one.kind is B
    ]
    assert "mysql 8.4, empty 220" in over.message
    assert "performance_schema 156" in over.message
    mysql = {**BLOG.settings, "mysql": MysqlSettings(flavour="mysql", version="8.4")}
    (limit,) = findings("mysql.service.d/limits.conf", declaration=two_gib(settings=mysql))
    assert (limit.kind, limit.name) == (D, "MemoryMax")
    assert "mysql 8.4, empty 220" in limit.message


def test_the_price_of_a_file_has_the_servers_own_defaults_where_it_says_nothing():
    (over,) = [one for one in findings("relaxed.cnf") if one.kind is B]
    assert "151 connections x 1" in over.message
    assert over.message.startswith("at its worst it takes ")


def test_a_host_without_the_server_grants_it_nothing():
    assert "blog1 has no postgresql to grant it to" in findings("postgresql.conf")[0].message


def test_more_connections_than_the_cores_can_work_for_are_found_in_postgresql_too():
    stored = two_gib(settings={**BLOG.settings, "postgresql": PostgresqlSettings(version="15")})
    stored = stored.model_copy(
        update={"apps": {"blog": stored.apps["blog"].model_copy(update={"database": AppDatabase(server="postgresql")})}}
    )
    many = next(
        one for one in findings("postgresql.conf", declaration=stored) if (one.kind, one.name) == (D, "max_connections")
    )
    assert many.instead == f"max_connections = {allocate(stored).count('postgresql', 'max_connections')}"
    # 300 to 500 MB are enough for PostgreSQL, which the same saying has for MySQL
    unit = "[Service]\nMemoryMax=400M\n"
    assert lint(unit, "unit", stored, allocate(stored), filename="postgresql@15-main.service.d/limits.conf") == ()


def test_a_redis_that_saves_by_default_is_priced_with_its_copy():
    kept = {**BLOG.settings, "redis": RedisSettings()}
    declaration = two_gib(settings=kept)
    (over,) = lint(
        "maxmemory 256mb\nmaxmemory-policy allkeys-lru\n", "redis/redis/7", declaration, allocate(declaration)
    )
    assert (over.kind, over.name) == (B, "maxmemory")
    assert "its copy while it is written to the disk" in over.message


def test_what_a_redis_that_is_kept_needs_of_the_kernel_is_no_finding():
    said = "vm.overcommit_memory = 1\n"
    for persistence, kinds in (("rdb", []), ("none", [D])):
        declaration = two_gib(settings={**BLOG.settings, "redis": RedisSettings(persistence=persistence)})
        assert [one.kind for one in lint(said, "sysctl", declaration, allocate(declaration))] == kinds


@pytest.mark.parametrize(("value", "what"), [("0", "a crash of the server or a power cut"), ("2", "a power cut")])
def test_what_a_relaxed_log_loses_is_said(value, what):
    declaration = two_gib()
    text = f"[mysqld]\ninnodb_flush_log_at_trx_commit = {value}\n"
    (one,) = [
        one
        for one in lint(text, "mycnf/mariadb/10.11", declaration, allocate(declaration))
        if (one.kind, one.name) == (D, "innodb_flush_log_at_trx_commit")
    ]
    assert one.message.startswith(what)


def test_memory_high_is_no_finding_where_there_is_swap():
    hardware = Hardware(cpu_cores=2, memory_mib=2048, disk_gib=40, swap_mib=1024)
    assert (D, "MemoryHigh") not in found("node.service", declaration=two_gib(hardware=hardware))


def test_what_a_smaller_heap_leaves_is_said():
    over = next(one for one in findings("java.service") if one.kind is B)
    assert over.instead.startswith(("-Xmx", "another host"))


@pytest.mark.parametrize(
    ("version", "flags", "parts"),
    [
        ("20", "", "old space 768 + 3 semi-spaces of 16 48 + beside them 24"),
        ("24", "", "old space 768 + 3 semi-spaces of 64 192 + beside them 24"),
        ("24", " --max-semi-space-size=8", "old space 768 + 3 semi-spaces of 8 24 + beside them 24"),
        ("", "", "old space 768 + 3 semi-spaces of 64 192 + beside them 24"),
    ],
)
def test_young_objects_of_node_are_priced_as_its_release_has_them(version, flags, parts):
    declaration = two_gib()
    if version:
        run_by = {"gunicorn": None, "node": NodeSettings(script="server.js", version=version), "static": ""}
        declaration = two_gib(apps={"web": BLOG.apps["blog"].model_copy(update=run_by)})
    text = f'[Service]\nEnvironment="NODE_OPTIONS=--inspect{flags}"\nExecStart=node --max-old-space-size=768 a.js'
    (over,) = lint(text, "unit", declaration, allocate(declaration), filename="foreign.service")
    assert over.message.endswith(parts)
    assert "--max-semi-space-size=8" in over.instead


@pytest.mark.parametrize(
    ("dialect", "filename", "text", "wanted"),
    [
        ("gunicorn", "blog/gunicorn.conf.py", "keepalive = 5", ("keepalive", "some get a 502")),
        ("gunicorn", "blog/gunicorn.conf.py", "graceful_timeout = 600", ("graceful_timeout", "systemd kills after")),
        ("unit", "app-blog.service", "[Service]\nTimeoutStopSec=5", ("TimeoutStopSec", "systemd kills it before")),
        ("unit", "nginx.service", "[Service]\nLimitNOFILE=1024", ("LimitNOFILE", "nginx needs")),
    ],
)
def test_numbers_that_do_not_fit_the_rest_of_the_host_are_found(dialect, filename, text, wanted):
    declaration = two_gib()
    (one,) = lint(text, dialect, declaration, allocate(declaration), filename=filename)
    assert (one.kind, one.name) == (D, wanted[0])
    assert wanted[1] in one.message
    assert one.instead.startswith(wanted[0])


def test_the_worst_comes_first():
    kinds = [one.kind for one in findings("nginx.conf")]
    assert kinds == sorted(kinds, key=list(Kind).index)


@pytest.mark.parametrize(
    ("inventory", "name"),
    [("inventories", "blog1"), ("inventories", "mini1"), ("inventories", "shop1")]
    + [("examples/worst.yml", f"worst{n}") for n in (1, 2, 3)],
)
def test_what_we_render_ourselves_has_no_finding(inventory, name):
    declaration = load_inventory([ROOT / inventory]).entry(name).declaration
    budget = allocate(declaration)
    linted = 0
    for file in render(declaration, budget).files:
        reader = reader_of(declaration, file.wanted.dialect, file.path)
        if reader:
            found = lint(file.content.decode(), reader, declaration, budget, filename=file.path)
            assert {one.kind for one in found} <= {Kind.NOT_READ}, file.path  # no other file is at hand here
            linted += 1
    assert linted > 8


def test_groups_of_other_programs_are_nothing_to_the_server():
    declaration = two_gib()
    ours = "[mysqld]\nuser = mysql\n"
    others = "[mariadb-10.6]\ninnodb_flush_log_at_trx_commit = 2\nquery_cache_type = 1\n"
    budget = allocate(declaration)
    alone = lint(ours, "mycnf/mariadb/10.11", declaration, budget)
    assert lint(ours + others, "mycnf/mariadb/10.11", declaration, budget) == alone

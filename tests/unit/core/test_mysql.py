"""The database of both flavours: what is rendered is priced again from the text, by the servers' own rules."""

from __future__ import annotations

import re

import pytest
from hosts import app, gunicorn, host
from hypothesis import given, settings, strategies as st

from deployer.allocate import allocate
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.numbers import Provenance
from deployer.priors import PRIORS
from deployer.render import render
from deployer.services.mysql import SERVICE, MysqlSettings
from deployer.services.mysql.flavours import FLAVOURS
from deployer.services.mysql.settings import SERIES

KIB, MIB = 1024, 1024 * 1024
UNITS = {"": 1, "K": KIB, "M": MIB, "G": 1024 * MIB}
EVERY = [(flavour, version) for flavour, series in SERIES.items() for version in series]
#: What each server takes where the config says nothing, bytes: from SHOW VARIABLES of the servers themselves.
CONNECTION_DEFAULTS = {
    "mariadb": {
        "sort_buffer_size": 2 * MIB,
        "join_buffer_size": 256 * KIB,
        "read_buffer_size": 128 * KIB,
        "read_rnd_buffer_size": 256 * KIB,
        "mrr_buffer_size": 256 * KIB,
        "thread_stack": 292 * KIB,
        "binlog_cache_size": 32 * KIB,
        "net_buffer_length": 16 * KIB,
    },
    "mysql": {
        "sort_buffer_size": 256 * KIB,
        "join_buffer_size": 256 * KIB,
        "read_buffer_size": 128 * KIB,
        "read_rnd_buffer_size": 256 * KIB,
        "thread_stack": 1024 * KIB,
        "binlog_cache_size": 32 * KIB,
        "net_buffer_length": 16 * KIB,
    },
}


def config_of(declaration: Declaration) -> dict[str, str]:
    """Read a database's config as its server does: the last of a key counts."""
    flavour = FLAVOURS[declaration.settings["mysql"].flavour]
    text = next(file for file in render(declaration, allocate(declaration)).files if file.path == flavour.config)
    lines = (line.split("#")[0].strip() for line in text.content.decode().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("["))
    return {key.strip().removeprefix("loose_"): value.strip() for key, _, value in pairs}


def size_of(text: str) -> int:
    """Read a size as both servers do, bytes; what else stands behind the number is refused here."""
    found = re.fullmatch(r"(\d+)([KMG]?)", text)
    assert found, text
    return int(found[1]) * UNITS[found[2]]


def worst_mib(config: dict[str, str], flavour: str, version: str) -> float:
    """Add up the server's worst case by its vendor's formula, MiB; what is not set counts with the server's default."""

    def size(name: str, otherwise: int) -> int:
        return size_of(config[name]) if name in config else otherwise

    connections = int(config.get("max_connections", 151))
    connection = sum(size(name, otherwise) for name, otherwise in CONNECTION_DEFAULTS[flavour].items())
    pool = size("innodb_buffer_pool_size", 128 * MIB)
    if flavour == "mariadb":
        connection += min(size("tmp_memory_table_size", 16 * MIB), size("max_heap_table_size", 16 * MIB))
        caches = size("aria_pagecache_buffer_size", 128 * MIB) - 8 * MIB + size("key_buffer_size", 128 * MIB) - MIB
        caches += size("query_cache_size", MIB) + size("innodb_log_buffer_size", 16 * MIB) - 2 * MIB
    else:
        parts = size("innodb_buffer_pool_chunk_size", 128 * MIB) * int(config.get("innodb_buffer_pool_instances", "1"))
        pool = -(-pool // parts) * parts
        connection += MIB
        caches = size("temptable_max_ram", 1024 * MIB) + size("temptable_max_mmap", 0)
        caches += size("key_buffer_size", 8 * MIB) - MIB + size("innodb_log_buffer_size", 64 * MIB) - 8 * MIB
    # measured on an empty server with the caches taken off above
    fixed = {"10.11": 55, "11.4": 76, "11.8": 76, "8.0": 143, "8.4": 220, "9.7": 225}[version]
    if config["performance_schema"] == "ON":
        fixed += 97 if flavour == "mariadb" else 134
    return fixed + (pool + connections * connection + caches) / MIB


@st.composite
def databases(draw: st.DrawFn) -> MysqlSettings:
    flavour, version = draw(st.sampled_from(EVERY))
    return MysqlSettings(
        flavour=flavour,
        version=version,
        performance_schema=draw(st.sampled_from(["off", "on"])),
        durability=draw(st.sampled_from(["strict", "relaxed"])),
        binlog=draw(st.sampled_from(["off", "on"])),
        innodb_buffer_pool_size_mib=draw(st.none() | st.integers(16, 6000)),
        max_connections=draw(st.none() | st.integers(60, 1000)),
    )


@given(databases(), st.integers(1, 32), st.integers(16_384, 65_536), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_what_is_rendered_fits_into_the_memory_that_its_unit_has(database, cores, memory_mib, workers):
    apps = {"blog": app(gunicorn=gunicorn(workers=workers, pool_size=8))}
    declaration = host(cpu_cores=cores, memory_mib=memory_mib, apps=apps, mysql=database)
    config, budget = config_of(declaration), allocate(declaration)
    series = database.series
    assert worst_mib(config, database.flavour, series) <= budget.count("mysql", "MemoryMax")
    connections, tables = int(config["max_connections"]), int(config["table_open_cache"])
    assert tables >= max(200, 2 * connections)
    assert connections + 2 * tables <= int(config["open_files_limit"]) <= budget.count("mysql", "LimitNOFILE")
    assert budget.count("mysql", "TasksMax") > connections + 64
    pinned = database.innodb_buffer_pool_size_mib
    assert pinned is None or config["innodb_buffer_pool_size"] == f"{pinned}M"
    if database.flavour == "mysql":  # else the server would round the pool up, and a SET GLOBAL would be refused
        parts = int(config["innodb_buffer_pool_instances"]) * size_of(config["innodb_buffer_pool_chunk_size"])
        assert size_of(config["innodb_buffer_pool_size"]) % parts == 0
    else:
        assert size_of(config["innodb_buffer_pool_size_max"]) >= budget.count("mysql", "MemoryMax") * MIB


@pytest.mark.parametrize("flavour", SERIES)
def test_the_price_of_a_connection_is_the_sum_of_its_buffers(flavour):
    priced = FLAVOURS[flavour]
    own_mib = (sum(priced.connection_buffers_kib.values()) + priced.temporary_kib) / 1024
    assert own_mib <= priced.connection_mib <= 1.1 * own_mib


def test_more_memory_never_makes_a_pool_smaller():
    for flavour in SERIES:
        pools = [
            allocate(host(memory_mib=memory_mib, mysql=MysqlSettings(flavour=flavour))).count(
                "mysql", "innodb_buffer_pool_size"
            )
            for memory_mib in range(1200, 24_000, 61)
        ]
        assert pools == sorted(pools)


def test_every_number_leads_back_to_what_was_declared():
    declared = MysqlSettings(flavour="mysql", binlog="on", durability="relaxed", performance_schema="on")
    budget = allocate(host(memory_mib=4096, mysql=declared))
    for name, number in budget.numbers["mysql"].items():
        assert number.inputs or number.provenance is Provenance.DEFAULT, name
        for path in number.inputs:
            place, _, last = path.partition(".")
            known = {
                "mysql": budget.numbers["mysql"],
                "priors": vars(PRIORS),
                "hardware": ["cpu_cores", "memory_mib", "disk_gib", "disk_kind"],
                "ledger": budget.grants,
                "services": [f"mysql.{field}" for field in MysqlSettings.model_fields],
                "blog": budget.numbers["blog"],
            }
            assert last in known[place], (name, path)


def test_relaxed_durability_is_a_pin_with_its_price_in_words():
    relaxed = allocate(host(mysql=MysqlSettings(durability="relaxed"))).numbers["mysql"]
    number = relaxed["innodb_flush_log_at_trx_commit"]
    assert (number.value, number.provenance) == (2, Provenance.PINNED)
    assert "power cut" in number.because
    strict = allocate(host()).numbers["mysql"]["innodb_flush_log_at_trx_commit"]
    assert (strict.value, strict.provenance) == (1, Provenance.DEFAULT)


@pytest.mark.parametrize(
    ("declared", "place", "words"),
    [
        (MysqlSettings(version="8.4"), "version", "MariaDB has no release 8.4; write one of 10.11, 11.4, 11.8"),
        (MysqlSettings(flavour="mysql", version="11.8"), "version", "MySQL has no release 11.8"),
        (MysqlSettings(innodb_buffer_pool_size_mib=1024), "innodb_buffer_pool_size_mib", "not smaller than the host"),
    ],
)
def test_what_cannot_be_meant_is_said_once(declared, place, words):
    found = list(SERVICE.contradictions(host(mysql=declared)))
    assert [where for where, _ in found] == [("services", "mysql", place)]
    assert words in found[0][1]


def test_mysql_on_the_smallest_host_is_refused_with_what_would_help():
    declared = MysqlSettings(flavour="mysql", version="8.4", performance_schema="on")
    declaration = host(memory_mib=1024, mysql=declared)
    with pytest.raises(BudgetError) as caught:
        allocate(declaration)
    text = caught.value.message
    gains = {words.split("  ")[0]: int(gain) for gain, words in re.findall(r"\+(\d+) MiB +(.*)", text)}
    assert any("MariaDB 10.11" in words for words in gains), text
    assert any("performance_schema: off" in words for words in gains), text
    assert any('version: "8.0"' in words for words in gains), text
    pinned = app(gunicorn=gunicorn(pool_size=40))
    with pytest.raises(BudgetError, match=r"\+\d+ MiB +apps.blog.gunicorn.pool_size: 20"):
        allocate(host(memory_mib=700, apps={"blog": pinned}))


def test_what_was_never_deployed_is_called_experimental():
    assert SERVICE.experimental(host()) == ()
    assert SERVICE.experimental(host(mysql=MysqlSettings(version="11.8"))) == ()
    assert SERVICE.experimental(host(mysql=MysqlSettings(flavour="mysql", version="9.7"))) == ()
    assert "MariaDB 11.4" in SERVICE.experimental(host(mysql=MysqlSettings(version="11.4")))[0]
    assert "MySQL 8.4" in SERVICE.experimental(host(mysql=MysqlSettings(flavour="mysql")))[0]
    assert SERVICE.versions(host(mysql=MysqlSettings(flavour="mysql", version="8.0"))) == {"mysql-server": "8.0"}


@pytest.mark.parametrize(("flavour", "version"), EVERY)
def test_the_binlog_is_part_of_the_disk_and_limited_where_the_release_can(flavour, version):
    said = {"flavour": flavour, "version": version, "innodb_buffer_pool_size_mib": 32}
    plain, logged = (
        host(memory_mib=4096, hardware={"disk_gib": 20}, mysql=MysqlSettings(**said, binlog=switch))
        for switch in ("off", "on")
    )
    config, budget = config_of(logged), allocate(logged)
    kept = budget.disk["mysql's binlog"]
    assert kept.value == 2048 + 80
    assert "mysql's binlog" not in allocate(plain).disk
    if flavour == "mariadb" and version != "10.11":
        total = size_of(config["max_binlog_total_size"]) + size_of(config["max_binlog_size"])
        assert total == int(kept.value) * MIB
        assert config["slave_connections_needed_for_purge"] == "0"
    else:
        assert "max_binlog_total_size" not in config
        assert f"{flavour} {version} knows no limit" in kept.because
    assert "max_binlog_total_size" not in config_of(plain)


def test_a_binlog_that_the_disk_has_no_room_for_is_refused():
    declaration = host(memory_mib=2048, hardware={"disk_gib": 4}, mysql=MysqlSettings(binlog="on"))
    with pytest.raises(BudgetError, match="mysql's binlog"):
        allocate(declaration.model_copy(update={"apps": {name: app(server_names=(name,)) for name in ("a", "b")}}))

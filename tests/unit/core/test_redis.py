"""Redis and Valkey: a full cache, its clients and a copy of it fit into the limit, and the config says the same."""

from __future__ import annotations

import re

import pytest
from hosts import app, host
from hypothesis import given, settings, strategies as st

from deployer.agreement import _matches
from deployer.allocate import allocate, shortage_mib
from deployer.app import AppDatabase
from deployer.budget import HostBudget
from deployer.catalog import running
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.numbers import Provenance
from deployer.priors import PRIORS
from deployer.render import render
from deployer.services.postgresql import PostgresqlSettings
from deployer.services.redis import SERVICE, RedisSettings

VARIABLE = re.compile(r"\b([A-Z][A-Z_0-9]+)=")

stores = st.builds(
    RedisSettings,
    maxmemory_mib=st.one_of(st.none(), st.integers(4, 4096)),
    persistence=st.sampled_from(["none", "rdb", "aof"]),
)


def with_redis(
    redis: RedisSettings | None = None, *, uses: tuple[str, ...] = ("redis",), **more: object
) -> Declaration:
    found = host(apps={"feed": app(database=None, uses=uses)}, mysql=None, **more)
    return found.model_copy(update={"settings": {**found.settings, "redis": redis or RedisSettings()}})


def worst_mib(budget: HostBudget, *, is_kept: bool) -> float:
    share = PRIORS.redis_memory_share + (PRIORS.redis_copy_share if is_kept else 0)
    clients = budget.count("redis", "maxmemory-clients")
    return PRIORS.redis_fixed_mib + clients + share * budget.count("redis", "maxmemory")


@given(stores, st.integers(512, 16384), st.integers(1, 16))
@settings(max_examples=150, deadline=None)
def test_its_worst_case_fits_into_its_limit_and_wastes_little(store, memory_mib, cpu_cores):
    try:
        budget = allocate(with_redis(store, memory_mib=memory_mib, cpu_cores=cpu_cores))
    except BudgetError:
        return
    granted = budget.grants["redis"].memory_mib
    assert worst_mib(budget, is_kept=store.is_kept) <= granted
    assert worst_mib(budget, is_kept=store.is_kept) > granted - 8
    if store.maxmemory_mib:
        assert budget.count("redis", "maxmemory") == store.maxmemory_mib
        assert budget.numbers["redis"]["maxmemory"].provenance is Provenance.PINNED


@given(st.sampled_from(["none", "rdb"]), st.integers(768, 8192), st.integers(1, 2048))
@settings(max_examples=80, deadline=None)
def test_more_memory_is_never_a_smaller_cache(persistence, memory_mib, more_mib):
    store = RedisSettings(persistence=persistence)
    small, large = (allocate(with_redis(store, memory_mib=mib)) for mib in (memory_mib, memory_mib + more_mib))
    assert large.count("redis", "maxmemory") >= small.count("redis", "maxmemory")


def test_a_store_that_is_kept_holds_less_of_the_same_memory_and_forgets_nothing():
    cache, kept = (allocate(with_redis(RedisSettings(persistence=p), memory_mib=2048)) for p in ("none", "aof"))
    # of the same grant it would be as 3 to 2
    assert cache.count("redis", "maxmemory") > 1.4 * kept.count("redis", "maxmemory")
    assert (cache.value("redis", "maxmemory-policy"), kept.value("redis", "maxmemory-policy")) == (
        "allkeys-lru",
        "noeviction",
    )


def test_a_migration_is_in_the_groups_of_its_app_s_unit_and_has_the_same_variables():
    declaration = with_redis()
    feed = app(uses=("redis",), database=AppDatabase(migrate=("python", "-m", "feed.migrate")))
    declaration = declaration.model_copy(
        update={"apps": {"feed": feed}, "settings": {**declaration.settings, "postgresql": PostgresqlSettings()}}
    )
    found = render(declaration, allocate(declaration))
    (command,) = found.wanted.commands
    unit = next(file.content.decode() for file in found.files if file.path.endswith("app-feed.service"))
    assert f"SupplementaryGroups={' '.join(command.groups)}\n" in unit
    assert f"EnvironmentFile=-{command.environment_file}\n" in unit
    variables = {
        name for line in unit.splitlines() if line.startswith("Environment=") for name in VARIABLE.findall(line)
    }
    assert variables - {"PYTHONUNBUFFERED"} <= set(command.environment)
    assert {command.environment[name] for name in ("DB_POOL_SIZE", "REDIS_POOL_SIZE")} == {"1"}


def test_its_unit_has_free_pages_given_back_at_once():
    declaration = with_redis()
    files = {file.path: file.content.decode() for file in render(declaration, allocate(declaration)).files}
    unit = files["/etc/systemd/system/redis-server.service.d/60-deployer.conf"]
    assert "Environment=MALLOC_CONF=dirty_decay_ms:0,muzzy_decay_ms:0\n" in unit


def test_its_clients_are_the_pools_of_the_apps_and_a_few_more():
    found = allocate(with_redis(cpu_cores=4, memory_mib=4096))
    pools = found.count("feed", "workers") * found.count("feed", "pool_size")
    assert found.count("redis", "maxclients") == pools + 16
    assert allocate(with_redis(uses=())).count("redis", "maxclients") == 16
    assert found.count("redis", "LimitNOFILE") >= found.count("redis", "maxclients") + 32


@pytest.mark.parametrize("flavour", ["redis", "valkey"])
def test_the_config_says_what_the_budget_says(flavour):
    declaration = with_redis(RedisSettings(flavour=flavour))
    budget = allocate(declaration)
    files = {file.path: file.content.decode() for file in render(declaration, budget).files}
    text = files[f"/etc/{flavour}/deployer.conf"]
    for name in ("maxmemory", "maxmemory-clients", "proto-max-bulk-len", "client-query-buffer-limit"):
        assert f"\n{name} {budget.count('redis', name)}mb\n" in text  # in Redis' words 1mb is a MiB, and 1m is not
    assert f"\nmaxclients {budget.count('redis', 'maxclients')}\n" in text
    assert "\nport 0\n" in text
    assert '\nsave ""\nappendonly no\n' in text
    drop_in = files[f"/etc/systemd/system/{flavour}-server.service.d/60-deployer.conf"]
    assert f"\nMemoryMax={budget.count('redis', 'MemoryMax')}M\n" in drop_in
    assert "ReadWritePaths=/" not in drop_in
    assert f"REDIS_SOCKET=/run/{flavour}/{flavour}-server.sock" in files["/etc/systemd/system/app-feed.service"]
    assert "REDIS_POOL_SIZE=3" in files["/etc/systemd/system/app-feed.service"]
    assert f"SupplementaryGroups={flavour}" in files["/etc/systemd/system/app-feed.service"]


@pytest.mark.parametrize(
    ("persistence", "lines"),
    [("rdb", ("save 3600 1 300 100 60 10000", "appendonly no")), ("aof", ('save ""', "appendonly yes"))],
)
def test_what_is_kept_is_written_and_the_kernel_lets_it_be_copied(persistence, lines):
    declaration = with_redis(RedisSettings(persistence=persistence))
    result = render(declaration, allocate(declaration))
    files = {file.path: file.content.decode() for file in result.files}
    assert set(lines) <= set(files["/etc/redis/deployer.conf"].splitlines())
    assert "ReadWritePaths=/var/lib/redis" in files["/etc/systemd/system/redis-server.service.d/60-deployer.conf"]
    assert "vm.overcommit_memory = 1" in files["/etc/sysctl.d/60-deployer.conf"]
    cache = render(with_redis(), allocate(with_redis()))
    assert not [one for one in cache.wanted.sysctls if one.name == "vm.overcommit_memory"]


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (RedisSettings(flavour="valkey", version="7"), "from 8 on"),
        (RedisSettings(persistence="rdb", policy="allkeys-lru"), "throws away"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings, word):
    ((_, message),) = SERVICE.contradictions(with_redis(settings))
    assert word in message


def test_what_it_offers_really_helps():
    store = RedisSettings(maxmemory_mib=900, persistence="aof")
    declaration = with_redis(store, memory_mib=2048)
    missing = shortage_mib(declaration)
    gains = {one.words: missing - shortage_mib(one.declaration) for one in SERVICE.remedies(declaration)}
    assert gains["services.redis.persistence: none, if what it holds can be made anew"] >= 896
    assert gains["leave out services.redis.maxmemory_mib"] > 1500
    with pytest.raises(BudgetError, match=r"persistence: none, if what it holds can be made anew"):
        allocate(declaration)
    assert not list(SERVICE.remedies(with_redis()))


def test_releases_are_told_apart():
    assert SERVICE.versions(with_redis()) == {"redis-server": "7"}
    assert SERVICE.versions(with_redis(RedisSettings(flavour="valkey"))) == {"valkey-server": "8"}
    assert _matches("5:7.0.15-1~deb12u10", "7")
    assert SERVICE in running(with_redis())
    assert SERVICE not in running(host())

"""The example feed with Redis on a real local VPS: what the budget says is what runs; what breaks comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from example_on_vps import Example, eventually
from server_checks import (
    assert_a_killed_server_comes_back,
    assert_a_refused_config_goes_unnoticed,
    assert_an_app_out_of_memory_leaves_the_server_alone,
    assert_answers_under_load,
    assert_nothing_changes_again_and_little_is_exposed,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

UNIT, CONFIG = "redis-server.service", "redis/deployer.conf.j2"
CLI = "redis-cli -s /run/redis/redis-server.sock"


@pytest.fixture(scope="module")
def feed(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    """One host for this module; each test leaves it as deployed."""
    found = Example(vps.only, tmp_path_factory.mktemp("feed"), app="feed")
    found.write()
    found.deploy()
    return found


def config(feed: Example, name: str) -> str:
    return feed.sh(f"{CLI} --raw config get {name}").partition("\n")[2].strip()


def test_it_is_live_and_again_nothing_changes(feed: Example) -> None:
    assert feed.request("POST", "/messages", b"hello")[0].status == 201
    assert b"<li>hello</li>" in feed.get("/")[1]
    assert_nothing_changes_again_and_little_is_exposed(feed, UNIT)


def test_redis_has_what_the_budget_says(feed: Example) -> None:
    numbers = feed.numbers("redis")
    mib = 1 << 20
    for name in ("maxmemory", "maxmemory-clients", "proto-max-bulk-len", "client-query-buffer-limit"):
        assert int(config(feed, name)) == numbers[name] * mib, name
    for name in ("maxmemory-policy", "maxclients"):
        assert config(feed, name) == str(numbers[name]), name
    limit = numbers["client-output-buffer-limit"] * mib
    assert config(feed, "client-output-buffer-limit") == " ".join(
        f"{kind} {limit} {limit} 0" for kind in ("normal", "slave", "pubsub")
    )
    assert feed.limits(UNIT, "MemoryMax", "TasksMax", "LimitNOFILE") == [
        numbers["MemoryMax"] * mib,
        numbers["TasksMax"],
        numbers["LimitNOFILE"],
    ]
    assert (config(feed, "save"), config(feed, "appendonly"), config(feed, "port")) == ("", "no", "0")
    assert f"REDIS_POOL_SIZE={feed.numbers('feed')['pool_size']}" in feed.sh("systemctl show -p Environment app-feed")


@pytest.mark.slow
def test_it_answers_under_load(feed: Example) -> None:
    assert_answers_under_load(feed, UNIT)


def test_a_killed_server_comes_back(feed: Example) -> None:
    assert_a_killed_server_comes_back(feed, UNIT)


@pytest.mark.slow
def test_an_app_out_of_memory_leaves_the_server_alone(feed: Example) -> None:
    assert_an_app_out_of_memory_leaves_the_server_alone(feed, UNIT)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("rename-command nonesuch other", "No such command"),
        pytest.param("loadmodule /nowhere.so", "Can't load module", marks=pytest.mark.slow),
    ],
    ids=["command", "module"],
)
def test_a_config_that_redis_refuses_is_refused_and_visitors_do_not_notice(feed: Example, line: str, why: str) -> None:
    assert_a_refused_config_goes_unnoticed(feed, UNIT, CONFIG, line, why)


@pytest.mark.slow
def test_a_full_cache_stays_within_its_limit(feed: Example) -> None:
    maxmemory = feed.numbers("redis")["maxmemory"] << 20
    count = 2 * maxmemory // 4096
    feed.sh(f"redis-benchmark -s /run/redis/redis-server.sock -q -c 8 -P 16 -t set -d 4096 -r {4 * count} -n {count}")
    info = dict(line.split(":", 1) for line in feed.sh(f"{CLI} info").splitlines() if ":" in line)
    assert int(info["evicted_keys"]) > 0
    assert 0.9 * maxmemory < int(info["used_memory"]) <= 1.01 * maxmemory
    peak_mib = feed.peak_mib(UNIT)
    # the rest of its limit is for values that change in size: with one size it is about as full as maxmemory
    assert 0.9 * feed.numbers("redis")["maxmemory"] < peak_mib < feed.numbers("redis")["MemoryMax"], peak_mib
    assert feed.status("/healthz") == 200
    feed.sh(f"{CLI} flushall")


@pytest.mark.slow
@pytest.mark.parametrize("persistence", ["rdb", "aof"])
def test_what_is_kept_on_the_disk_outlives_the_server(feed: Example, persistence: str) -> None:
    cache = feed.numbers("redis")["maxmemory"]
    feed.write(services__redis__persistence=persistence)
    feed.deploy()
    kept = feed.numbers("redis")
    assert kept["maxmemory"] < cache
    assert config(feed, "maxmemory-policy") == "noeviction"
    assert feed.exposure(UNIT) <= 2.5
    feed.sh(f"{CLI} set kept {persistence}; sleep 2")
    feed.sh(f"test {persistence} = aof || {CLI} bgsave; sleep 2; kill -KILL {feed.main_pid(UNIT)}")
    assert eventually(lambda: feed.sh(f"{CLI} get kept; true") == persistence)
    wanted = {change["name"]: change for change in json.loads(feed.run("plan", "--json").stdout)["changes"]}
    assert not wanted
    feed.write()
    feed.deploy()
    assert "no change" in feed.deploy().stdout

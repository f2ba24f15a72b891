"""What a refusal advises is true: every change was made, and gains what is said."""

from __future__ import annotations

import re

import pytest
from hosts import MysqlSettings, app, gunicorn, host
from hypothesis import HealthCheck, assume, given, settings
from mixes import contradicts, hosts

from deployer.allocate import allocate, shortage_mib
from deployer.catalog import running
from deployer.contradictions import is_contradictory
from deployer.errors import BudgetError
from deployer.services.kernel import KernelSettings
from deployer.services.nginx import NginxSettings
from deployer.services.postgresql import PostgresqlSettings
from deployer.services.redis import RedisSettings
from deployer.unfit import Search


def remedies(declaration):
    return [one for service in running(declaration) for one in service.remedies(declaration)]


def missing_mib(declaration):
    try:
        return shortage_mib(declaration)
    except BudgetError:
        return None


@given(hosts())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_each_gain_is_what_the_change_gives(declaration):
    declaration = declaration.model_copy(
        update={"hardware": declaration.hardware.model_copy(update={"memory_mib": 512})}
    )
    assume(not contradicts(declaration))
    missing = missing_mib(declaration)
    assume(missing is not None and missing > 0)
    search = Search(remedies, shortage_mib, is_contradictory)
    found = search.gains(declaration)
    assert [one.fits for one in found] == sorted((one.fits for one in found), reverse=True)
    for one in found:
        assert one.mib > 0
        left = shortage_mib(one.remedy.declaration)
        assert left == missing - one.mib
        assert one.fits == (left <= 0)
    several = search.together(declaration)
    if several:
        assert shortage_mib(several[-1].remedy.declaration) <= 0
        assert all(not one.fits for one in several[:-1])
    if any(one.fits for one in found):
        assert len(several) == 1
        return
    for pair in search.pairs(found, missing):
        assert shortage_mib(pair[-1].remedy.declaration) == missing - sum(one.mib for one in pair) <= 0


def refusal_of(declaration):
    with pytest.raises(BudgetError) as refused:
        allocate(declaration)
    return refused.value.message


def test_what_alone_is_enough_comes_first_and_is_marked():
    advice = refusal_of(host(connections=4000)).split("what would help:")[1]
    lines = re.findall(r"\+(\d+) MiB  (.*)", advice)
    marked = ["then it fits" in words for _, words in lines]
    assert marked == sorted(marked, reverse=True)
    assert marked[0]
    assert "together" not in advice


def test_the_most_visitors_that_fit_are_named():
    declaration = host(connections=4000)
    fits = int(re.search(r"target\.connections: (\d+) \(then it fits\)", refusal_of(declaration))[1])

    def with_visitors(number):
        return declaration.model_copy(update={"target": declaration.target.model_copy(update={"connections": number})})

    allocate(with_visitors(fits))
    refusal_of(with_visitors(fits + 1))


def test_where_no_single_change_is_enough_pairs_are_named_with_their_gain():
    blog = {"blog": app(gunicorn=gunicorn(workers=3), uploads_at_once=80)}
    pins = MysqlSettings(version="11.8", max_connections=60)
    declaration = host(memory_mib=912, unmanaged_mib=100, apps=blog, mysql=pins)
    alone, paired = refusal_of(declaration).split("none of them is enough alone; together:\n")
    assert "then it fits" not in alone
    lines = re.findall(r"^ +\+(\d+) MiB  (.*) \+ (.*) \(then it fits\)$", paired, re.MULTILINE)
    assert len(lines) > 1
    assert all(int(mib) >= shortage_mib(declaration) for mib, _, _ in lines)
    assert [int(mib) for mib, _, _ in lines] == sorted((int(mib) for mib, _, _ in lines), reverse=True)
    # a pair and the same pair the other way round are one advice
    named = [frozenset(words.partition(":")[0] for words in pair) for _, *pair in lines]
    assert len(set(named)) == len(named)


def test_where_no_pair_is_enough_a_combination_is_named_in_one_line():
    pins = {"blog": app(gunicorn=gunicorn(workers=5))}
    text = refusal_of(
        host(memory_mib=512, unmanaged_mib=300, apps=pins, mysql=MysqlSettings(version="11.8", max_connections=100))
    )
    alone, several = text.split("none of them is enough alone; together:\n")
    assert "then it fits" not in alone
    [(mib, words)] = re.findall(r"^ +\+(\d+) MiB  (.*) \(then it fits\)$", several, re.MULTILINE)
    assert 3 <= words.count(" + ") + 1 <= 6
    assert int(mib) >= int(re.search(r"(\d+) MiB are missing", text)[1])


def job(**values):
    return {"command": ("python", "-m", "mail"), **values}


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"apps": {"blog": app(background={"mail": job(memory_mib=500, processes=3)})}}, "mail.processes: 1"),
        ({"apps": {"blog": app(background={"mail": job(memory_mib=900)})}}, "leave out apps.blog.background.mail.mem"),
        ({"apps": {"blog": app(timers={"send": job(memory_mib=900, on_calendar="daily")})}}, "send of blog on another"),
        ({"apps": {"blog": app(uploads_at_once=1000)}}, r"apps.blog.uploads_at_once: \d+ \(then it fits\)"),
        (
            {"apps": {"blog": app(websockets={"path": "/w", "connections": 900, "memory_kib": 1024})}},
            r"apps.blog.websockets.memory_kib: \d+ \(then it fits\)",
        ),
        (
            {"apps": {"blog": app(websockets={"path": "/w", "connections": 900, "memory_kib": 1024})}},
            r"apps.blog.websockets.connections: \d+",
        ),
        ({"services": {"kernel": KernelSettings(swap="zram", swap_mib=4000)}}, "services.kernel.swap_mib: 256"),
        ({"services": {"kernel": KernelSettings(swap="zram", swap_mib=4000)}}, "no swap is made"),
        ({"services": {"redis": RedisSettings(maxmemory_mib=800)}}, "leave out services.redis: no app uses it"),
    ],
)
def test_what_is_too_large_is_what_is_advised(changes, advice):
    """Whatever a host can say too large a number of has a change that brings back what it took."""
    declaration = host(apps=changes.get("apps"))
    declaration = declaration.model_copy(update={"settings": {**declaration.settings, **changes.get("services", {})}})
    text = refusal_of(declaration)
    words = re.search(rf"^ +\+(\d+) MiB  .*{advice}", text, re.MULTILINE)
    assert words, text
    assert int(words[1]) >= int(re.search(r"(\d+) MiB are missing", text)[1]) * 0.7


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        ({"apps": {"blog": app(max_upload_mib=1024)}}, r"apps.blog.max_upload_mib: \d+ \(then it fits\)"),
        ({"apps": {"blog": app(uploads_at_once=400, max_upload_mib=8)}}, r"apps.blog.uploads_at_once: \d+ \(then it f"),
        ({"services": {"kernel": KernelSettings(swap="file", swap_mib=1000)}}, r"services.kernel.swap_mib: 256"),
        (
            {"services": {"mysql": MysqlSettings(binlog="on")}, "apps": {"blog": app(max_upload_mib=64)}},
            r"services.mysql.binlog: off",
        ),
        ({"services": {"nginx": NginxSettings(cache_disk_mib=1900)}}, r"cache_disk_mib: 16 \(then it fits\)"),
    ],
)
def test_a_disk_that_is_too_small_has_advice_of_its_own(changes, advice):
    declaration = host(apps=changes.get("apps"), memory_mib=2048, hardware={"disk_gib": 4})
    declaration = declaration.model_copy(update={"settings": {**declaration.settings, **changes.get("services", {})}})
    with pytest.raises(BudgetError) as refused:
        allocate(declaration)
    assert re.search(rf"^ +\+\d+ MiB  .*{advice}", refused.value.message, re.MULTILINE), refused.value.message
    assert "what stands first" not in refused.value.next_step


def test_too_few_pinned_connections_name_the_pools_that_want_more():
    """They are those of whatever runs the app, and of its jobs."""
    node = app(gunicorn=None, node={"script": "server.js"}, background={"mail": job(pool_size=9)})
    for server in (MysqlSettings(max_connections=10), PostgresqlSettings(max_connections=10)):
        is_mysql = isinstance(server, MysqlSettings)
        declaration = host(apps={"shop": node}, cpu_cores=4, memory_mib=4096, mysql=server if is_mysql else None)
        if not is_mysql:
            declaration = declaration.model_copy(update={"settings": {**declaration.settings, "postgresql": server}})
        with pytest.raises(BudgetError) as refused:
            allocate(declaration)
        pools = "apps.shop.node.pool_size (4 x 3), apps.shop.background.mail.pool_size (1 x 9)"
        assert refused.value.next_step.endswith(f"smaller pools: {pools}")


def test_a_database_on_another_host_is_offered_with_its_gain():
    declaration = host(connections=4000)
    gain = int(re.search(r"\+(\d+) MiB  mysql on another host", refusal_of(declaration))[1])
    assert gain == shortage_mib(declaration) - shortage_mib(
        host(connections=4000, mysql=None, apps={"blog": app(database=None)})
    )


def test_a_change_that_would_then_be_refused_is_not_offered():
    """One process alone would hold all long-lived connections, for which its pinned heap has no room."""
    node = {"script": "server.js", "processes": 3, "old_space_mib": 70}
    chat = {"path": "/live", "connections": 1000, "memory_kib": 64}
    declaration = host(memory_mib=512, apps={"shop": app(gunicorn=None, node=node, websockets=chat)})
    assert not is_contradictory(declaration)
    offered = next(one for one in remedies(declaration) if one.words == "apps.shop.node.processes: 1")
    assert shortage_mib(offered.declaration) < shortage_mib(declaration)
    assert is_contradictory(offered.declaration)
    assert "shop.node.processes" not in refusal_of(declaration)


def test_a_database_on_another_host_takes_the_pins_of_its_pools_along():
    blog = app(gunicorn=gunicorn(pool_size=30), background={"mail": job(pool_size=3)})
    words = re.search(r"mysql on another host \((.*) here\)", refusal_of(host(connections=4000, apps={"blog": blog})))
    assert words is not None
    pools = "nor apps.blog.gunicorn.pool_size, nor apps.blog.background.mail.pool_size"
    assert words[1] == f"no services.mysql, {pools}"
    cached = app(gunicorn=gunicorn(pool_size=30), uses=("redis",))
    declaration = host(connections=4000, apps={"blog": cached})
    declaration = declaration.model_copy(update={"settings": {**declaration.settings, "redis": RedisSettings()}})
    assert "mysql on another host (no services.mysql here)" in refusal_of(declaration)


def test_the_next_size_that_is_sold_is_named_and_is_the_next():
    text = refusal_of(host(memory_mib=512))
    assert text.rstrip().endswith("or a host with 1024 MiB")


def test_long_lived_connections_are_not_advised_away():
    chat = app(websockets={"path": "/live", "connections": 3500})
    text = refusal_of(host(connections=4000, apps={"blog": chat}))
    alone = text.split("none of them is enough alone")[0]
    assert all(int(number) >= 3500 for number in re.findall(r"target\.connections: (\d+)", alone))


def test_what_no_few_changes_can_bring_back_is_not_searched_for():
    """A host of many apps has as many changes; to try each upon each would take minutes."""
    tried = []

    def counted(declaration):
        tried.append(declaration)
        return shortage_mib(declaration)

    many = {f"app{n}": app(server_names=(f"{n}.example",), background={"mail": job(processes=9)}) for n in range(20)}
    declaration = host(apps=many)
    search = Search(remedies, counted, is_contradictory)
    assert search.advice(declaration)
    assert len(tried) < 5 * len(search.gains(declaration))


def test_a_refused_ledger_of_many_apps_still_fits_on_a_screen():
    many = {f"app{n}": app(server_names=(f"{n}.example",)) for n in range(20)}
    text = refusal_of(host(apps=many))
    assert len(text.splitlines()) < 50
    assert re.search(r"-\d+ MiB  app19$", text, re.MULTILINE)

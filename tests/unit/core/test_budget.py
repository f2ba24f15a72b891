"""The budget: it fits on every machine or is refused, more never becomes less, and the refusal really helps."""

from __future__ import annotations

import re

import pytest
from hosts import TLS, MysqlSettings, app, gunicorn, host
from hypothesis import given, settings, strategies as st

from deployer.allocate import allocate
from deployer.budget import Claim, share
from deployer.errors import BudgetError
from deployer.numbers import Provenance

machines = st.builds(
    host,
    cpu_cores=st.integers(1, 16),
    memory_mib=st.integers(512, 16384),
    connections=st.integers(10, 5000),
    unmanaged_mib=st.integers(0, 2000),
    mysql=st.sampled_from([MysqlSettings(), MysqlSettings(version="11.8"), None]),
    apps=st.sampled_from(
        [
            {"blog": app(database=None)},
            {"blog": app(database=None), "shop": app(server_names=("shop.example",), database=None, tls=None)},
            {"blog": app(database=None, gunicorn=gunicorn(worker_class="sync", worker_memory_mib=150))},
        ]
    ),
)


@given(machines)
@settings(max_examples=300, deadline=None)
def test_a_budget_fits_or_is_refused(declaration):
    try:
        budget = allocate(declaration)
    except BudgetError:
        return
    assert budget.reserved_mib + budget.granted_mib + budget.spare_mib == budget.usable_mib
    assert budget.spare_mib >= 0
    assert budget.usable_mib <= 0.95 * declaration.hardware.memory_mib
    assert budget.count("systemd", "MemoryMax") == budget.granted_mib
    for taker, grant in budget.grants.items():
        assert grant.memory_mib >= budget.claims[taker].fixed_mib
        assert grant.memory_mib % 4 == 0


@given(machines, st.integers(1, 4096))
@settings(max_examples=200, deadline=None)
def test_more_memory_never_takes_from_anyone(declaration, more_mib):
    larger = declaration.hardware.model_copy(update={"memory_mib": declaration.hardware.memory_mib + more_mib})
    try:
        small = allocate(declaration)
    except BudgetError:
        return
    large = allocate(declaration.model_copy(update={"hardware": larger}))
    for taker, grant in small.grants.items():
        assert large.grants[taker].memory_mib >= grant.memory_mib


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 500))), max_size=6),
    st.integers(0, 2000),
)
@settings(max_examples=300, deadline=None)
def test_sharing_gives_everyone_a_floor_and_nobody_more_than_a_cap(parts, beyond_mib):
    claims = [Claim(f"t{n}", {"x": float(fixed)}, weight, cap) for n, (fixed, weight, cap) in enumerate(parts)]
    floors = sum(claim.fixed_mib for claim in claims)
    grants = share(claims, floors + beyond_mib)
    assert sum(grant.memory_mib for grant in grants.values()) <= floors + beyond_mib
    for claim in claims:
        elastic = grants[claim.taker].elastic_mib
        assert elastic >= 0
        assert claim.cap_mib is None or elastic <= claim.cap_mib
        assert claim.weight or elastic == 0
    open_ended = [claim for claim in claims if claim.weight and claim.cap_mib is None]
    if open_ended:  # then nothing but rounding is left over
        left = floors + beyond_mib - sum(grant.memory_mib for grant in grants.values())
        assert left < 4 * len(claims) + 4


def test_the_smallest_host_of_the_mission_fits():
    budget = allocate(host())
    assert budget.granted_mib <= 0.95 * 1024 - budget.reserved_mib
    assert budget.count("nginx", "worker_connections") >= 2 * 1000
    assert budget.count("nginx", "worker_rlimit_nofile") >= 2 * budget.count("nginx", "worker_connections")
    assert budget.count("mysql", "innodb_buffer_pool_size") >= 128


def test_what_does_not_fit_is_refused_with_the_ledger_and_fixes_that_are_true():
    declaration = host(connections=4000)
    with pytest.raises(BudgetError) as caught:
        allocate(declaration)
    text = caught.value.message
    missing = int(re.search(r"(\d+) MiB are missing", text)[1])
    assert missing > 0
    fits = re.search(r"\+(\d+) MiB  target.connections: (\d+) \(then it fits\)", text)
    assert fits, text
    smaller = declaration.target.model_copy(update={"connections": int(fits[2])})
    assert allocate(declaration.model_copy(update={"target": smaller})).spare_mib >= 0
    enough = int(re.search(r"or a host with (\d+) MiB", text)[1])
    larger = declaration.hardware.model_copy(update={"memory_mib": enough})
    assert allocate(declaration.model_copy(update={"hardware": larger})).spare_mib >= 0
    gains = [int(gain) for gain in re.findall(r"\+(\d+) MiB ", text)]
    assert gains == sorted(gains, reverse=True)


def test_every_part_of_a_refused_ledger_adds_up():
    with pytest.raises(BudgetError) as caught:
        allocate(host(memory_mib=512, connections=3000))
    ledger = caught.value.message.split("what would help")[0]
    column = [int(value) for value in re.findall(r"^ +(-?\d+) MiB  (?!left)", ledger, re.MULTILINE)]
    left = int(re.search(r"(-?\d+) MiB  left", ledger)[1])
    assert sum(column) == left


def test_pools_reach_the_database():
    budget = allocate(host(cpu_cores=4, memory_mib=8192, apps={"a": app(), "b": app(server_names=("b.example",))}))
    pools = sum(budget.count(name, "workers") * budget.count(name, "pool_size") for name in "ab")
    assert budget.count("mysql", "max_connections") >= pools + 5


def test_too_few_pinned_connections_are_refused():
    pinned = app(gunicorn=gunicorn(workers=4, pool_size=10))
    with pytest.raises(BudgetError, match="pinned to 20"):
        allocate(host(memory_mib=4096, apps={"blog": pinned}, mysql=MysqlSettings(max_connections=20)))


def test_pins_are_kept_and_said_to_be_pins():
    budget = allocate(
        host(
            memory_mib=2048,
            apps={"blog": app(gunicorn=gunicorn(workers=3))},
            mysql=MysqlSettings(innodb_buffer_pool_size_mib=300),
        )
    )
    pool = budget.numbers["mysql"]["innodb_buffer_pool_size"]
    assert (pool.value, pool.provenance) == (300, Provenance.PINNED)
    workers = budget.numbers["blog"]["workers"]
    assert (workers.value, workers.provenance) == (3, Provenance.PINNED)
    assert budget.grants["blog"].memory_mib >= 18 + 3 * 64 + 32


def test_memory_that_is_not_ours_is_kept_back():
    with_panel, without = allocate(host(memory_mib=2048, unmanaged_mib=300)), allocate(host(memory_mib=2048))
    assert without.granted_mib - with_panel.granted_mib >= 296


def test_a_thin_link_ends_first_and_says_so():
    declaration = host(cpu_cores=4, memory_mib=4096, hardware={"bandwidth_mbit_per_s": 3, "traffic_gb_per_month": 3000})
    budget = allocate(declaration)
    assert budget.binds_first.startswith("link: 732 visitors")
    assert "24.4 pages/s" in budget.binds_first
    assert "fewer than the 1000 of the target" in budget.binds_first


@given(
    st.integers(1, 64), st.integers(10, 100_000), st.booleans(), st.integers(64, 1000), st.sampled_from([32768, 262144])
)
@settings(max_examples=100, deadline=None)
def test_limits_agree_at_every_size(cores, connections, tls, disk_gib, memory_mib):
    apps = {"blog": app(tls=TLS if tls else None, gunicorn=gunicorn(worker_memory_mib=24))}
    budget = allocate(
        host(
            cpu_cores=cores,
            memory_mib=memory_mib,
            connections=connections,
            apps=apps,
            hardware={"disk_gib": disk_gib},
        )
    )
    slots = budget.count("nginx", "worker_connections")
    # visitors are not spread evenly: a worker has room for all of them, or for four times its fair part
    assert slots >= min(2 * connections, 8 * connections / cores) + budget.count("nginx", "upstream_keepalive")
    assert 2 * slots + 1000 <= budget.count("nginx", "worker_rlimit_nofile") <= 524_288  # open_file_cache holds 1000
    pool, log = budget.count("mysql", "innodb_buffer_pool_size"), budget.count("mysql", "innodb_log_file_size")
    buffers = 55 + 2.6 * budget.count("mysql", "max_connections")
    assert pool + 0.05 * max(0, pool - 1024) + buffers <= budget.grants["mysql"].memory_mib
    assert log <= max(96, disk_gib * 1024 / 50)
    assert 16 <= log <= pool


def test_a_large_pinned_pool_pays_for_its_hashes_and_locks():
    def needed(pool_mib):
        settings = MysqlSettings(innodb_buffer_pool_size_mib=pool_mib)
        return allocate(host(memory_mib=32768, mysql=settings)).grants["mysql"].memory_mib - pool_mib

    assert needed(1024) == needed(512)
    assert needed(11024) == needed(1024) + 500


def test_a_redo_log_grows_with_the_pool_and_stops_at_the_disk():
    def log(memory_mib, disk_gib):
        return allocate(host(memory_mib=memory_mib, hardware={"disk_gib": disk_gib})).count(
            "mysql", "innodb_log_file_size"
        )

    assert log(1024, 20) == 88
    assert log(2048, 20) == 120
    assert log(65536, 1000) == 4096
    assert log(65536, 20) == 20 * 1024 // 50 // 8 * 8


def test_an_answer_may_take_as_long_as_the_app_s_own_timeout():
    def cut_after(timeout_s):
        return allocate(host(apps={"blog": app(gunicorn=gunicorn(timeout_s=timeout_s))})).count(
            "nginx", "proxy_read_timeout"
        )

    assert cut_after(30) == 60
    assert cut_after(300) > 300


@pytest.mark.parametrize(("cpu_cores", "memory_mib"), [(1, 1024), (2, 4096), (8, 12_288)])
@pytest.mark.parametrize("tls", [TLS, None], ids=["tls", "plain"])
def test_so_many_visitors_as_memory_carries_can_be_declared_and_hardly_more(cpu_cores, memory_mib, tls):
    def with_visitors(connections):
        shape = {"cpu_cores": cpu_cores, "memory_mib": memory_mib, "hardware": {"disk_gib": 200}}
        return host(apps={"blog": app(tls=tls)}, connections=connections, **shape)

    carried = int(allocate(with_visitors(1000)).limits["memory"].value)
    assert carried > 1000
    allocate(with_visitors(carried))
    with pytest.raises(BudgetError):
        allocate(with_visitors(carried + 2 + carried // 200))


def test_what_twice_the_visitors_would_take_is_memory_enough_for_them():
    declaration = host(memory_mib=4096, hardware={"disk_gib": 200})
    budget = allocate(declaration)
    visitors, more_mib = map(int, re.search(r"^memory: (\d+) visitors.* take (\d+) MiB", budget.binds_first).groups())
    larger = host(memory_mib=4096 + more_mib, connections=2 * visitors, hardware={"disk_gib": 200})
    allocate(larger)
    with pytest.raises(BudgetError):
        allocate(host(memory_mib=4096 + more_mib - 64, connections=2 * visitors, hardware={"disk_gib": 200}))


def test_processor_is_named_as_people_say_it():
    assert "on 1 core x" in allocate(host()).limits["processor"].because

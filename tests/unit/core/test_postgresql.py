"""PostgreSQL: every connection at its worst fits into the limit, and the config says the same."""

from __future__ import annotations

import pytest
from hosts import AppDatabase, app, gunicorn, host
from hypothesis import given, settings, strategies as st

from deployer.allocate import allocate, shortage_mib
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.numbers import Provenance
from deployer.priors import PRIORS
from deployer.render import render
from deployer.services.postgresql import SERVICE, PostgresqlSettings

servers = st.builds(
    PostgresqlSettings,
    version=st.sampled_from(["15", "17"]),
    shared_buffers_mib=st.one_of(st.none(), st.integers(16, 2048)),
    work_mem_kib=st.one_of(st.none(), st.integers(64, 8192)),
)
CONFIG = "/etc/postgresql/15/main/conf.d/90-deployer.conf"


def with_postgresql(server: PostgresqlSettings | None = None, **more: object) -> Declaration:
    apps = more.pop("apps", None) or {"notes": app()}
    found = host(apps=apps, mysql=None, **more)
    return found.model_copy(update={"settings": {**found.settings, "postgresql": server or PostgresqlSettings()}})


def worst_mib(budget: HostBudget, version: str = "15") -> float:
    """The sum that the server could really hold, from what its config says."""

    def said(name: str) -> int:
        return budget.count("postgresql", name)

    backends = said("max_connections") + said("max_parallel_workers")
    each = PRIORS.postgresql_backend_mib + said("temp_buffers") + PRIORS.postgresql_work_areas * said("work_mem") / 1024
    tending = said("autovacuum_max_workers") * said("autovacuum_work_mem") + said("maintenance_work_mem")
    fixed = PRIORS.postgresql_fixed_mib[version] + said("wal_buffers") + 1.0226 * said("shared_buffers")
    return fixed + backends * each + tending


@given(servers, st.integers(768, 32768), st.integers(1, 16))
@settings(max_examples=200, deadline=None)
def test_its_worst_case_fits_into_its_limit(server, memory_mib, cpu_cores):
    try:
        budget = allocate(with_postgresql(server, memory_mib=memory_mib, cpu_cores=cpu_cores))
    except BudgetError:
        return
    assert worst_mib(budget, server.version) <= budget.grants["postgresql"].memory_mib
    assert budget.count("postgresql", "hash_mem_multiplier") == 1
    for name, pin in (("shared_buffers", server.shared_buffers_mib), ("work_mem", server.work_mem_kib)):
        if pin is not None:
            assert budget.count("postgresql", name) == pin
            assert budget.numbers["postgresql"][name].provenance is Provenance.PINNED
    assert budget.count("postgresql", "work_mem") >= (server.work_mem_kib or 1024)
    assert budget.count("postgresql", "shared_buffers") >= (server.shared_buffers_mib or 32)


@pytest.mark.parametrize("cpu_cores", [1, 2, 4])
@pytest.mark.parametrize("memory_mib", [1024, 2048, 4096, 8192])
def test_what_it_is_given_it_uses(cpu_cores, memory_mib):
    budget = allocate(with_postgresql(cpu_cores=min(cpu_cores, memory_mib // 512), memory_mib=memory_mib))
    assert worst_mib(budget) > 0.9 * budget.grants["postgresql"].memory_mib


@given(st.integers(2048, 16384), st.integers(1, 4096), st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_more_memory_makes_nothing_of_it_smaller(memory_mib, more_mib, cpu_cores):
    small, large = (
        allocate(with_postgresql(memory_mib=mib, cpu_cores=cpu_cores)) for mib in (memory_mib, memory_mib + more_mib)
    )
    for name in ("shared_buffers", "work_mem", "maintenance_work_mem", "effective_cache_size"):
        assert large.count("postgresql", name) >= small.count("postgresql", name), name


def test_few_cores_serve_visitors_and_many_share_a_query():
    two, eight = (allocate(with_postgresql(cpu_cores=cores, memory_mib=8192)) for cores in (2, 8))
    names = ("max_parallel_workers", "max_parallel_workers_per_gather", "max_worker_processes")
    assert [two.count("postgresql", name) for name in names] == [0, 0, 2]
    assert [eight.count("postgresql", name) for name in names] == [4, 2, 6]
    assert "4 parallel workers" in eight.claims["postgresql"].parts


def test_connections_are_those_of_the_apps_and_five_more():
    apps = {
        "notes": app(),
        "shop": app(server_names=("shop.example",), gunicorn=gunicorn(worker_class="sync"), tls=None),
    }
    budget = allocate(with_postgresql(apps=apps, cpu_cores=2, memory_mib=4096))
    pools = sum(budget.chain.links[name].processes * budget.chain.links[name].pool_size for name in apps)
    assert budget.count("postgresql", "max_connections") == pools + 5
    with pytest.raises(BudgetError, match="max_connections is pinned to 10"):
        allocate(with_postgresql(PostgresqlSettings(max_connections=10), apps=apps, cpu_cores=2, memory_mib=4096))
    pinned = allocate(with_postgresql(PostgresqlSettings(max_connections=40), memory_mib=4096))
    assert pinned.numbers["postgresql"]["max_connections"].provenance is Provenance.PINNED


def test_the_log_of_writes_fits_onto_the_disk():
    for disk_gib, wal_mib in ((5, 256), (20, 1024), (80, 1632), (1000, 4096)):
        budget = allocate(with_postgresql(hardware={"disk_gib": disk_gib}))
        assert budget.count("postgresql", "max_wal_size") == wal_mib
        assert budget.count("postgresql", "min_wal_size") < wal_mib
    assert allocate(with_postgresql(hardware={"disk_kind": "hdd"})).value("postgresql", "random_page_cost") == 4.0


def test_the_config_says_what_the_budget_says():
    declaration = with_postgresql(memory_mib=2048)
    budget = allocate(declaration)
    files = {file.path: file.content.decode() for file in render(declaration, budget).files}
    units = {"MiB": "MB", "KiB": "kB"}
    for name, number in budget.numbers["postgresql"].items():
        if name not in ("MemoryMax", "TasksMax"):
            assert f"\n{name} = {number.value}{units.get(number.unit, '')}\n" in files[CONFIG], name
    drop_in = files["/etc/systemd/system/postgresql@15-main.service.d/60-deployer.conf"]
    assert f"\nMemoryMax={budget.count('postgresql', 'MemoryMax')}M\n" in drop_in
    assert not any(line.startswith("PrivateUsers") for line in drop_in.splitlines())  # peer logins need to see users
    app_unit = files["/etc/systemd/system/app-notes.service"]
    for variable in ('"DB_SOCKET=/run/postgresql"', '"DB_NAME=notes"', '"DB_USER=app-notes"', "DB_POOL_SIZE=3"):
        assert f"\nEnvironment={variable}\n" in app_unit
    assert "LoadCredential" not in app_unit


def test_an_app_is_its_system_user_and_has_no_password():
    declaration = with_postgresql(apps={"notes": app(database=AppDatabase(name="thoughts"))})
    (database,) = SERVICE.wanted(declaration, allocate(declaration)).databases
    assert (database.name, database.user, database.secret_path) == ("thoughts", "app-notes", "")
    assert SERVICE.access(declaration, "notes").environment["DB_NAME"] == "thoughts"


@pytest.mark.parametrize("name", ["postgres", "public", "none"])
def test_a_name_of_the_servers_own_is_refused(name):
    declaration = with_postgresql(apps={"notes": app(database=AppDatabase(name=name))})
    ((path, message),) = SERVICE.contradictions(declaration)
    assert (path, name in message) == (("apps", "notes"), True)


def test_two_apps_do_not_share_a_database():
    both = app(database=AppDatabase(name="same"))
    ((path, message),) = SERVICE.contradictions(with_postgresql(apps={"one": both, "two": both}))
    assert path == ("apps", "two")
    assert "that of app one too" in message


def test_what_it_offers_really_helps():
    server = PostgresqlSettings(shared_buffers_mib=900, work_mem_kib=65536, max_connections=60)
    declaration = with_postgresql(server)
    missing = shortage_mib(declaration)
    gains = {one.words: missing - shortage_mib(one.declaration) for one in SERVICE.remedies(declaration)}
    assert len(gains) == 3
    assert min(gains.values()) > 800


def test_releases_are_told_apart():
    assert SERVICE.versions(with_postgresql()) == {"postgresql-15": "15"}
    newer = with_postgresql(PostgresqlSettings(version="17"))
    assert SERVICE.versions(newer) == {"postgresql-17": "17"}

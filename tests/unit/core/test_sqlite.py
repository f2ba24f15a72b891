"""SQLite: no server and no claim; the app pays for the pages that its connections keep."""

from __future__ import annotations

import pytest
from hosts import AppDatabase, app, gunicorn, host

from deployer.allocate import allocate, shortage_mib
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.numbers import Provenance
from deployer.priors import PRIORS
from deployer.render import render
from deployer.services.go import GoSettings
from deployer.services.sqlite import SERVICE, SqliteSettings

BOOK = AppDatabase(server="sqlite", migrate=("python", "-m", "guestbook.migrate"))


def with_sqlite(
    sqlite: SqliteSettings | None = None, database: AppDatabase | None = BOOK, **more: object
) -> Declaration:
    book = app(database=database, gunicorn=gunicorn(worker_class="gthread", worker_memory_mib=64))
    found = host(apps={"guestbook": book}, mysql=None, **more)
    return found.model_copy(update={"settings": {**found.settings, "sqlite": sqlite or SqliteSettings()}})


def test_the_app_pays_for_each_connection_of_each_worker():
    small, large = (allocate(with_sqlite(SqliteSettings(cache_kib=kib), cpu_cores=2)) for kib in (1024, 9216))
    assert "sqlite" not in small.claims
    threads = small.count("guestbook", "threads")
    paid = [sum(found.claims["guestbook"].parts.values()) for found in (small, large)]
    assert paid[1] - paid[0] == threads * 8
    assert small.numbers["sqlite"]["cache_size"].provenance is Provenance.PINNED


def test_its_dumps_are_part_of_the_disk_unless_its_migrations_go_by_steps():
    dumped = allocate(with_sqlite())
    assert dumped.disk["dumps of guestbook"].value == 512
    by_steps = allocate(with_sqlite(database=BOOK.model_copy(update={"before_migration": "steps"})))
    assert "dumps of guestbook" not in by_steps.disk
    assert "dumps of guestbook" not in allocate(with_sqlite(database=AppDatabase(server="sqlite"))).disk
    (store,) = render(with_sqlite(), dumped).wanted.stores
    assert (store.path, store.user) == ("/var/lib/app-guestbook/guestbook.db", "app-guestbook")


def in_go(cache_kib: int, **said: int) -> Declaration:
    book = app(database=AppDatabase(server="sqlite"), gunicorn=None, go=GoSettings(program="book", pool_size=4, **said))
    found = host(apps={"guestbook": book}, mysql=None, memory_mib=4096)
    return found.model_copy(update={"settings": {**found.settings, "sqlite": SqliteSettings(cache_kib=cache_kib)}})


def test_go_s_heap_leaves_room_for_the_pages_that_lie_beside_it():
    for said in ({}, {"memory_mib": 400}):
        budget = allocate(in_go(65_536, **said))
        limit_mib = budget.count("guestbook", "GOMEMLIMIT")
        assert limit_mib / 0.9 + 4 * 64 <= budget.count("guestbook", "MemoryMax") < limit_mib / 0.9 + 4 * 64 + 8
        assert limit_mib >= 64


def test_a_pinned_memory_of_go_s_without_room_for_the_pages_is_refused():
    least_mib = 76 + 4 * 64
    allocate(in_go(65_536, memory_mib=least_mib))
    with pytest.raises(BudgetError) as refused:
        allocate(in_go(65_536, memory_mib=least_mib - 1))
    assert "256 for SQLite's page cache, 4 x 64 MiB" in refused.value.message
    assert refused.value.next_step.startswith(f"write at least {least_mib},")


@pytest.mark.parametrize("key", ["java", "node"])
def test_a_pinned_heap_has_the_pages_beside_it(key):
    said = {"java": {"jar": "book.jar", "heap_mib": 100}, "node": {"script": "book.js", "old_space_mib": 100}}[key]
    book = app(database=AppDatabase(server="sqlite"), gunicorn=None, **{key: {**said, "pool_size": 4}})
    plain = host(apps={"guestbook": book}, mysql=None, memory_mib=4096)
    paid = []
    for cache_kib in (1024, 65_536):
        sqlite = {**plain.settings, "sqlite": SqliteSettings(cache_kib=cache_kib)}
        paid.append(allocate(plain.model_copy(update={"settings": sqlite})).count("guestbook", "MemoryMax"))
    assert paid[1] - paid[0] == 4 * 63


def test_the_app_is_told_where_its_file_is():
    declaration = with_sqlite()
    result = render(declaration, allocate(declaration))
    unit = next(file.content.decode() for file in result.files if file.path.endswith("app-guestbook.service"))
    assert '"DATABASE_PATH=/var/lib/app-guestbook/guestbook.db"' in unit
    assert '"SQLITE_CACHE_KIB=2048"' in unit
    assert '"SQLITE_WAL_MIB=8"' in unit
    assert "DB_POOL_SIZE=4" in unit
    named = with_sqlite(database=AppDatabase(server="sqlite", name="book"))
    assert SERVICE.access(named, "guestbook").environment["DATABASE_PATH"] == "/var/lib/app-guestbook/book.db"
    assert not result.wanted.databases


def test_its_log_and_its_temporary_files_are_part_of_the_disk_and_each_database_has_a_log():
    budget = allocate(with_sqlite(SqliteSettings(wal_mib=100)))
    assert budget.disk["sqlite's logs of writes"].value == 200
    assert budget.disk["sqlite's temporary files"].value == PRIORS.temporary_table_disk_mib
    assert budget.numbers["sqlite"]["journal_size_limit"].provenance is Provenance.PINNED
    assert sum(int(use.value) for use in budget.disk.values()) == with_sqlite().hardware.disk_gib * 1024
    one = with_sqlite()
    two = one.model_copy(update={"apps": {**one.apps, "other": one.apps["guestbook"]}})
    assert SERVICE.disk(two, budget.numbers)["sqlite's logs of writes"].value == 400


def test_its_migration_finds_the_folder_that_it_writes_to():
    declaration = with_sqlite()
    wanted = render(declaration, allocate(declaration)).wanted
    (folder,) = (one for one in wanted.directories if one.path == "/var/lib/app-guestbook")
    assert (folder.owner, folder.mode) == ("app-guestbook", "0700")
    (command,) = wanted.commands
    assert command.environment["STATE_DIRECTORY"] == folder.path
    assert command.environment["DATABASE_PATH"].startswith(folder.path + "/")


def test_a_service_that_nobody_uses_is_refused():
    ((path, message),) = SERVICE.contradictions(with_sqlite(database=None))
    assert path == ("services", "sqlite")
    assert "no app has its database in it" in message
    assert not list(SERVICE.contradictions(with_sqlite()))
    assert not list(SERVICE.contradictions(host()))


def test_fewer_pages_are_offered_and_another_host_is_not():
    declaration = with_sqlite(SqliteSettings(cache_kib=65_536), memory_mib=512, connections=100)
    (offer,) = SERVICE.remedies(declaration)
    assert shortage_mib(declaration) - shortage_mib(offer.declaration) >= 4 * 63
    assert shortage_mib(offer.declaration) <= 0
    with pytest.raises(BudgetError) as refused:
        allocate(declaration)
    assert "services.sqlite.cache_kib: 512" in str(refused.value)
    assert "sqlite on another host" not in str(refused.value)

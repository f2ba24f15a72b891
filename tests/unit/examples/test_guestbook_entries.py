"""The guest book's entries, on SQLite itself."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from guestbook import entries as module, migrate
from guestbook.entries import Entries


@pytest.fixture
def entries(tmp_path):
    book = Entries(tmp_path / "book.sqlite3")
    assert book.migrate()
    return book


def test_a_migration_may_run_again_and_twice_at_once(tmp_path):
    books = [Entries(tmp_path / "book.sqlite3") for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(Entries.migrate, books)) == [False, False, False, True]
    assert not Entries(tmp_path / "book.sqlite3").migrate()


def test_the_newest_come_first_page_by_page(entries):
    for number in range(1, 46):
        entries.add("Tom", f"number {number}")
    first = entries.newest()
    assert [entry.message for entry in first] == [f"number {number}" for number in range(45, 25, -1)]
    assert entries.newest(first[-1].id)[0].message == "number 25"
    assert entries.newest(1) == []


def test_only_so_many_are_kept(entries, monkeypatch):
    monkeypatch.setattr(module, "KEPT", 3)
    for number in range(5):
        entries.add("Tom", str(number))
    assert [entry.message for entry in entries.newest()] == ["4", "3", "2"]


def test_writers_wait_for_one_another(entries):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: entries.add("Tom", str(number)), range(100)))
    assert len({entry.id for entry in entries.newest()}) == module.ENTRIES_PER_PAGE


def test_the_log_keeps_no_more_than_it_may(tmp_path):
    book = Entries(tmp_path / "book.sqlite3", wal_mib=1)
    book.migrate()
    connection = book._connection()
    connection.execute("CREATE TABLE large AS SELECT randomblob(6000000) AS bytes")
    log = tmp_path / "book.sqlite3-wal"
    assert log.stat().st_size > 3 << 20
    for number in range(3):  # the next checkpoint that finds no reader cuts it
        book.add("Tom", str(number))
    assert log.stat().st_size <= 1 << 20


def test_readers_do_not_wait_for_a_writer(entries, tmp_path):
    entries.add("Tom", "before")
    writer = sqlite3.connect(tmp_path / "book.sqlite3", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("INSERT INTO entries (name, message, written_at) VALUES ('', '', '')")
    assert [entry.message for entry in entries.newest()] == ["before"]
    writer.close()


def test_a_lost_file_is_not_replaced_by_an_empty_one(tmp_path):
    book = Entries(tmp_path / "book.sqlite3")
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        book.check()
    assert not list(tmp_path.iterdir())
    assert book.migrate()
    book.check()


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DATABASE_PATH", str(tmp_path / "book.sqlite3"))
    assert (migrate.main(), migrate.main()) == (0, 0)
    assert capsys.readouterr().err == "migrate: done\nmigrate: nothing to do\n"
    monkeypatch.setenv("DATABASE_PATH", str(tmp_path / "nowhere/book.sqlite3"))
    assert migrate.main() == 1
    assert "nowhere" in capsys.readouterr().err

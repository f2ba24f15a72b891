"""Files of dumps and what is said of a database: real files, real SQLite."""

import gzip
import os
import sqlite3

import pytest

from deployer.agent import copysqlite, dumps, migrations, places, recordedsteps
from deployer.agent.dumper import DUMPERS, dumper_of
from deployer.agent.journal import Journal
from deployer.agent.refusal import Refusal

MIB = 1 << 20
PLACE = {"app": "blog", "server": "mariadb", "name": "blog", "user": "blog", "room_mib": 64, "policy": "dump"}
BEFORE = {"schema": "a", "recorded": ["1 posts", "2 pages"]}


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(places, "ROOT", str(tmp_path))
    folder = tmp_path / places.DUMPS[1:]
    folder.mkdir(parents=True)
    return folder


def put(folder, *names, size=10):
    for number, name in enumerate(names):
        (folder / name).write_bytes(b"x" * size)
        os.utime(folder / name, (number, number))


def test_a_database_of_half_the_room_is_taken_and_a_larger_one_refused_with_the_numbers():
    dumps.check_room(PLACE, 31 * MIB)
    with pytest.raises(Refusal) as refused:
        dumps.check_room(PLACE, 40 * MIB)
    assert refused.value.state == "untouched"
    assert "holds 41 MiB" in refused.value.message
    assert "may need 82 MiB, and dump_room_mib is 64" in refused.value.message
    assert "apps.blog.database.dump_room_mib: 82" in refused.value.next
    assert "before_migration: steps" in refused.value.next


def test_a_disk_without_room_refuses_it_too():
    with pytest.raises(Refusal, match=r"which has [0-9]+ MiB left"):
        dumps.check_room({**PLACE, "room_mib": 1 << 40}, 1 << 50)


def test_three_of_each_kind_are_kept_for_each_app(root):
    put(root, *(f"blog.t{number}.before.gz" for number in range(5)), "blog.t0.failed.gz", "shop.t1.before.gz")
    dumps.prune()
    assert sorted(one.name for one in root.iterdir()) == [
        "blog.t0.failed.gz", "blog.t2.before.gz", "blog.t3.before.gz", "blog.t4.before.gz", "shop.t1.before.gz",
    ]  # fmt: skip


def test_the_oldest_of_an_app_make_room_and_those_of_others_stay(root):
    put(root, "shop.t0.before.gz", "blog.t1.before.gz", "blog.t2.failed.gz", "blog.t3.before.gz")
    dumps.trim("blog", 25)
    assert [one["file"].rpartition("/")[2] for one in dumps.listed()] == [
        "shop.t0.before.gz", "blog.t2.failed.gz", "blog.t3.before.gz",
    ]  # fmt: skip


def test_what_was_begun_and_is_not_whole_goes(root):
    put(root, "blog.t1.before.gz.new", "blog.t0.before.gz")
    dumps.drop_unfinished()
    assert [one.name for one in root.iterdir()] == ["blog.t0.before.gz"]


@pytest.mark.parametrize(
    ("kind", "text", "whole"),
    [
        ("mariadb", b"CREATE TABLE x;\n-- Dump completed on 2026-11-21 20:00:00\n", True),
        ("mariadb", b"INSERT INTO x VALUES (1),\n", False),
        ("postgresql", b"--\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict abc\n\n", True),
        ("postgresql", b"COPY public.x (a) FROM stdin;\n1\n", False),
    ],
)
def test_a_dump_is_whole_by_its_last_line(tmp_path, kind, text, whole):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"x\n" * 100_000 + text))
    if whole:
        dumps.check_whole(DUMPERS[kind], str(path), "x")
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(Refusal):
        dumps.check_whole(DUMPERS[kind], str(path), "x")


def test_a_dump_of_sqlite_is_whole_by_its_pages(tmp_path):
    with sqlite3.connect(tmp_path / "x.db") as book:
        book.execute("CREATE TABLE x (a)")
        book.executemany("INSERT INTO x VALUES (?)", [("y" * 1000,)] * 100)
    book.close()
    data = (tmp_path / "x.db").read_bytes()
    assert DUMPERS["sqlite"].is_whole(data[:128], b"", len(data))
    assert not DUMPERS["sqlite"].is_whole(data[:128], b"", len(data) - 4096)
    assert not DUMPERS["sqlite"].is_whole(b"-- Dump", b"", len(data))


@pytest.mark.parametrize(
    "place",
    [
        {**PLACE, "name": "x`; DROP DATABASE y"},
        {**PLACE, "name": "mysql"},
        {**PLACE, "server": "postgresql", "name": "a b"},
        {**PLACE, "server": "postgresql", "user": "postgres"},
        {**PLACE, "server": "sqlite", "path": "relative.db"},
        {**PLACE, "server": "sqlite", "path": "/var/lib/x.db", "user": "-rf"},
        {**PLACE, "server": "oracle"},
    ],
)
def test_names_that_are_not_plain_are_refused(place):
    with pytest.raises(Refusal):
        dumper_of(place)


@pytest.mark.parametrize(
    ("state", "dump", "now", "said"),
    [
        ("done", None, BEFORE, "is as before its migration, at 2 recorded steps, the last: 2 pages"),
        ("migrating", None, {**BEFORE, "schema": "b"}, "a step was left half done"),
        (
            "done",
            None,
            {"schema": "b", "recorded": [*BEFORE["recorded"], "3 users"]},
            "at 3 recorded steps, the last: 3",
        ),
        ("done", {"file": "/dumps/x"}, {"schema": "b", "recorded": None}, "the dump taken before is /dumps/x"),
    ],
)
def test_it_is_said_how_a_database_stands(state, dump, now, said):
    assert said in migrations._said_of({**PLACE, "state": state, "before": BEFORE, "dump": dump}, now, "is")


@pytest.mark.parametrize(
    ("note", "now", "nothing"),
    [
        ({}, BEFORE, True),
        ({"state": "migrating"}, BEFORE, False),  # a row may have been changed
        ({"seeded": True}, BEFORE, False),
        ({"after": {**BEFORE, "schema": "b"}}, {**BEFORE, "schema": "b"}, False),
        ({}, {**BEFORE, "schema": "b"}, False),  # the new release made a table by itself
    ],
)
def test_only_a_migration_that_had_nothing_to_do_is_not_taken_back(note, now, nothing):
    whole = {**PLACE, "state": "done", "before": BEFORE, "after": BEFORE, "seeded": False, **note}
    assert migrations._had_nothing_to_do(whole, now) is nothing


def test_a_database_whose_tool_records_in_an_unknown_table_is_always_taken_back():
    unknown = {"schema": "a", "recorded": None}
    note = {**PLACE, "state": "done", "before": unknown, "after": unknown, "seeded": False}
    assert not migrations._had_nothing_to_do(note, unknown)


def test_the_audit_line_says_how_the_databases_stand(tmp_path):
    journal = Journal.create("t1", "me")
    journal.doc["migrations"] = [{"said": "the database blog is as before"}, {"name": "not begun"}]
    journal.close("restored")
    assert '"databases": ["the database blog is as before"]' in (tmp_path / places.AUDIT[1:]).read_text()


def test_a_row_is_told_without_sums_and_in_one_line():
    assert recordedsteps.told([3, "0003_users.sql", "a" * 64, None, "2026-11-21\n"]) == "3 0003_users.sql 2026-11-21"


def test_what_a_person_types_makes_a_database_of_postgresql_its_owners_again():
    place = {**PLACE, "user": "app-blog"}
    assert "-O app-blog blog && gzip" in DUMPERS["postgresql"].by_hand(place, "/x.gz")
    taken_over = DUMPERS["postgresql"].by_hand({**place, "before": {"owner": "Old One"}}, "/x.gz")
    acts = """psql -qc 'ALTER ROLE "app-blog" IN DATABASE "blog" SET role = "Old One"' && gzip"""
    assert "-O 'Old One' blog" in taken_over
    assert acts in taken_over


def failed_to_restore(**note):
    journal = Journal("t1", {"host": "web1"})
    dump = {"file": "/var/lib/deployer/dumps/blog.t1.before.gz"}
    return migrations._commands({**PLACE, "dump": dump, **note}, journal)


def test_what_is_said_to_do_about_a_database_that_was_not_put_back_is_typed_as_it_stands():
    again, by_hand, leave = failed_to_restore()
    assert again.startswith("deployer recover --host web1   #")
    assert by_hand.startswith("gzip -dc /var/lib/deployer/dumps/blog.t1.before.gz | mariadb   #")
    assert leave.startswith("deployer recover --host web1 --leave-database blog   #")
    assert len(failed_to_restore(dump=None)) == 1
    assert not any("gzip" in line for line in failed_to_restore(is_lost=True))


@pytest.mark.parametrize(
    "entry",
    [
        {"to": "/etc/passwd"},
        {"to": "/var/lib/app-blog/../x.db"},
        {"to": "/var/lib/app-shop/blog.db"},
        {"owner": "-x"},
        {"owner": "nobody-of-that-name"},
        {"from": "blog.db"},
    ],
)
def test_a_copy_goes_only_into_the_apps_own_folder(entry, monkeypatch):
    made = []
    monkeypatch.setattr(dumps, "run", lambda *words: made.append(words))
    monkeypatch.setattr(copysqlite.treestate, "user_id", {"root": 0, "app-blog": 900}.__getitem__)
    plain = {"from": "/srv/x/blog.db", "owner": "root", "to": "/var/lib/app-blog/blog.db", "user": "app-blog"}
    copysqlite.copy(plain, None)
    assert len(made) == 1
    with pytest.raises((Refusal, KeyError)):
        copysqlite.copy({**plain, **entry}, None)
    assert len(made) == 1

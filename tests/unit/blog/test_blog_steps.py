"""Migration steps: in order, once, and never rewritten behind the database's back."""

from pathlib import Path

import pytest
from blog.steps import MigrationError, pending, read_steps, split_statements


def write(directory: Path, **files: str) -> None:
    for name, sql in files.items():
        (directory / f"{name[1:]}.sql").write_text(sql)


def test_own_steps_are_readable_and_repeatable() -> None:
    steps = read_steps()
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    assert all(sql.startswith("CREATE TABLE IF NOT EXISTS") for step in steps for sql in step.statements)
    assert all("ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" in sql for step in steps for sql in step.statements)


def test_statements_split_at_line_ends_only() -> None:
    sql = "-- about; nothing\nINSERT INTO t VALUES ('a;b');\n\nUPDATE t\nSET x = 1; \n"
    assert split_statements(sql) == ("INSERT INTO t VALUES ('a;b')", "UPDATE t\nSET x = 1")


def test_only_what_is_missing_is_pending(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="A;", _0002_b="B;")
    one, two = read_steps(tmp_path)
    assert pending((one, two), {}) == (one, two)
    assert pending((one, two), {1: (one.name, one.sha256)}) == (two,)


def test_steps_of_a_newer_release_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="A;")
    (one,) = read_steps(tmp_path)
    assert pending((one,), {1: (one.name, one.sha256), 9: ("0009_new.sql", "f" * 64)}) == ()


def test_changed_step_is_refused(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="A;")
    with pytest.raises(MigrationError, match=r"0001_a\.sql was changed"):
        pending(read_steps(tmp_path), {1: ("0001_a.sql", "0" * 64)})


def test_step_below_an_applied_one_is_refused(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="A;", _0002_b="B;")
    one, two = read_steps(tmp_path)
    with pytest.raises(MigrationError, match="renumber"):
        pending((one, two), {2: (two.name, two.sha256)})


def test_bad_and_double_numbers_are_refused(tmp_path: Path) -> None:
    write(tmp_path, _0001_a="A;", _0001_b="B;")
    with pytest.raises(MigrationError, match="same number"):
        read_steps(tmp_path)
    (tmp_path / "0001_b.sql").rename(tmp_path / "1_b.sql")
    with pytest.raises(MigrationError, match=r"1_b\.sql"):
        read_steps(tmp_path)

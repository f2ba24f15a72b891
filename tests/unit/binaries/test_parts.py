"""Which part of the measurement of servers is asked for; what is measured is tried by `invoke bench.servers`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from invoke.context import Context
from invoke.exceptions import Exit

from deployer.binaries import needs
from deployer.errors import UsageError
from deployer.tasks.binaries import servers


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make no tree, measure nothing, and say what would have been."""
    found: list[str] = []

    @contextmanager
    def nothing(*_words: object, **_options: object) -> Iterator[Path]:
        yield Path()

    def seen(measure: needs.Measure) -> needs.Measure:
        def measured(_place: object) -> Iterator[needs.Figure]:
            found.append(f"{measure.__module__.rpartition('.')[2]}.{measure.__name__}")
            yield needs.Figure("one", 1.0)

        measured.__name__, measured.__module__ = measure.__name__, measure.__module__
        return measured

    monkeypatch.setattr(needs, "debian_tree", nothing)
    monkeypatch.setattr(needs, "inside", nothing)
    monkeypatch.setattr(needs, "MEASURES", {name: tuple(map(seen, each)) for name, each in needs.MEASURES.items()})
    return found


def test_a_server_is_measured_in_every_tree_and_by_every_subject(asked: list[str]) -> None:
    assert len(list(needs.measured(only="postgresql"))) == len(asked)
    assert asked == [
        *("databases.postgresql_15", "statements.postgresql_15"),
        *("databases.postgresql_17", "statements.postgresql_17"),
    ]


def test_a_subject_is_measured_of_every_server(asked: list[str]) -> None:
    list(needs.measured(only="tables"))
    assert asked == ["tables.mariadb", "tables.mariadb", "tables.mysql"]


def test_every_part_measures_something(asked: list[str]) -> None:
    assert {"mariadb", "mysql", "nginx", "redis", "sockets", "statements"} <= set(needs.parts())
    for part in needs.parts():
        asked.clear()
        list(needs.measured(only=part))
        assert asked, part


@pytest.mark.parametrize("options", [{"only": "oracle"}, {"only": "mariadb", "write": True}, {"runs": 0}])
def test_what_cannot_be_measured_is_said_before_anything_is(options: dict[str, object], asked: list[str]) -> None:
    with pytest.raises(Exit) as ended:
        servers(Context(), **options)
    assert ended.value.code == UsageError.exit_code
    assert asked == []

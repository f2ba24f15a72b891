"""gunicorn takes every setting as it is rendered; of a name that it does not know it would say nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from golden_hosts import committed, having, inventory

from deployer.binaries.gunicorn import ask, assigned, effective, gunicorn, log_findings
from deployer.binaries.python import PACKAGES, packages_of
from deployer.sandbox import Inside, inside

pytestmark = pytest.mark.real
APPS = [
    (name, path.split("/")[3])
    for name in having("/etc/deployer/")
    for path in committed(name)
    if path.endswith("/gunicorn.conf.py")
]


def as_said(value: object) -> tuple[str, str]:
    """How gunicorn prints a value; of addresses it makes a list."""
    return str(value), str([value])


def lock_of(name: str, app: str) -> Path:
    """The lock of the app's own source, as its inventory names it."""
    entry = inventory().entry(name)
    return (entry.folder / entry.declaration.apps[app].source / "requirements.lock").resolve()


@pytest.fixture
def app() -> str:
    """Name of the app; a test's own parameter takes its place."""
    return "blog"


@pytest.fixture
def place(tree: Callable[[str], Path], name: str, app: str) -> Iterator[Inside]:
    with inside(tree("bookworm"), folders={PACKAGES: packages_of(lock_of(name, app))}) as found:
        yield found


@pytest.mark.parametrize(("name", "app"), APPS)
def test_it_has_what_the_file_and_the_budget_say_and_serves(place: Inside, host, app: str):
    path = f"/etc/deployer/{app}/gunicorn.conf.py"
    place.lay(host.files)
    written = assigned(host.text(path))
    has, complaints = effective(place, path)
    assert complaints == []
    assert {name: has.get(name) for name in written if has.get(name) not in as_said(written[name])} == {}
    numbers = host.budget.numbers[app]
    assert {name: written[name] for name in written if name in numbers} == {
        name: numbers[name].value for name in numbers if name in written
    }
    assert {"workers", "timeout"} <= set(numbers) & set(written)

    with gunicorn(place, path) as server:
        server.wait(lambda: len(server.children) >= numbers["workers"].value, timeout_s=10)
        assert len(server.children) == numbers["workers"].value
        assert ask(place) == 200
    assert log_findings(server) == []


def test_a_name_that_gunicorn_does_not_know_is_seen_by_its_absence(place: Inside):
    place.lay({"/etc/gunicorn.conf.py": b"workers = 2\nworker_memory_limit = 200\n"})
    has, complaints = effective(place, "/etc/gunicorn.conf.py")
    assert (complaints, has["workers"]) == ([], "2")
    assert "worker_memory_limit" not in has


def test_a_value_that_gunicorn_refuses_is_a_complaint(place: Inside):
    place.lay({"/etc/gunicorn.conf.py": b"workers = -1\n"})
    _, complaints = effective(place, "/etc/gunicorn.conf.py")
    assert complaints

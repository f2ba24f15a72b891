"""Servers of several versions, from Debian trees, started for real with what deployer renders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from golden_hosts import GoldenHost

from deployer.sandbox import Inside, debian_tree, inside


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # a tree that this machine does not have yet is made by the first who asks, which is no test's own time
    for item in items:
        if Path(__file__).parent in item.path.parents and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.fixture(scope="session")
def tree(sandbox: Any) -> Iterator[Callable[[str], Path]]:
    """Give trees by name; each is made once on a machine, and held until the end of the run."""
    with ExitStack() as held:
        yield cache(lambda name: held.enter_context(debian_tree(name, lambda line: print(f"sandbox: {line}"))))


@pytest.fixture
def release() -> str:
    """Name of the tree; a test's own parameter takes its place."""
    return "bookworm"


@pytest.fixture
def name() -> str:
    """Name of the golden host; a test's own parameter takes its place."""
    return "blog1"


@pytest.fixture
def place(tree: Callable[[str], Path], release: str) -> Iterator[Inside]:
    """The inside of the tree `release`."""
    with inside(tree(release)) as found:
        yield found


@pytest.fixture
def host(name: str, release: str) -> GoldenHost:
    """The golden host `name`, as it is if its servers are those of `release`, else as it would be there."""
    return GoldenHost.of(name, release)

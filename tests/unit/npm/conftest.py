"""The packages of a test come from a registry on loopback, and are kept in the test's own folder."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_registry import TinyRegistry


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyRegistry]:
    tiny = TinyRegistry()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("npm_config_registry", tiny.address)
    monkeypatch.setattr("deployer.npm.registry.PAUSE_S", 0)
    yield tiny
    tiny.close()

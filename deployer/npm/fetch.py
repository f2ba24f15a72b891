"""From a lock to the tar of node_modules."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deployer.errors import PreparationFailed
from deployer.npm.lock import select_packages
from deployer.npm.platform import platform_of
from deployer.npm.registry import fetch_tarball, registry_of, with_npm_s_default
from deployer.npm.tree import node_modules

#: Tarballs that are fetched at the same time.
CONNECTIONS = 8


def fetch_node_modules(app: str, lock_path: Path, facts: Mapping[str, Any], say: Callable[[str], None]) -> bytes:
    """Fetch the npm packages of an app and pack them.

    Args:
        app: The app's name, for what is said.
        lock_path: Its package-lock.json, of version 2 or 3; an .npmrc beside it is heeded.
        facts: The host's: arch, glibc.
        say: Gets a line when something is fetched or left out.

    Returns:
        A tar of ``node_modules`` with its ``.bin``; the same lock and kind of host give the same bytes.

    Raises:
        PreparationFailed: The lock cannot be read or needs what cannot be fetched, or the registry does not give it.
    """
    try:
        lock = lock_path.read_bytes()
    except OSError as error:
        raise PreparationFailed(
            f"the lock of {app} cannot be read: {error}",
            where=str(lock_path),
            next_step="npm install --package-lock-only makes it",
        ) from error
    selection = select_packages(lock, platform_of(facts), str(lock_path))
    registry = registry_of(lock_path.parent)
    if not all(package.resolved for package in selection.packages):
        registry = with_npm_s_default(registry)
    for reason in selection.left_out:
        say(f"left out, as it is optional: {reason}")
    kept = _cache() / "npm"
    say(f"fetching {len(selection.packages)} npm packages of {app}, except those already here")
    with ThreadPoolExecutor(CONNECTIONS) as connections:
        fetching = [connections.submit(fetch_tarball, package, registry, kept) for package in selection.packages]
        try:
            tarballs = [future.result() for future in fetching]
        finally:
            for future in fetching:  # after the first failure the rest is not asked for
                future.cancel()
    return node_modules(zip(selection.packages, tarballs, strict=True))


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "deployer"

"""Debian trees with servers in them: to start a server of a given version for real, or to ask its binary.

A host of the sandbox has one Debian; the versions that deployer writes configuration for are in several. No host
stands on these trees: :mod:`deployer.sandbox.inside` runs programs in them.
"""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployer.sandbox.bootstrap import bootstrap
from deployer.sandbox.network import ensure_network
from deployer.sandbox.places import Places, places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import remove_tree
from deployer.sandbox.progress import Say, silent
from deployer.sandbox.requirements import missing_requirements
from deployer.sandbox.sources import machine_sources

#: Raised when the steps below change, so that older trees are not used any more.
_RECIPE: Final = 1
#: Nobody reads manuals in a tree. Their folders stay: Java's package fails without them.
_LEFT_OUT: Final = ("/usr/share/doc/*", "/usr/share/man/man*/*.gz", "/usr/share/locale/*", "/usr/share/i18n/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a tree is made of.

    Attributes:
        release: Debian's name of the release.
        packages: What is installed, with what these depend on.
    """

    release: str
    packages: tuple[str, ...]


#: Name: what is in it. MariaDB and MySQL exclude each other, so no tree has both.
TREES: Final[Mapping[str, Recipe]] = {
    "bookworm": Recipe(
        release="bookworm",
        packages=(
            *("nginx", "mariadb-server", "redis-server", "postgresql", "nodejs", "openjdk-17-jre-headless"),
            *("systemd", "python3"),
        ),
    ),
    "trixie": Recipe(
        release="trixie",
        packages=(
            *("nginx", "mariadb-server", "redis-server", "valkey-server", "postgresql", "nodejs"),
            *("openjdk-21-jre-headless", "systemd", "python3"),
        ),
    ),
    "sid": Recipe(
        release="sid", packages=("nginx", "mysql-server", "redis-server", "valkey-server", "nodejs", "mount")
    ),
}


@dataclass(frozen=True, slots=True)
class MadeTree:
    """A tree on this machine.

    Attributes:
        name: Its name in :data:`TREES`, or of an earlier one.
        folder: Where it is.
        current: It is what its recipe says now.
    """

    name: str
    folder: Path
    current: bool


@contextmanager
def debian_tree(name: str, say: Say = silent) -> Iterator[Path]:
    """Hold a tree of :data:`TREES`, making it first if this machine does not have it; nobody removes it meanwhile.

    It takes about a minute when it is made. What an interrupted run left half-made is removed; another process that
    makes the same tree is waited for; trees that an earlier recipe made are removed unless they are in use.

    Args:
        name: One of :data:`TREES`.
        say: Gets one line per step.

    Raises:
        SandboxError: There is no such tree, this machine cannot make it, or a package could not be installed.
    """
    if name not in TREES:
        raise SandboxError(f"there is no tree called {name!r}", next_step=f"those that exist: {', '.join(TREES)}")
    here = places()
    folder = _folder(here, name)
    with _held(folder, fcntl.LOCK_SH, here):
        made = folder.is_dir()
    if not made:
        _make(folder, name, here, say)
        _remove_outdated(here, name, say)
    with _held(folder, fcntl.LOCK_SH, here):
        yield folder


def made_trees() -> tuple[MadeTree, ...]:
    """List the trees of this machine by name."""
    here = places()
    if not here.trees.is_dir():
        return ()
    current = {_folder(here, name) for name in TREES}
    folders = sorted(path for path in here.trees.iterdir() if path.is_dir() and path.suffix != ".part")
    return tuple(MadeTree(folder.name.rpartition("-")[0], folder, folder in current) for folder in folders)


def _make(folder: Path, name: str, here: Places, say: Say) -> None:
    if reasons := missing_requirements():
        raise SandboxError(
            f"this machine cannot make a Debian tree: {'; '.join(reasons)}",
            next_step="run make setup as root on Debian",
        )
    here.make()
    ensure_network(here, say)
    recipe = TREES[name]
    with here.lock(folder.name, say, waiting_for=f"makes the tree {name}"):
        if folder.is_dir():
            return
        part = folder.with_name(f"{folder.name}.part")
        if part.exists():
            remove_tree(part)
        say(f"making the tree {name}: {', '.join(recipe.packages)} (once; about a minute)")
        bootstrap(
            part,
            recipe.release,
            machine_sources(recipe.release),
            recipe.packages,
            variant="essential",
            # a tree that a power cut left half-written is a .part, so nothing is lost by not waiting for the disk
            arguments=["--dpkgopt=force-unsafe-io", *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT)],
        )
        part.rename(folder)


def _remove_outdated(here: Places, name: str, say: Say) -> None:
    for tree in made_trees():
        if tree.name == name and not tree.current:
            with suppress(BlockingIOError), _held(tree.folder, fcntl.LOCK_EX | fcntl.LOCK_NB, here):
                say(f"removing {tree.folder.name}: the recipe of {name} is another one now")
                remove_tree(tree.folder)


def _folder(here: Places, name: str) -> Path:
    digest = hashlib.sha256(f"{_RECIPE} {TREES[name]} {_LEFT_OUT}".encode()).hexdigest()[:12]
    return here.trees / f"{name}-{digest}"


@contextmanager
def _held(folder: Path, how: int, here: Places) -> Iterator[None]:
    here.make()
    with (here.root / "locks" / f"use-{folder.name}").open("w") as file:
        fcntl.flock(file, how)
        yield

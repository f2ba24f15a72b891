"""What a service is to deployer: claims on the budget, numbers, and what it wants on the host, all of it as data.

A service never gets a connection. ``deployer/services/<name>/`` holds one each; they do not know one another, and
meet only in the declaration, the chain of connections and the budget. How to add one: docs/adding-a-service.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from deployer.budget import Claim, Grant, HostBudget, Reserve
from deployer.declaration import Declaration
from deployer.hardware import Declared
from deployer.links import Access, AppLinks, Chain
from deployer.numbers import Numbers
from deployer.wanted import (
    CandidateWanted,
    CommandWanted,
    DatabaseWanted,
    DirectoryWanted,
    FileWanted,
    HttpProbe,
    LinkWanted,
    PortWanted,
    ReleaseWanted,
    SecretWanted,
    StoreWanted,
    SysctlWanted,
    UnitWanted,
    UserWanted,
    Validator,
    Wanted,
    mask,
    together,
)

#: All that a service needs to be one, those of ``deployer.wanted`` too: a package from elsewhere imports only this.
__all__ = [
    "CandidateWanted",
    "CommandWanted",
    "Contradictions",
    "DatabaseWanted",
    "DirectoryWanted",
    "FileWanted",
    "HttpProbe",
    "LinkWanted",
    "PortWanted",
    "Rank",
    "ReleaseWanted",
    "Remedy",
    "SecretWanted",
    "Service",
    "StoreWanted",
    "SysctlWanted",
    "UnitWanted",
    "UserWanted",
    "Validator",
    "Wanted",
    "mask",
    "together",
]


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change of a declaration that makes it need less, in words that say what to write."""

    words: str
    declaration: Declaration


class Rank(IntEnum):
    """Where a service stands in the order of starting: what others need comes first."""

    SYSTEM = 0
    DATA = 1
    APP = 2
    JOB = 3
    FRONT = 4


#: Where in a host's entry something is wrong, and what: ``("apps", "blog", "database"), "this host has no database"``.
Contradictions = Iterable[tuple[tuple[str | int, ...], str]]


def _none(_declaration: Declaration) -> tuple[()]:
    return ()


def _no_disk(_declaration: Declaration, _numbers: Mapping[str, Numbers]) -> Numbers:
    return {}


def _no_links(_declaration: Declaration) -> Mapping[str, AppLinks]:
    return {}


def _no_versions(_declaration: Declaration) -> Mapping[str, str]:
    return {}


def _nothing(_declaration: Declaration, _app: str) -> Access:
    return Access()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What each folder below ``services/`` offers: functions of the declaration, all of them pure.

    Attributes:
        name: The service: the key under ``services`` of a host, or of an app that it runs.
        rank: When it starts.
        runs: Whether this host has it.
        claims: What it asks of the host's memory.
        reserves: Memory that it makes the kernel use, which nobody is given.
        numbers: Its settings, from what it was granted, by taker.
        disk: What it fills of the disk at the most, from the numbers of all takers: MiB by a name for people ("redo
            log", "releases of blog"). Logs, caches, redo and write-ahead logs, temporary files, copies that are kept;
            not the users' data, which gets what is left over.
        wanted: What it wants on the host.
        settings: What an inventory may say under ``services.NAME``; None: nothing.
        always: The settings are there with their defaults if the inventory says nothing.
        app_settings: What an app says under NAME to be run by it; None: it runs no apps.
        links: Processes and pools of what it runs, by taker: their part of the chain of connections.
        access: What an app that uses it is given (``database.server`` or ``uses`` of the app name it).
        remedies: Changes that would make it need less, tried when a host does not fit.
        contradictions: What in a declaration cannot be meant, beyond its form.
        versions: Release series that the budget was made for, by package.
        experimental: What of this declaration was never deployed and load-tested by the project, in words.
        templates: Folder of its templates, for a service outside this package.
    """

    name: str
    rank: Rank
    runs: Callable[[Declaration], bool]
    claims: Callable[[Declaration, Chain], Sequence[Claim]]
    numbers: Callable[[Declaration, Chain, Mapping[str, Grant]], Mapping[str, Numbers]]
    wanted: Callable[[Declaration, HostBudget], Wanted]
    settings: type[Declared] | None = None
    always: bool = False
    app_settings: type[Declared] | None = None
    reserves: Callable[[Declaration], Sequence[Reserve]] = _none
    disk: Callable[[Declaration, Mapping[str, Numbers]], Numbers] = _no_disk
    links: Callable[[Declaration], Mapping[str, AppLinks]] = _no_links
    access: Callable[[Declaration, str], Access] = _nothing
    remedies: Callable[[Declaration], Iterable[Remedy]] = _none
    contradictions: Callable[[Declaration], Contradictions] = _none
    versions: Callable[[Declaration], Mapping[str, str]] = _no_versions
    experimental: Callable[[Declaration], Sequence[str]] = _none
    templates: Path | None = None

    @property
    def is_used_by_apps(self) -> bool:
        """Whether an app may name it under ``uses``, or have its database there."""
        return self.access is not _nothing

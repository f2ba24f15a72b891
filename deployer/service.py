"""What a service is to deployer: claims on the budget, numbers, and what it wants on the host, all of it as data.

A service never gets a connection. ``deployer/services/<name>/`` holds one each; they do not know one another, and
meet only in the declaration, the chain of connections and the budget. How to add one: docs/adding-a-service.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

from deployer.budget import Claim, Grant, HostBudget, Reserve
from deployer.declaration import Declaration
from deployer.hardware import Declared
from deployer.links import Access, AppLinks, Chain
from deployer.numbers import Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWanted:
    """A whole file of ours on the host, made from a template.

    Attributes:
        taker: Whose numbers stand in its header: a service or an app.
        template: Path below ``templates/``.
        path: Where it goes on the host.
        mode: Permission bits, as octal text.
        owner: User by name.
        group: Group by name.
        context: What the template is given besides the declaration and the budget.
        reloads: Units that read it again on a reload.
        restarts: Units that have to be restarted for it.
        takes_over: What changes for who has a file of their own there, for people.
        dialect: How its text is read again and which registry judges its keys (``deployer/registry``); empty for a
            file that has no settings.
    """

    taker: str
    template: str
    path: str
    dialect: str = ""
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"
    context: Mapping[str, object] = field(default_factory=dict)
    reloads: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()
    takes_over: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWanted:
    """A symbolic link of ours; with a target of None, one that must not be there."""

    path: str
    target: str | None
    reloads: tuple[str, ...] = ()
    restarts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitWanted:
    """A systemd unit that runs and starts at boot.

    Attributes:
        unit: Full name.
        taker: Whose grant it runs in.
        listens: It is only a socket: it must be up before its service, and a deploy never takes it down.
    """

    unit: str
    taker: str
    listens: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserWanted:
    """A system user without login."""

    name: str
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryWanted:
    """A directory; mode is octal text."""

    path: str
    mode: str = "0755"
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretWanted:
    """A secret that the host makes for itself, once; it never leaves the host in clear.

    Attributes:
        path: Where it lies, 0600 root.
        random_bytes: How much randomness it holds.
    """

    path: str
    random_bytes: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseWanted:
    """A database and a user with all rights on it and on no other, whose password is a secret of the host.

    Attributes:
        server: Whose SQL is spoken.
        unit: The server's unit; the database is made once that runs.
        secret_path: Where the password lies; empty where the server knows the user by its system user (PostgreSQL).
    """

    server: Literal["mariadb", "mysql", "postgresql"]
    unit: str
    name: str
    user: str
    secret_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SysctlWanted:
    """A setting of the kernel; what it was before is put back with the rest if a deploy fails.

    Attributes:
        name: As sysctl writes it: ``net.core.somaxconn``.
        value: What it shall be.
        because: Why, for people.
        least: The host may have more: then nothing is changed.
    """

    name: str
    value: str
    because: str
    least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandWanted:
    """A command of the app's own, run as its user between database and start.

    Attributes:
        name: For people.
        argv: Words of the command; the first is a program of the app's environment.
        before: Unit that must not be started or restarted before it has run.
        once: Key under which the host remembers that it is done; None runs it with every new release.
        user: Who runs it.
        cwd: Where it is run.
        environment: What it is given.
        environment_file: File with more of it, which the release may bring.
        credentials: Secrets by name, and their paths on the host.
        groups: System groups besides the user's own: those that may open the sockets of servers.
    """

    name: str
    argv: tuple[str, ...]
    before: str
    once: str | None
    app: str
    user: str
    cwd: str
    environment: Mapping[str, str]
    environment_file: str
    credentials: Mapping[str, str]
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validator:
    """The host's own binary judging the staged files.

    Attributes:
        name: For people.
        argv: The command.
        allowed: Patterns of output lines that are no finding; any other line is one.
    """

    name: str
    argv: tuple[str, ...]
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """A request that has to be answered before a deploy is committed: to ``port`` of this host, or to ``socket``.

    Attributes:
        unit: The one process of several that answers it: the next is not restarted before it does.
    """

    path: str
    host: str
    unit: str = ""
    port: int = 0
    socket: str = ""
    tls: bool = False
    status: tuple[int, ...] = (200,)
    contains: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseWanted:
    """An app's code, and the packages that it needs besides.

    Attributes:
        app: The app's name.
        folder: Folder of all its releases on the host.
        user: Who runs it.
        current: Link to the live release.
        restarts: Units that have to be restarted for another release.
        packages: ``python``: a virtual environment, from a requirements file with hashes; ``node``: a node_modules
            from a package-lock.json; ``none``: the source is all that it needs.
        lock: That file, relative to the source.
        environments: Folder of its environments, one per content of that file.
        environment: Link to the live environment.
        must_have: Files that the source must hold, relative to it, each with what makes it.
        lock_names: Packages that the lock must name, as it writes them, each with what to do otherwise.
    """

    app: str
    folder: str
    user: str
    current: str
    restarts: tuple[str, ...]
    packages: Literal["python", "node", "none"] = "none"
    lock: str = ""
    environments: str = ""
    environment: str = ""
    must_have: Mapping[str, str] = field(default_factory=dict)
    lock_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PortWanted:
    """A TCP port that a service listens on.

    Attributes:
        port: Its number.
        service: Who wants it, for people.
        programs: Processes that may hold it already: the service itself.
    """

    port: int
    service: str
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Everything that one service wants on the host, in no particular order but that of its units and commands.

    Attributes:
        must_exist: Paths that somebody else has to have put on the host (certificates), each with what it is.
        ports: TCP ports that it listens on.
    """

    packages: tuple[str, ...] = ()
    users: tuple[UserWanted, ...] = ()
    directories: tuple[DirectoryWanted, ...] = ()
    secrets: tuple[SecretWanted, ...] = ()
    releases: tuple[ReleaseWanted, ...] = ()
    files: tuple[FileWanted, ...] = ()
    links: tuple[LinkWanted, ...] = ()
    databases: tuple[DatabaseWanted, ...] = ()
    commands: tuple[CommandWanted, ...] = ()
    units: tuple[UnitWanted, ...] = ()
    sysctls: tuple[SysctlWanted, ...] = ()
    validators: tuple[Validator, ...] = ()
    probes: tuple[HttpProbe, ...] = ()
    must_exist: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PortWanted, ...] = ()


def together(parts: Sequence[Wanted]) -> Wanted:
    """Put several wishes into one, in their order."""
    merged: dict[str, Any] = {}
    for one in fields(Wanted):
        values = [getattr(part, one.name) for part in parts]
        if values and isinstance(values[0], Mapping):
            merged[one.name] = {key: value for found in values for key, value in found.items()}
        else:
            merged[one.name] = tuple(found for value in values for found in value)
    return Wanted(**merged) if parts else Wanted()


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

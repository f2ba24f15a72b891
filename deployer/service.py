"""What a service is to deployer: claims on the budget, numbers, and what it wants on the host, all of it as data.

A service never gets a connection. ``deployer/services/<name>/`` holds one each; they do not know one another, and
meet only in the declaration, the chain of connections and the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from deployer.budget import Chain, Claim, Grant, HostBudget, Numbers
    from deployer.declaration import Declaration


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
    """

    taker: str
    template: str
    path: str
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
        unit: The server's unit; the database is made once that runs.
    """

    unit: str
    name: str
    user: str
    secret_path: str


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
        credentials: Secrets by name, and their paths on the host.
    """

    name: str
    argv: tuple[str, ...]
    before: str
    once: str | None
    app: str
    user: str
    cwd: str
    environment: Mapping[str, str]
    credentials: Mapping[str, str]


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
    """A request that has to be answered before a deploy is committed: to ``port`` of this host, or to ``socket``."""

    path: str
    host: str
    port: int = 0
    socket: str = ""
    tls: bool = False
    status: tuple[int, ...] = (200,)
    contains: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseWanted:
    """An app's code and its Python environment.

    Attributes:
        app: The app's name.
        folder: Folder of all its releases on the host.
        venvs: Folder of its environments; one per content of the requirements file.
        user: Who runs it.
        current: Link to the live release.
        venv: Link to the live environment.
        restarts: Units that have to be restarted for another release.
    """

    app: str
    folder: str
    venvs: str
    user: str
    current: str
    venv: str
    restarts: tuple[str, ...]


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
    validators: tuple[Validator, ...] = ()
    probes: tuple[HttpProbe, ...] = ()
    must_exist: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What each folder below ``services/`` offers: four functions of the declaration, all of them pure.

    Attributes:
        name: The service.
        runs: Whether this host has it.
        claims: What it asks of the host's memory.
        numbers: Its settings, from what it was granted, by taker.
        wanted: What it wants on the host.
    """

    name: str
    runs: Callable[[Declaration], bool]
    claims: Callable[[Declaration, Chain], Sequence[Claim]]
    numbers: Callable[[Declaration, Chain, Mapping[str, Grant]], Mapping[str, Numbers]]
    wanted: Callable[[Declaration, HostBudget], Wanted]

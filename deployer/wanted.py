"""What a service wants on the host: files, units, users, databases, commands and the rest, all of it as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal


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


#: Where units of the administrator are, and with them ours.
UNIT_FOLDER = "/etc/systemd/system/"
_NOTHING = "/dev/null"


def mask(unit: str) -> LinkWanted:
    """Want that a package's unit never starts, whatever an upgrade of the package enables."""
    return LinkWanted(path=f"{UNIT_FOLDER}{unit}", target=_NOTHING)


def masked(links: Iterable[LinkWanted]) -> tuple[str, ...]:
    """Name the units that never start."""
    return tuple(link.path.removeprefix(UNIT_FOLDER) for link in links if link.target == _NOTHING)


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
    """A secret: made by the host for itself, once, which never leaves it; or given to it from outside.

    Attributes:
        path: Where it lies, 0600 root.
        random_bytes: How much randomness it holds, if the host makes it.
        source: Where it is read, in words; empty: the host makes it. Its value is no part of what is wanted.
        restarts: Units that have to be restarted when it is another one.
    """

    path: str
    random_bytes: int = 32
    source: str = ""
    restarts: tuple[str, ...] = ()


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
class StoreWanted:
    """Where the database of an app is, for those who look at it before a migration, dump it and put it back.

    Attributes:
        app: Whose it is.
        server: Which kind.
        unit: The server's unit; empty where it is a file.
        name: Its name.
        user: Database user, and of a file the system user that owns it.
        path: The file, if it is one.
    """

    app: str
    server: Literal["mariadb", "mysql", "postgresql", "sqlite"]
    unit: str
    name: str
    user: str
    path: str = ""


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
class CandidateWanted:
    """One process of a new release, which has to answer where no visitor is led before the app's units are touched.

    Attributes:
        app: The app's name.
        unit: Its service unit, which nothing but a deploy starts.
        socket_unit: Its socket unit; empty if it listens on a port.
        before: The app's units that serve visitors: none is restarted before the candidate has answered.
        holds: The one of them that is stopped for its time, for there is no memory for two; empty: none is.
        probe: What it has to answer.
    """

    app: str
    unit: str
    socket_unit: str
    before: tuple[str, ...]
    holds: str
    probe: HttpProbe


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
    candidates: tuple[CandidateWanted, ...] = ()
    files: tuple[FileWanted, ...] = ()
    links: tuple[LinkWanted, ...] = ()
    databases: tuple[DatabaseWanted, ...] = ()
    stores: tuple[StoreWanted, ...] = ()
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

"""An app: code of the user's own that a host runs behind nginx."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from deployer.hardware import Declared
from deployer.references import AppSecret, LocalPath, SecretName, SecretSource

#: Names that end up in paths, unit names, Linux users and database identifiers alike, so the strictest of them rules.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")]
ServerName = Annotated[
    str,
    StringConstraints(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$"),
]
HostPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_./@+-]+$")]
UrlPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_./~%?&=+-]*$")]
ModuleName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
#: Narrower than HTTP's own: nginx has no variable for a cookie with another sign in its name.
CookieName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]
#: A path alone: nginx compares it with what stands before the question mark, decoded.
PlainPath = Annotated[str, StringConstraints(pattern=r"^/[A-Za-z0-9_./~+-]*$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{0,63}$")]
EnvironmentValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{0,1024}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,1024}$")]


def inside_the_source(path: str) -> str:
    """Refuse a path that does not name something inside an app's source; give it back as it is.

    Raises:
        ValueError: It is absolute, leads out of the source, is the source itself, or looks like an option.
    """
    parts = PurePosixPath(path).parts
    if path.startswith("/"):
        raise ValueError(f"{path} is a path of the whole machine; write it relative to the source of the app")
    if ".." in parts:
        raise ValueError(f"{path} may lead out of the source of the app; write the way to it without ..")
    if not parts:
        raise ValueError(f"{path} is the source itself; name a file in it")
    if path.startswith("-"):
        raise ValueError(f"{path} would be taken for an option by what runs it; write ./{path}")
    return path


#: A file of an app's own, relative to its source.
SourceFile = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_@./+-]+$"), AfterValidator(inside_the_source)]


class Tls(Declared):
    """Certificate files that are on the host already (certbot's, a provider's, the sandbox's own)."""

    certificate_file: HostPath
    """Path of the certificate chain on the host, PEM."""
    key_file: HostPath
    """Path of the private key on the host, PEM."""


class AppDatabase(Declared):
    """The database of an app: made on the host, with a user and a generated password of its own."""

    server: ServiceName | None = None
    """Service of this host that holds it: mysql, postgresql, sqlite; left out: the only one that the host has."""
    name: Name | None = None
    """Database and database user; the app's name if left out."""
    migrate: tuple[Word, ...] = ()
    """Command that brings the schema up to date, as a list of words: [python, -m, blog.migrate]."""
    seed: tuple[Word, ...] = ()
    """Command run once in the database's life, after the first migration."""
    before_migration: Literal["dump", "steps"] = "dump"
    """What makes a failed migration harmless. dump: a dump is taken before it, and put back if the deploy fails.
    steps: nothing is put back; the migration's own tool does whole steps, each of which the release before can serve.
    """
    dump_room_mib: Annotated[int, Field(ge=16, le=1024 * 1024)] = 512
    """What its dumps may fill of the disk, MiB: at least twice its data, else a deploy that migrates is refused."""
    migrate_memory_mib: Annotated[int, Field(ge=16, le=64 * 1024)] | None = None
    """Memory of the migration and of the seed at their worst, MiB. Left out: 96, or what a small heap needs."""

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The commands that a deploy runs on it, one after the other."""
        return tuple(words for words in (self.migrate, self.seed) if words)

    @property
    def is_dumped(self) -> bool:
        """Whether a deploy may have to dump it."""
        return bool(self.migrate) and self.before_migration == "dump"


#: A name of a worker or timer of an app; it becomes part of a unit's name.
JobName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")]
ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{0,15}$")]
#: What systemd.time(7) takes for OnCalendar; the host's own systemd-analyze judges it before it goes live.
Calendar = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9*,.:/~ -]{1,80}$")]


class Job(Declared):
    """A command of an app that serves no visitors."""

    command: Annotated[tuple[Word, ...], Field(min_length=1)]
    """The command, as a list of words: [python, -m, shop.worker]."""
    memory_mib: Annotated[int, Field(ge=16, le=64 * 1024)] | None = None
    """Memory of one process of it at its worst, MiB; it is its MemoryMax. Left out: 96, or what a small heap needs."""
    pool_size: Annotated[int, Field(ge=0, le=200)] = 1
    """Connections of one process to each server that the app uses."""


class BackgroundWorker(Job):
    """A command of an app that always runs: it takes work from a queue, sends mail, and the like."""

    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """How many of it run."""


class Timer(Job):
    """A command of an app that runs now and then."""

    on_calendar: Calendar
    """When it runs, as systemd.time(7) writes it: daily, or *-*-* 04:00."""
    timeout_s: Annotated[int, Field(ge=1, le=86_400)] = 3600
    """It is ended after so long, seconds."""


class Websockets(Declared):
    """Long-lived connections of an app: WebSockets, or streams of events."""

    path: PlainPath
    """Path that they are opened at, and all below it."""
    connections: Annotated[int, Field(ge=1, le=100_000)]
    """How many are held at the same time; they are part of target.connections."""
    memory_kib: Annotated[int, Field(ge=1, le=10_240)] = 64
    """What the app holds in memory for each of them, KiB."""


class App(Declared):
    """One web app: where its source is, under which names it is reached, and what it needs besides.

    The key that says how it is run is that of the service that runs it (``gunicorn``, ``node``); services bring these
    keys along, and ``catalog`` puts them together.
    """

    source: LocalPath
    """Folder of the source, relative to the inventory file."""
    server_names: Annotated[tuple[ServerName, ...], Field(min_length=1)]
    """Host names that visitors use; the first is the canonical one."""
    tls: Tls | None = None
    """Certificate; without it the site is plain http."""
    static: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_./-]+$")] | None = None
    """Folder of static files inside the source, served by nginx under /static/."""
    health_path: UrlPath = "/healthz"
    """Path that answers 200 when the app and its database are well."""
    session_cookie: CookieName | None = None
    """Cookie of a logged-in visitor (letters, digits, _): with it a page is never cached; without this nothing is."""
    cache_s: Annotated[int, Field(ge=0, le=3600)] = 2
    """How long an anonymous page may be served from nginx's micro-cache, seconds; 0 switches it off."""
    max_upload_mib: Annotated[int, Field(ge=1, le=1024)] = 2
    """Largest request body, MiB."""
    uploads_at_once: Annotated[int, Field(ge=1, le=1000)] = 4
    """Bodies of that size that are on their way at the same time; they wait on the disk. More are told 429."""
    websockets: Websockets | None = None
    """Its long-lived connections, if it has any."""
    database: AppDatabase | None = None
    """Its database on this host; leave out if it has none."""
    uses: tuple[ServiceName, ...] = ()
    """Other services of this host that it opens connections to: [redis]."""
    background: dict[JobName, BackgroundWorker] = Field(default_factory=dict)
    """Commands of it that always run, by a short name each."""
    timers: dict[JobName, Timer] = Field(default_factory=dict)
    """Commands of it that run now and then, by a short name each."""
    environment: dict[EnvironmentName, EnvironmentValue] = Field(default_factory=dict)
    """Environment of the app; no secrets here."""
    login_path: PlainPath | None = None
    """Path that log-ins are posted to; visitors get only a few tries a minute there."""
    internet: bool = True
    """Whether the app itself may open connections to other machines; false takes the network away from it."""
    secrets: tuple[SecretName | AppSecret, ...] = ()
    """Secrets, given to the app as systemd credentials: [session_secret, {name: stripe_key, env: STRIPE_KEY}]."""

    @property
    def secret_sources(self) -> Mapping[str, SecretSource | None]:
        """Give each secret's source by its name; None: the host makes it."""
        named = (AppSecret(name=one) if isinstance(one, str) else one for one in self.secrets)
        return {one.name: one if one.way else None for one in named}

    @property
    def runners(self) -> tuple[str, ...]:
        """Services that the app says shall run it; the inventory sees to it that there is one."""
        fields = type(self).model_fields
        return tuple(name for name in fields if name not in App.model_fields and getattr(self, name) is not None)

    def run_by(self, service: str) -> Declared | None:
        """Give what the app says under the name of a service that runs apps; None: it is not run by that."""
        found = getattr(self, service, None) if service in self.runners else None
        return found if isinstance(found, Declared) else None

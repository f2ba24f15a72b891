"""An app: code of the user's own that a host runs behind nginx."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from deployer.hardware import Declared

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


class Tls(Declared):
    """Certificate files that are on the host already (certbot's, a provider's, the sandbox's own)."""

    certificate_file: HostPath
    """Path of the certificate chain on the host, PEM."""
    key_file: HostPath
    """Path of the private key on the host, PEM."""


class AppDatabase(Declared):
    """The database of an app: made on the host, with a user and a generated password of its own."""

    name: Name | None = None
    """Database and database user; the app's name if left out."""
    migrate: tuple[Word, ...] = ()
    """Command that brings the schema up to date, as a list of words: [python, -m, blog.migrate]."""
    seed: tuple[Word, ...] = ()
    """Command run once in the database's life, after the first migration."""


class GunicornSettings(Declared):
    """What may be pinned of gunicorn; what is left out is derived from the budget."""

    workers: Annotated[int, Field(ge=1, le=64)] | None = None
    """Worker processes."""
    worker_memory_mib: Annotated[int, Field(ge=24, le=8192)] | None = None
    """Memory of one worker of this app at its worst, MiB, if you measured it."""
    pool_size: Annotated[int, Field(ge=1, le=200)] | None = None
    """Database connections of one worker."""
    worker_class: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")] = (
        "uvicorn_worker.UvicornWorker"
    )
    """gunicorn's worker class; the default runs ASGI apps such as FastAPI."""
    max_requests: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """A worker is replaced after so many requests, against leaks; 0 never does."""
    timeout_s: Annotated[int, Field(ge=1, le=600)] = 30
    """A worker that is silent for so long is replaced, seconds."""


class App(Declared):
    """One web app: where its source is, how it starts, and under which names it is reached."""

    source: str
    """Folder of the source, relative to the inventory file."""
    module: ModuleName
    """What gunicorn imports: package.module:object."""
    requirements: str = "requirements.lock"
    """Requirements file with hashes, relative to the source."""
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
    database: AppDatabase | None = None
    """Its database on this host's mysql; leave out if it has none."""
    environment: dict[EnvironmentName, EnvironmentValue] = Field(default_factory=dict)
    """Environment of the app; no secrets here."""
    login_path: PlainPath | None = None
    """Path that log-ins are posted to; visitors get only a few tries a minute there."""
    internet: bool = True
    """Whether the app itself may open connections to other machines; false takes the network away from it."""
    secrets: tuple[Token, ...] = ()
    """Secrets generated on the host and given to the app as systemd credentials: [session_secret]."""
    gunicorn: GunicornSettings = GunicornSettings()
    """Pins for gunicorn."""

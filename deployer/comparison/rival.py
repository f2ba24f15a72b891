"""What each rival sets, and the files that it becomes. Pure but for the reading of its own data."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import jinja2

CONFIGS: Final = Path(__file__).with_name("configs")
SOCKET: Final = "/run/blog/blog.sock"
#: Where a rival's settings of the database go: the last file that Debian's MariaDB reads.
CNF_PATH: Final = "/etc/mysql/mariadb.conf.d/99-comparison.cnf"
_TEMPLATES: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(CONFIGS),
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701 - configs, not pages
)

Value = int | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One who runs the same blog with other settings.

    Attributes:
        key: Its name in the data.
        title: Its name for people.
        workers: Processes of gunicorn.
        pool_size: Connections to the database that each of them may have.
        nginx: Directives that Debian's ``nginx.conf`` gets, by name; they take the place of those that are there.
        mariadb: Variables of the server, by name.
    """

    key: str
    title: str
    workers: int
    pool_size: int
    nginx: Mapping[str, Value] = field(default_factory=dict)
    mariadb: Mapping[str, Value] = field(default_factory=dict)

    def advised(self, variables: Mapping[str, Value]) -> Rival:
        """Give the same one with more variables of the server set."""
        return replace(self, mariadb={**self.mariadb, **variables})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The app that all of them run.

    Attributes:
        app: Its name.
        module: What gunicorn loads.
        worker_class: Gunicorn's kind of worker for it.
        server_name: Name that visitors ask for.
        certificate_file: Its certificate on the host.
        key_file: The certificate's key.
        static: Folder of its static files, in its code.
        session_cookie: Cookie of visitors whose pages are their own.
        cache_s: How long a page is kept, s.
        database: Name of its database and of the database's user.
        packages: Debian packages that it needs.
    """

    app: str
    module: str
    worker_class: str
    server_name: str
    certificate_file: str
    key_file: str
    static: str
    session_cookie: str
    cache_s: float
    database: str
    packages: tuple[str, ...]

    @property
    def code(self) -> str:
        """Folder of its code on the host."""
        return f"/srv/{self.app}/current/code"

    @property
    def environment(self) -> str:
        """Folder of its Python packages on the host."""
        return f"/srv/{self.app}/current/venv"


def rivals() -> dict[str, Rival]:
    """Read the data: every rival by its key, in order."""
    found = tomllib.loads((CONFIGS / "rivals.toml").read_text(encoding="utf-8"))
    return {key: Rival(key=key, **values) for key, values in found.items()}


def site_conf(subject: Subject) -> str:
    """Write nginx's site, the same for every rival."""
    return _TEMPLATES.get_template("site.conf.j2").render(
        socket=SOCKET,
        server_name=subject.server_name,
        certificate_file=subject.certificate_file,
        key_file=subject.key_file,
        code=subject.code,
        static=subject.static.strip("/"),
        cache_s=f"{subject.cache_s:g}",
        session_cookie=subject.session_cookie,
    )


def unit(rival: Rival, subject: Subject) -> str:
    """Write the app's unit."""
    return _TEMPLATES.get_template("blog.service.j2").render(
        socket=SOCKET,
        code=subject.code,
        environment=subject.environment,
        database=subject.database,
        pool_size=rival.pool_size,
        workers=rival.workers,
        worker_class=subject.worker_class,
        module=subject.module,
    )


def nginx_conf(packaged: str, directives: Mapping[str, Value]) -> str:
    """Set directives in the package's own ``nginx.conf``: where they stand, else at its beginning, which is main's."""
    text = packaged
    for name, value in directives.items():
        text, count = re.subn(rf"(^|[{{\s]){re.escape(name)}\s+[^;]*;", rf"\g<1>{name} {value};", text)
        if not count:
            text = f"{name} {value};\n{text}"
    return text


def mariadb_cnf(variables: Mapping[str, Value]) -> str:
    """Write the server's settings; without any there is nothing but the group."""
    return "[mariadbd]\n" + "".join(f"{name} = {value}\n" for name, value in variables.items())

"""What of the apps' paths cannot be meant: nginx would refuse two of one kind, or answer otherwise than is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from deployer.app import App
from deployer.declaration import Declaration
from deployer.service import Contradictions
from deployer.services.nginx.settings import cached_apps, settings_of

#: What nginx itself answers: certificate authorities' questions, and the files of ``static``.
CHALLENGES, STATIC = "/.well-known/acme-challenge/", "/static/"
#: What it gives nobody, as ``templates/nginx/app.conf.j2`` has it: hidden files, and what editors leave behind.
HIDDEN = re.compile(r"/\.(?!well-known/)|\.(bak|old|orig|save|swp|sql|env)$", re.IGNORECASE)

Found = Iterator[tuple[str, str]]


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse caches that the disk has no room for, and paths that nginx cannot tell apart."""
    caches_mib = len(cached_apps(declaration)) * settings_of(declaration).cache_disk_mib
    disk_gib = declaration.hardware.disk_gib
    if caches_mib > disk_gib * 1024 // 2:
        yield (
            ("services", "nginx", "cache_disk_mib"),
            f"the caches of all apps take {caches_mib} MiB, more than half of the disk of {disk_gib} GiB",
        )
    for name, app in declaration.apps.items():
        for check in (_static, _websockets, _login, _health):
            yield from ((("apps", name, *key.split(".")), message) for key, message in check(app))


def _static(app: App) -> Found:
    parts = PurePosixPath(app.static.strip("/")).parts if app.static is not None else ("static",)
    if ".." in parts:
        yield "static", "it leads out of the source; name a folder inside it"
    elif not parts:
        yield "static", "everybody could read the whole source; name the folder of the static files alone"


def _websockets(app: App) -> Found:
    if app.websockets is None:
        return
    key, path = "websockets.path", app.websockets.path
    yield from _taken(app, key, path)
    if path == "/":
        yield key, "every page would be a long-lived connection; write the path that they are opened at, such as /live"
    elif path == app.login_path:
        yield key, "login_path is the same, which is no place for long-lived connections"


def _login(app: App) -> Found:
    if app.login_path is None:
        return
    yield from _taken(app, "login_path", app.login_path)
    if app.login_path == "/":
        yield "login_path", "visitors would get the home page only a few times a minute; write the path of the log-in"


def _health(app: App) -> Found:
    path = app.health_path.partition("?")[0]
    yield from _taken(app, "health_path", path)
    if HIDDEN.search(path) and not _is_below(path, CHALLENGES):
        yield "health_path", "nginx answers 404 there: hidden files, and what editors leave behind, are given to nobody"
    elif path == app.login_path:
        yield "health_path", "login_path is the same, where visitors get only a few tries a minute"


def _taken(app: App, key: str, path: str) -> Found:
    """Refuse a path that nginx answers itself, and one that it never compares with: it takes dots and // out first."""
    if "//" in path or {".", ".."} & set(path.split("/")):
        yield key, "nginx never sees a path with //, /./ or /../ in it; write it without them"
    elif _is_below(path, CHALLENGES):
        yield key, f"nginx answers what is below {CHALLENGES} itself; write another path"
    elif app.static is not None and _is_below(path, STATIC):
        yield key, f"nginx gives the files of static below {STATIC}; write another path"


def _is_below(path: str, folder: str) -> bool:
    return f"{path}/".startswith(folder)

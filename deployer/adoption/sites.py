"""Sites that nginx serves now: who serves each name once nginx.conf is the inventory's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from deployer.adoption.fates import Choices, FileFate, Lacking, SiteFate
from deployer.adoption.found import Found
from deployer.render import Rendered
from deployer.services.nginx.settings import settings_of

MAIN = "/etc/nginx/nginx.conf"
#: Files that every nginx.conf reads, ours too.
STILL_READ = (MAIN, "/etc/nginx/mime.types")
#: What stands for no name at all.
NAMELESS = ("", "_", "localhost", '""')


def stays(rendered: Rendered, path: str) -> bool:
    """Say whether the inventory's nginx.conf goes on reading a file of theirs."""
    patterns = settings_of(rendered.declaration).include
    return path not in STILL_READ and any(PurePosixPath(path).match(pattern) for pattern in patterns)


def site_fates(rendered: Rendered, found: Found, choices: Choices) -> tuple[SiteFate, ...]:
    """Say of each name that is served now who serves it afterwards."""
    fates: dict[tuple[str, str], SiteFate] = {}
    for site in found.told["sites"]:
        for fate in _fates_of(rendered, found, choices, site):
            before = fates.get((fate.name, fate.file))
            if before is None or (fate.by and not before.by):
                fates[fate.name, fate.file] = fate
    return tuple(fates.values())


def _fates_of(rendered: Rendered, found: Found, choices: Choices, site: Mapping[str, Any]) -> Iterator[SiteFate]:
    file, does = str(site["file"]), _does(site)
    for name in site["names"] or ["_"]:
        app = _app_of(rendered, name)
        if stays(rendered, file):
            yield SiteFate(name, file, "kept", app or does)
        elif app:
            yield SiteFate(name, file, "taken over", app)
        elif name in NAMELESS:
            handle = f"_:{_port(site)}"
            is_same = bool(site["passes"]) and all(_is_stopped(found, choices, place) for place in site["passes"])
            fate = SiteFate(handle, file, "dropped" if is_same or handle in choices.drop else "lost", does)
            yield fate
        else:
            yield SiteFate(name, file, "dropped" if name in choices.drop else "lost", does)


def _app_of(rendered: Rendered, name: str) -> str:
    for app, said in rendered.declaration.apps.items():
        for ours in said.server_names:
            if name == ours or (ours.startswith("*.") and name.endswith(ours[1:])):
                return app
    return ""


def _does(site: Mapping[str, Any]) -> str:
    if site["passes"]:
        return f"passed to {', '.join(site['passes'])}"
    return f"files of {', '.join(site['roots'])}" if site["roots"] else ""


def _port(site: Mapping[str, Any]) -> str:
    listens = str((site["listens"] or ["80"])[0])
    return listens.rpartition(":")[2] if not listens.startswith("unix:") else listens


def _is_stopped(found: Found, choices: Choices, place: str) -> bool:
    listener = found.listener(place)
    return listener is not None and listener[0] in choices.stop


def lacking(rendered: Rendered, found: Found, fates: tuple[SiteFate, ...]) -> Iterator[Lacking]:
    """Say what of the sites nobody decided."""
    web = found.told.get("web")
    if web is not None and not web["is_read"]:
        yield Lacking(
            "nginx does not read its own config, so nobody knows what it serves", "put right what `nginx -t` says"
        )
    for fate in fates:
        if fate.fate == "lost":
            does = f", {fate.by}," if fate.by else ""
            yield Lacking(
                f"site {fate.name} in {fate.file}{does} is served by nobody after this",
                f"keep its file (services.nginx.include: [{fate.file}]), make it an app, or say --drop {fate.name}",
            )
        elif fate.fate == "kept" and fate.by in rendered.declaration.apps:
            yield Lacking(
                f"{fate.name} would be served twice: by app {fate.by}, and by {fate.file}, which stays",
                "name in services.nginx.include only the files that stay, without this one",
            )


def file_fates(rendered: Rendered, found: Found) -> Iterator[FileFate]:
    """Give the files that nginx reads now and not afterwards; they stay where they are."""
    for path in found.told["web_files"]:
        if path not in STILL_READ and not stays(rendered, path):
            yield FileFate(path, "not read", path, "nginx reads it no more")

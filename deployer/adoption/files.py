"""Files of theirs that hold data: SQLite, which the app that takes over gets a copy of, and folders of uploads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from deployer.adoption.fates import Choices, DataFate, Lacking, UnitFate
from deployer.adoption.found import Found
from deployer.apps import AppPlaces
from deployer.plan import Change
from deployer.render import Rendered
from deployer.wanted import StoreWanted

#: Where one file of theirs goes.
Copies = Mapping[str, StoreWanted]


def copies(rendered: Rendered, found: Found, units: tuple[UnitFate, ...], choices: Choices) -> Copies:
    """Give by path the files that apps get: of a service that is stopped, or asked about, where there is no doubt."""
    candidates = _candidates(found, units, choices)
    taken = {}
    for store in _stores(rendered):
        its = [one for one in candidates if PurePosixPath(one["file"]).stem == store.name] or candidates
        if len(its) == 1:
            taken[str(its[0]["file"])] = store
    return taken


def lacking(rendered: Rendered, found: Found, units: tuple[UnitFate, ...], choices: Choices) -> Iterator[Lacking]:
    """Ask where it is not plain which file an app is to get."""
    candidates = _candidates(found, units, choices)
    known = copies(rendered, found, units, choices)
    for store in _stores(rendered):
        if len(candidates) > 1 and store not in known.values():
            files = ", ".join(str(one["file"]) for one in candidates)
            yield Lacking(
                f"app {store.app} gets a copy of one of these files: {files}",
                "--drop FILE for each that stays behind, or name its database as the file is called",
            )


def data_fates(found: Found, copied: Copies) -> Iterator[DataFate]:
    """Say of each SQLite file what becomes of it."""
    for one in found.told["sqlite"]:
        path, store = str(one["file"]), copied.get(str(one["file"]))
        what = f"SQLite of {one['unit']}, {one['mib']:g} MiB; stays"
        if store is None:
            yield DataFate(path, f"{what}, no app of the inventory gets it")
        else:
            yield DataFate(
                path, f"{what}; app {store.app} gets a copy, {store.path}, made once {one['unit']} has stopped"
            )


def activations(found: Found, copied: Copies) -> list[dict[str, Any]]:
    """Give the activations that make the copies."""
    return [
        {
            "kind": "copy",
            "name": f"{one['file']} to {copied[one['file']].path}",
            "from": one["file"],
            "owner": one["owner"],
            "to": copied[one["file"]].path,
            "user": copied[one["file"]].user,
        }
        for one in found.told["sqlite"]
        if one["file"] in copied
    ]


def changes(copied: Copies) -> list[Change]:
    """Say the same for people."""
    return [
        Change("database", "create", store.path, f"a copy of {path}, once its service has stopped")
        for path, store in copied.items()
    ]


def advice(rendered: Rendered, found: Found) -> Iterator[str]:
    """Say what a person types so that the app has the folders that nginx serves now."""
    names = {name: app for app, said in rendered.declaration.apps.items() for name in said.server_names}
    for site in found.told["sites"]:
        app = next((names[name] for name in site["names"] if name in names), None)
        for root in site["roots"] if app else ():
            places = AppPlaces(str(app))
            folder = f"{places.state}/{PurePosixPath(root).name}"
            yield (
                f"{root} is served by {site['file']} now, and not after this: it stays; the app can have a copy and "
                f"serve it: cp -a {root.rstrip('/')} {folder} && chown -R {places.user}: {folder}"
            )


def _stores(rendered: Rendered) -> list[StoreWanted]:
    return [one for one in rendered.wanted.stores if one.server == "sqlite"]


def _candidates(found: Found, units: tuple[UnitFate, ...], choices: Choices) -> list[Mapping[str, Any]]:
    stopped = {one.unit for one in units if one.fate in ("stopped", "undecided")}
    return [one for one in found.told["sqlite"] if one["unit"] in stopped and one["file"] not in choices.drop]

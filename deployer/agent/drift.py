"""What was changed on the host behind deployer's back, as far as the host's own record can tell.

Changed, missing and foreign files, units that were switched, drop-ins of others, settings that MySQL keeps by itself.
What running servers use is `readback`'s to ask.
"""

from __future__ import annotations

import json
import os
from typing import Any, Iterator

from . import manifest, places, textfiles, treestate, unitstate

#: Directories that are ours alone, whatever lies below.
OURS = ("/etc/deployer", "/etc/nginx/deployer")
#: Drop-ins of these come with packages; all others were put there by somebody.
PACKAGED = ("/usr/lib/systemd/", "/lib/systemd/")
UNITS = "/etc/systemd/system/"
#: MySQL writes what SET PERSIST changed here. It would read it after all other files, did our config not forbid that.
PERSISTED = "/var/lib/mysql/mysqld-auto.cnf"
PERSISTED_LIMIT_BYTES = 1 << 20
_ENABLED = ("enabled", "enabled-runtime", "static", "generated", "alias", "indirect", "linked")
_NAMES = ("Id", "ActiveState", "SubState", "UnitFileState", "NeedDaemonReload", "DropInPaths", "LoadState")

Document = dict[str, Any]


def run(_request: Document) -> Document:
    """Answer a `drift` request: `findings`, each with `kind`, `name` and `what`; changes nothing."""
    recorded = manifest.load()
    owned: dict[str, str] = recorded["owned"]
    findings = [
        *_files(owned, recorded.get("modes") or {}),
        *_foreign(owned),
        *_units(sorted(recorded["units"]), owned),
        *_persisted(),
    ]
    return {"findings": findings, "last_transaction": recorded["last_transaction"], "files": len(owned)}


def _files(owned: dict[str, str], modes: dict[str, str]) -> Iterator[Document]:
    for path, was in sorted(owned.items()):
        found = treestate.state_of(path)
        if found["kind"] == "absent":
            yield _finding("file", path, "is gone")
        elif was.startswith("link:"):
            if found.get("target") != was[len("link:") :]:
                to = found.get("target", f"a {found['kind']}")
                yield _finding("file", path, f"leads to {to}, not to {was[len('link:') :]}")
        elif found["kind"] != "file":
            yield _finding("file", path, f"is a {found['kind']}, not a file")
        elif (found["mark"] if "mark" in found else found["sha256"]) != was:
            yield _finding("file", path, "was changed by hand")
        elif path in modes and modes[path] != manifest.mode_of(found):
            yield _finding("file", path, f"is {manifest.mode_of(found)}, was {modes[path]}")


def _foreign(owned: dict[str, str]) -> Iterator[Document]:
    """Find files among ours that no deploy put there: a server reads all of such a directory."""
    folders = {folder for path in owned for folder in [os.path.dirname(path)] if _is_ours(folder)}
    for folder in sorted(folders | set(OURS)):
        for parent, below, names in os.walk(places.at(folder)):
            below[:] = [name for name in below if os.path.join(parent, name) != places.at(places.SECRETS)]
            for name in sorted(names):
                path = os.path.join(parent, name)[len(places.ROOT) :]
                if path not in owned:
                    yield _finding("file", path, "is none of deployer's, and is read with those that are")


def _is_ours(folder: str) -> bool:
    return folder.startswith(UNITS) and folder.endswith(".d")


def _units(units: list[str], owned: dict[str, str]) -> Iterator[Document]:
    for unit, told in unitstate.properties(units, _NAMES).items():
        if told.get("LoadState") in ("not-found", "masked"):
            yield _finding("unit", unit, f"is {told['LoadState']}")
            continue
        if told.get("ActiveState") not in ("active", "reloading"):
            yield _finding("unit", unit, f"does not run: {told.get('ActiveState')} ({told.get('SubState')})")
        if told.get("UnitFileState") not in _ENABLED:
            yield _finding("unit", unit, f"would not start at boot: {told.get('UnitFileState') or 'no unit file'}")
        if told.get("NeedDaemonReload") == "yes":
            yield _finding("unit", unit, "has files that systemd has not read since they changed")
        for path in told.get("DropInPaths", "").split():
            if path not in owned and not path.startswith(PACKAGED):
                yield _finding("unit", unit, f"has a drop-in that is none of deployer's: {path}")


def _persisted() -> Iterator[Document]:
    text = textfiles.read(places.at(PERSISTED), limit_bytes=PERSISTED_LIMIT_BYTES)
    if not text:
        return
    try:
        found = json.loads(text)
        names = sorted({name for part in found.values() if isinstance(part, dict) for name in _settings(part)})
    except (ValueError, AttributeError):
        names = []
    if names or "{" not in text:
        what = f"SET PERSIST keeps {', '.join(names)}" if names else "cannot be read"
        yield _finding("file", PERSISTED, f"{what}; our config tells MySQL to pass it over")


def _settings(part: dict[str, Any]) -> Iterator[str]:
    for name, value in part.items():
        if isinstance(value, dict) and "Value" in value:
            yield name
        elif isinstance(value, dict):
            yield from _settings(value)


def _finding(kind: str, name: str, what: str) -> Document:
    return {"kind": kind, "name": name, "what": what}

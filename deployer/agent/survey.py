"""survey: what runs on a host that nobody deployed to yet, for who wants to take it over. Changes nothing.

Texts of configs are not told, as they may hold secrets: only names, numbers and paths that are looked for by their
keys. Each list is bounded; ``cut`` names those that were longer.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List

from . import (
    cgroups,
    listening,
    manifest,
    surveycron,
    surveyfiles,
    surveypostgresql,
    surveysites,
    surveystores,
    textfiles,
    unitstate,
)

Document = Dict[str, Any]

#: Of each list, so many are told; a small host has some dozens of units.
LONGEST_LIST = 200
#: Where people, and not packages, put units.
BY_HAND = ("/etc/systemd/system/", "/usr/local/lib/systemd/system/", "/run/systemd/transient/", "/run/systemd/system/")

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,80}:[A-Za-z_][A-Za-z0-9_]{0,40}")
_PROPERTIES = ("Id", "FragmentPath", "UnitFileState", "ControlGroup", "MainPID", "TriggeredBy")


def run(request: Document) -> Document:
    """Answer a ``survey`` request.

    Args:
        request: ``settings``: names of MariaDB's or MySQL's settings that are looked for in its files;
            ``postgresql_settings``: likewise of PostgreSQL.
    """
    owned = manifest.load()
    parts: Document = {
        "units": units(owned.get("units") or {}),
        "ports": listening.sockets(),
        "cron": surveycron.entries(),
        "sites": [],
        "web_files": [],
        "settings": surveystores.settings(request.get("settings", ()))
        + surveypostgresql.settings(request.get("postgresql_settings", ())),
    }
    theirs = {one["unit"]: one["folder"] for one in parts["units"] if one["folder"] and not one["is_ours"]}
    parts["sqlite"] = surveyfiles.sqlite(theirs)
    told: Document = {"web": surveysites.look()}
    if told["web"] is not None:
        parts["sites"], parts["web_files"] = told["web"].pop("sites"), told["web"].pop("files")
    told["databases"] = surveystores.databases()
    told["redis"] = surveystores.redis()
    disk = os.statvfs("/")
    told["disk_gib"] = round(disk.f_blocks * disk.f_frsize / (1 << 30))
    told["last_transaction"] = owned.get("last_transaction")
    told["cut"] = sorted(name for name, part in parts.items() if len(part) > LONGEST_LIST)
    return {**told, **{name: part[:LONGEST_LIST] for name, part in parts.items()}}


def units(ours: Document) -> List[Document]:
    """Give the services that run: whose file each has, whether it starts at boot, its memory (without cache), MiB."""
    argv = ["systemctl", "list-units", "--type=service", "--state=active,activating,reloading", "--plain"]
    lines = (unitstate.output([*argv, "--no-legend", "--no-pager", "--full"]) or "").splitlines()
    names = [line.split()[0] for line in lines if line.split()]
    kind = cgroups.version()
    found = []
    for unit, told in unitstate.properties(names, _PROPERTIES).items():
        path = told.get("FragmentPath", "")
        group = told.get("ControlGroup", "")
        memory = cgroups.Group(group, kind).memory() if group else {}
        by_hand = path.startswith(BY_HAND)
        found.append(
            {
                "unit": unit,
                "by_hand": by_hand,
                "is_ours": unit in ours,
                "file": path,
                "enabled": told.get("UnitFileState", ""),
                "runs": told.get("MainPID", "0") not in ("", "0"),
                "memory_mib": memory.get("anonymous_mib"),
                "started_by": told.get("TriggeredBy", "").split(),
                "module": module_of(told.get("MainPID", "")) if by_hand else "",
                "folder": folder_of(told.get("MainPID", "")) if by_hand else "",
            }
        )
    return found


def folder_of(pid: str) -> str:
    """Say where a process was started; empty: it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/cwd") if pid.isdigit() and pid != "0" else ""
    except OSError:
        return ""


def module_of(pid: str) -> str:
    """Guess what a Python server imports, as ``package.module:object``: a word of its command that names a file.

    No other word is told, as a command may hold secrets.
    """
    words = textfiles.read(f"/proc/{pid}/cmdline").split("\0") if pid.isdigit() and pid != "0" else []
    folder = folder_of(pid) if words else ""
    for at, word in enumerate(words):
        if _MODULE.fullmatch(word) and not (at and words[at - 1].startswith("-")):
            path = f"{folder}/{word.partition(':')[0].replace('.', '/')}"
            if os.path.exists(path + ".py") or os.path.exists(path + "/__init__.py"):
                return word
    return ""

"""SQLite files of services by hand: those that their processes hold open, and those near where they were started."""

from __future__ import annotations

import os
import pwd
from typing import Any, Dict, Iterator, List, Mapping

from . import listening

Document = Dict[str, Any]

MAGIC = b"SQLite format 3\0"
SUFFIXES = (".db", ".db3", ".sqlite", ".sqlite3")
#: Below a service's folder so many names are looked at, and so deep.
MOST_NAMES, DEEPEST = 5000, 3
#: Folders that hold programs.
SKIPPED = frozenset([".git", "__pycache__", "node_modules", "site-packages", "venv", ".venv"])


def sqlite(folders: Mapping[str, str]) -> List[Document]:
    """Give ``file``, ``mib``, ``unit`` and ``owner`` of each.

    Args:
        folders: Where each unit was started; ``/`` is not searched.
    """
    found: Dict[str, str] = {}
    for unit, folder in folders.items():
        for path in _below(folder) if folder not in ("", "/") else ():
            found.setdefault(os.path.realpath(path), unit)
    for unit, path in _held_open(frozenset(folders)):
        found.setdefault(path, unit)
    return [told for path, unit in sorted(found.items()) for told in _told(path, unit)]


def _below(folder: str) -> Iterator[str]:
    seen = 0
    for place, folders, files in os.walk(folder):
        depth = place[len(folder) :].count(os.sep)
        folders[:] = [one for one in sorted(folders) if one not in SKIPPED] if depth < DEEPEST else []
        for one in sorted(files):
            seen += 1
            if seen > MOST_NAMES:
                return
            if one.endswith(SUFFIXES):
                yield f"{place}/{one}"


def _held_open(units: frozenset[str]) -> Iterator[tuple[str, str]]:
    for pid in (int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
        unit = listening.unit_of(pid)
        if unit not in units:
            continue
        try:
            for descriptor in os.listdir(f"/proc/{pid}/fd"):
                path = os.readlink(f"/proc/{pid}/fd/{descriptor}")
                if path.startswith("/") and not path.startswith(("/dev/", "/proc/", "/sys/")):
                    yield unit, path
        except OSError:
            continue  # it ended meanwhile


def _told(path: str, unit: str) -> Iterator[Document]:
    try:
        if not os.path.isfile(path) or os.path.islink(path):
            return
        with open(path, "rb") as stream:
            if stream.read(len(MAGIC)) != MAGIC:
                return
        found = os.stat(path)
        owner = pwd.getpwuid(found.st_uid).pw_name
    except (OSError, KeyError):
        return
    yield {"file": path, "mib": round(found.st_size / 1048576, 1), "unit": unit, "owner": owner}

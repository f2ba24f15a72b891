"""Cron entries that people wrote: when, who and which program; arguments may hold secrets, and are not told."""

from __future__ import annotations

import glob
import os
import re
from typing import Any, Dict, List

from . import textfiles, unitstate

Document = Dict[str, Any]

CROND = "/etc/cron.d"
CRONTABS = "/var/spool/cron/crontabs"
_ENTRY = re.compile(r"\s*(@[a-z]+|(?:[\d*,/A-Za-z-]+\s+){4}[\d*,/A-Za-z-]+)\s+(\S.*)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")


def entries() -> List[Document]:
    """Give entries of files that no package brought, and of the users' own tables."""
    system = [path for path in sorted(glob.glob(CROND + "/*")) if _is_by_hand(path)]
    found = [one for path in system for one in read(path, textfiles.read(path), "")]
    for path in sorted(glob.glob(CRONTABS + "/*")):
        found += read(path, textfiles.read(path), os.path.basename(path))
    table = read("/etc/crontab", textfiles.read("/etc/crontab"), "")
    return found + [one for one in table if one["program"] not in ("cd", "test")]  # Debian's own: cd / && run-parts


def read(path: str, text: str, user: str) -> List[Document]:
    """Read a table; in those of the system each entry names its user."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        entry = _ENTRY.match(line) if not line.lstrip().startswith("#") else None
        if entry is None:
            continue
        words = entry[2].split()
        who = user or words.pop(0)
        words = [word for word in words if not _VARIABLE.match(word)]
        program = words[0] if words and re.fullmatch(r"[A-Za-z0-9_./+-]+", words[0]) else ""
        when = " ".join(entry[1].split())[:60]
        found.append({"file": path, "line": number, "when": when, "user": who[:40], "program": program[:200]})
    return found


def _is_by_hand(path: str) -> bool:
    return not (unitstate.output(["dpkg-query", "-S", path]) or "").strip()

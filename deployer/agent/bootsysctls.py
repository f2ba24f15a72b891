"""Settings of the kernel as the next boot would make them: what all files of sysctl.d say together."""

from __future__ import annotations

import glob
import os
import re
from typing import Dict, Iterable

from . import places, textfiles

#: Where systemd-sysctl looks; of files of one name that of the first folder counts.
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
#: Files that are read, and how much of each; bytes.
MOST_FILES, LIMIT_BYTES = 200, 64 << 10
_LINE = re.compile(r"\s*-?\s*([a-z][A-Za-z0-9_./*-]*)\s*=\s*(.*?)\s*$")


def observe(names: Iterable[str]) -> Dict[str, Dict[str, str]]:
    """Say of each setting the file that has the last word, and what it says; nothing where none speaks of it."""
    wanted = set(names)
    found: Dict[str, Dict[str, str]] = {}
    for path in _files():
        for line in textfiles.read(places.at(path), LIMIT_BYTES).splitlines():
            said = _LINE.match(line)
            name = said[1].replace("/", ".") if said else ""
            if said and name in wanted and said[2].isprintable():
                found[name] = {"file": path, "value": " ".join(said[2].split())[:200]}
    return found


def _files() -> Iterable[str]:
    first: Dict[str, str] = {}
    for folder in FOLDERS:
        for path in glob.glob(places.at(folder) + "/*.conf"):
            first.setdefault(os.path.basename(path), "%s/%s" % (folder, os.path.basename(path)))
    return [first[name] for name in sorted(first)][:MOST_FILES]

"""Facts about programs that the budget depends on and that no package of ours may have brought."""

from __future__ import annotations

import os
import re
import shutil
from typing import Any, Dict, Optional

from . import command, textfiles, unitstate

#: A program that says its version does so at once; one that hangs is as good as none; s.
TIMEOUT_S = 5.0

_VERSION = re.compile(r"\bv?(\d+(?:\.\d+){0,3}[a-z]?)\b")


def gather() -> Dict[str, Any]:
    """Give the versions of those that are installed; None for the others."""
    return {
        "openssl": _said("openssl", "version"),
        "node": _said("node", "--version"),
        "java": _java(),
    }


def _said(program: str, *words: str) -> Optional[str]:
    path = _path(program)
    found = _VERSION.search(unitstate.output([path, *words], timeout_s=TIMEOUT_S) or "") if path else None
    return found.group(1) if found else None


def _java() -> Optional[str]:
    """Java's version by the file that every distribution of it has: to start it costs more than all other facts."""
    path = _path("java")
    if path is None:
        return None
    home = os.path.dirname(os.path.dirname(os.path.realpath(path)))
    found = re.search(r'^JAVA_VERSION="([\w.+-]{1,40})"', textfiles.read(home + "/release"), re.MULTILINE)
    return found.group(1) if found else _said("java", "--version")


def _path(program: str) -> Optional[str]:
    return shutil.which(program, path=command.ENVIRONMENT["PATH"])

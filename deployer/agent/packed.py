"""The program that we run as: the text that was packed for this host, and the copy of it that the host keeps.

A login that finds the copy sends its name in place of its bytes. Nothing on the host runs it by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
from typing import Any, Optional

from . import durable, places

#: So many are kept: two control machines may have two versions.
MOST_KEPT = 2


def text() -> Optional[bytes]:
    """Give the program's text; None when the modules were not packed, as in tests."""
    program = getattr(_package(), "PROGRAM", None)
    return program.encode() if isinstance(program, str) else program


def ahead() -> bytes:
    """Give what the loader has read of the first request."""
    read = getattr(_package(), "AHEAD", b"")
    return read if isinstance(read, bytes) else b""


def keep() -> None:
    """Leave the text for the next login, and take away what is older. Without room for it there is none."""
    program = text()
    if program is None:
        return
    folder = places.at(places.KEPT)
    own = "%s/%s.py" % (folder, hashlib.sha256(program).hexdigest())
    with contextlib.suppress(OSError):
        durable.make_directories(folder, 0o700)
        if _holds(own, program):
            os.utime(own)
        else:
            durable.write_over(own, program)
        others = {os.path.join(folder, name) for name in os.listdir(folder)} - {own}
        whole = sorted((path for path in others if path.endswith(".py")), key=os.path.getmtime, reverse=True)
        for path in others - set(whole[: MOST_KEPT - 1]):
            os.unlink(path)


def _holds(path: str, data: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read() == data
    except FileNotFoundError:
        return False


def _package() -> Any:
    return sys.modules.get(__package__ or "")

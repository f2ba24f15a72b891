"""Who is logged in and from where: of the SSH session that the agent runs in, for the audit log."""

from __future__ import annotations

import os
from typing import Any

#: A session is not deeper than this: sshd, its child, a shell, sudo, sudo's child, env, we.
_DEPTH = 12


def of_this_login() -> dict[str, Any]:
    """Return `login`, the account that logged in, and `from`, the address that it came from; None: not to be found.

    sudo keeps neither in our own environment, so that of the processes above us is read, which root may.
    """
    login = os.environ.get("SUDO_USER")
    pid = os.getpid()
    for _ in range(_DEPTH):
        environment = _environment(pid)
        login = login or environment.get("SUDO_USER") or environment.get("LOGNAME")
        connection = environment.get("SSH_CONNECTION", "").split()
        if connection:
            return {"login": environment.get("LOGNAME") or login, "from": connection[0]}
        pid = _parent(pid)
        if pid <= 1:
            break
    return {"login": login, "from": None}


def _environment(pid: int) -> dict[str, str]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            pairs = stream.read(1 << 20).split(b"\0")
    except OSError:
        return {}
    return {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, _, value in map(_split, pairs)}


def _split(pair: bytes) -> tuple[bytes, bytes, bytes]:
    return pair.partition(b"=")


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return int(stream.read().rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError, ValueError):
        return 0

"""Running a user's own program for the secret that it prints: bounded in time and size, its output never shown."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

#: A password manager may have to ask its server, s.
TIMEOUT_S = 60.0
#: How often a program is looked at whose child holds its output open, s.
_LOOK_S = 0.2


class NoSecretError(Exception):
    """A program gave no secret; the text says why and repeats nothing of what it printed."""


def printed_by(argv: Sequence[str], folder: Path, *, limit_bytes: int, timeout_s: float = TIMEOUT_S) -> bytes:
    """Run a program to its end and give what it prints.

    It has no terminal and no input, so it cannot ask. What it says on stderr is dropped: that too may hold a secret.

    Args:
        argv: Program and arguments, which anybody on this machine can read.
        folder: Where it runs.
        limit_bytes: What prints more is ended.
        timeout_s: What takes longer is ended, with all that it started.

    Raises:
        NoSecretError: It is not installed, fails, takes too long or prints too much.
    """
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            bufsize=0,
        )
    except (FileNotFoundError, PermissionError) as error:
        is_missing = isinstance(error, FileNotFoundError)
        reason = "is not installed on this machine" if is_missing else "cannot be run"
        raise NoSecretError(f"{argv[0]} {reason}") from error
    deadline = time.monotonic() + timeout_s
    with process:
        try:
            data = _read(process, limit_bytes, deadline)
            status = _ended(process, deadline) if data is not None and len(data) <= limit_bytes else 0
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if data is None or status is None:
        raise NoSecretError(f"{argv[0]} did not end within {timeout_s:g} s, and it cannot ask for anything here")
    if len(data) > limit_bytes:
        raise NoSecretError(f"{argv[0]} printed more than {limit_bytes >> 10} KiB")
    if status:
        how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise NoSecretError(f"{argv[0]} {how}; run it by hand to see why")
    return data


def _read(process: subprocess.Popen[bytes], limit_bytes: int, deadline: float) -> bytes | None:
    """Read until the output ends, the process is over or there is more than the limit; None: time was up."""
    data = b""
    stream = process.stdout
    if stream is None:
        return data
    with selectors.DefaultSelector() as waiting:
        waiting.register(stream, selectors.EVENT_READ)
        while len(data) <= limit_bytes:
            is_over = process.poll() is not None
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            if waiting.select(0 if is_over else min(left_s, _LOOK_S)):
                part = stream.read(min(65536, limit_bytes + 1 - len(data)))
                if not part:
                    return data
                data += part
            elif is_over:
                return data  # something that it started holds the output open
    return data


def _ended(process: subprocess.Popen[bytes], deadline: float) -> int | None:
    try:
        return process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return None

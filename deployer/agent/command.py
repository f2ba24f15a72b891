"""Running a program of the host: with a time limit, its output's tail kept, ended when the deploy is."""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import pwd
import signal
import subprocess
import threading
import time
from typing import Callable, NamedTuple, Sequence

TAIL_LINES = 60
TAIL_BYTES = 8 << 10
#: A disk that does not answer keeps a killed process; nobody waits for that longer, s.
KILLED_WITHIN_S = 10.0

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
}
"""What every program gets: nothing of the login that started the agent."""


class Result(NamedTuple):
    """How a program ended.

    Attributes:
        status: Its exit status; negative: killed by that signal.
        output: stdout and stderr, the last lines of them.
        timed_out: It was killed because its time was over.
    """

    status: int
    output: str
    timed_out: bool

    @property
    def ok(self) -> bool:
        """Say whether it ended with status 0."""
        return self.status == 0


def says_disk_full(output: str) -> bool:
    """Say whether a program's output names a full disk as the cause."""
    return "No space left on device" in output or "Disk quota exceeded" in output


def run(
    argv: Sequence[str],
    *,
    timeout_s: float,
    feed: bytes = b"",
    check: Callable[[float], None] | None = None,
    whole: bool = False,
    user: str | None = None,
) -> Result:
    """Run a program in a process group of its own.

    Args:
        argv: Program and arguments. A secret never stands here: every user of the host can read it.
        timeout_s: After so many seconds the whole group is killed.
        feed: Goes to its stdin (at most 64 KiB, so that it fits a pipe).
        check: Called all the time with the seconds to wait; what it raises ends the program.
        whole: Keep all of the output, not only the tail.
        user: Who runs it, with that group alone; None: root.

    Raises:
        OSError: It cannot be started, or there is no such user.
    """
    if user is not None and not _exists(user):
        raise OSError(errno.ENOENT, "the host has no such user", user)
    process = subprocess.Popen(
        list(argv),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    lines: collections.deque[bytes] = collections.deque(maxlen=None if whole else TAIL_LINES)
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    deadline = time.monotonic() + timeout_s
    timed_out = False
    try:
        _feed(process, feed)
        while _wait(process, 0.0 if check else 0.2) is None:
            if time.monotonic() > deadline:
                timed_out = True
                break
            if check is not None:
                check(0.05)
    finally:
        if process.poll() is None:
            _kill_group(process)
        reader.join(1.0)  # a daemon that it left behind may hold the pipe open
    output = b"".join(lines)
    # of a whole output only line ends go: the last row of a table may end in an empty column
    text = output.decode("utf-8", "replace").strip("\r\n") if whole else _text(output[-TAIL_BYTES:])
    if timed_out:
        text = f"{text}\n(ended after {timeout_s:.0f} s)".strip()
    return Result(-signal.SIGKILL if process.returncode is None else process.returncode, text, timed_out)


def _text(output: bytes) -> str:
    return output.decode("utf-8", "replace").strip()


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _collect(process: subprocess.Popen[bytes], lines: collections.deque[bytes]) -> None:
    assert process.stdout is not None  # noqa: S101 - it was asked for above
    while True:
        line = process.stdout.readline(4096)
        if not line:
            return
        lines.append(line)


def _feed(process: subprocess.Popen[bytes], feed: bytes) -> None:
    assert process.stdin is not None  # noqa: S101 - it was asked for above
    try:
        process.stdin.write(feed)
        process.stdin.close()
    except BrokenPipeError:
        return  # it ended early; its status says more


def _wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds) if seconds else process.poll()
    except subprocess.TimeoutExpired:
        return None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, 9)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(KILLED_WITHIN_S)

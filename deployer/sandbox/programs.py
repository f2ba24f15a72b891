"""Running the machine's own programs, and looking after processes and mounts that the sandbox started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deployer.sandbox.problem import SandboxError

#: A login without ``/usr/sbin`` on its path is common; the programs that make hosts live there.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run(
    argv: Sequence[str | Path],
    *,
    doing: str,
    text: str | None = None,
    timeout_s: float = 60,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return what it printed.

    Args:
        argv: The program and its arguments; no shell reads them.
        doing: What this is for; the error text begins with it.
        text: Standard input; None is an empty one.
        timeout_s: How long it may take, s.
        environment: Variables besides the process's own.

    Raises:
        SandboxError: The program is missing, failed, or did not end in time.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=text or "",
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
            env={**os.environ, "PATH": PATH, "LC_ALL": "C.UTF-8", **(environment or {})},
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"{doing}: {words[0]} did not end within {timeout_s:g} s") from error
    except OSError as error:
        raise SandboxError(f"{doing}: {words[0]} cannot be started: {error.strerror}") from error
    if done.returncode:
        raise SandboxError(
            f"{doing}: {words[0]} ended with {done.returncode}: {last_lines(done.stderr or done.stdout)}"
        )
    return done.stdout


def last_lines(text: str, count: int = 8) -> str:
    """Keep the end of a program's talk, where it says what went wrong."""
    return "\n    ".join(text.strip().splitlines()[-count:])


def start(
    argv: Sequence[str | Path],
    *,
    pid_file: Path,
    log_file: Path,
    user: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Start a program that stays, in a session of its own, as ``user`` and that user's group alone."""
    log_file.touch()
    with log_file.open("w") as log:
        try:
            process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=() if user else None,
                env={**os.environ, "PATH": PATH, **(environment or {})},
            )
        except OSError as error:
            raise SandboxError(f"{argv[0]} cannot be started: {error.strerror}") from error
    pid_file.write_text(f"{process.pid}\n")


def running(pid_file: Path, mark: str) -> int | None:
    """Find our own process: its id from the file, if its command line still holds ``mark``.

    The mark is a path of the sandbox, so a process id that was given to another program is not taken for ours.
    """
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except (OSError, ValueError):
        return None
    return pid if mark in command else None


def stop(pid_file: Path, mark: str, *, timeout_s: float = 10) -> None:
    """End our own process and wait until it is gone.

    Raises:
        SandboxError: It is still there after ``timeout_s``.
    """
    pid = running(pid_file, mark)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
        if not wait_until(lambda: gone(pid), timeout_s=timeout_s):
            raise SandboxError(f"process {pid} ({mark}) does not end")
    pid_file.unlink(missing_ok=True)


def gone(pid: int) -> bool:
    """Tell whether a process has ended, and take note of its end if it is a child of this one."""
    with contextlib.suppress(ChildProcessError):  # an earlier process started it: somebody else reaps it
        os.waitpid(pid, os.WNOHANG)
    return not Path(f"/proc/{pid}").exists()


def wait_until(true: Callable[[], bool], *, timeout_s: float, step_s: float = 0.05) -> bool:
    """Ask again and again; return whether it became true in time."""
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(step_s)
    return True


def mounts_below(path: Path) -> list[Path]:
    """List the mount points at and below ``path``, deepest first."""
    points = [
        Path(line.split()[4].encode().decode("unicode_escape"))
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    return sorted((point for point in points if point.is_relative_to(path)), key=lambda point: -len(point.parts))


def unmount_below(path: Path) -> None:
    """Take away every mount at and below ``path``."""
    for point in mounts_below(path):
        run(["umount", point], doing=f"unmounting {point}")


def remove_tree(path: Path) -> None:
    """Delete a tree, but never anything that is mounted in it."""
    unmount_below(path)
    run(["rm", "-rf", "--one-file-system", path], doing=f"removing {path}", timeout_s=300)

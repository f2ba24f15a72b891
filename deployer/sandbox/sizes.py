"""lxcfs: makes a host see its own memory and processors in /proc instead of the machine's.

A daemon of our own on a mount point of our own: one that other software runs may be stopped or restarted at any
time, and a dying lxcfs takes its successor's mount away when both use the same place.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import last_lines, running, start, stop, unmount_below, wait_until
from deployer.sandbox.progress import Say

#: The files that lxcfs serves; bound over those of a host's /proc.
FILES = ("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime")


def ensure_lxcfs(places: Places, say: Say) -> None:
    """Start lxcfs, if it does not run.

    Hosts that were started with an lxcfs that died must be started again to see their size.

    Raises:
        SandboxError: It does not start.
    """
    with places.lock("lxcfs", say, waiting_for="starts lxcfs"):
        if running(_pid_file(places), str(places.lxcfs)) is not None and _serves(places):
            return
        stop_lxcfs(places)  # one that died leaves a mount point that nobody can even look at
        places.lxcfs.mkdir(exist_ok=True)
        log = places.root / "lxcfs.log"
        program = shutil.which("lxcfs", path="/usr/bin:/usr/local/bin") or "lxcfs"
        argv: list[str | Path] = [program, "-f", "-l", "-p", places.root / "lxcfs.lock", places.lxcfs]
        start(argv, pid_file=_pid_file(places), log_file=log)
        if not wait_until(lambda: _serves(places), timeout_s=10):
            raise SandboxError(f"lxcfs does not start: {last_lines(log.read_text())}", where=str(log))


def stop_lxcfs(places: Places) -> None:
    """End lxcfs; its mount goes only once the daemon is gone."""
    stop(_pid_file(places), str(places.lxcfs))
    unmount_below(places.lxcfs)


def _serves(places: Places) -> bool:
    try:
        return "MemTotal" in (places.lxcfs / "proc/meminfo").read_text()
    except OSError:
        return False


def _pid_file(places: Places) -> Path:
    return places.root / "lxcfs.pid"

"""Facts: what the host is, read from /proc, /sys and /etc; next to no process is started for it.

A fact that cannot be read is None: what it means that it is missing is judged on the control machine.
"""

from __future__ import annotations

import glob
import os
import re
import sys
from typing import Any, Dict, Optional

from . import kernelfacts, programs, textfiles, unitstate

Document = Dict[str, Any]


def gather() -> Document:
    """Give all facts; the names carry the units."""
    uname = os.uname()
    memory = _key_values(textfiles.read("/proc/meminfo"), ":")
    release = _key_values(textfiles.read("/etc/os-release"), "=")
    version = ".".join(str(part) for part in sys.version_info[:3])
    return {
        "memory_mib": _kib_as_mib(memory.get("MemTotal")),
        "swap_mib": _kib_as_mib(memory.get("SwapTotal")),
        "cpu_cores": _cpu_cores(),
        "disk_free_mib": min(_free_mib(path) for path in ("/", "/var/lib", "/srv")),
        "kernel": uname.release,
        "os_id": release.get("ID"),
        "os_version": release.get("VERSION_ID"),
        "os_name": release.get("PRETTY_NAME"),
        "arch": uname.machine,
        "cgroup": "v2" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "v1",
        "systemd": _systemd_version(),
        "python": version,
        "glibc": _glibc_version(),
        "nofile_hard": _nofile_hard(),
        "hostname": uname.nodename,
        **kernelfacts.gather(),
        **programs.gather(),
    }


def _key_values(text: str, separator: str) -> Dict[str, str]:
    pairs = (line.partition(separator) for line in text.splitlines())
    return {key.strip(): value.strip().strip("\"'") for key, _, value in pairs if not key.startswith("#")}


def _kib_as_mib(text: Optional[str]) -> Optional[int]:
    number = textfiles.whole_number((text or "").partition(" ")[0])
    return None if number is None else number // 1024


def _cpu_cores() -> int:
    try:
        return len(os.sched_getaffinity(0))  # in a container the cores that it may use, not the machine's
    except (AttributeError, OSError):
        return os.cpu_count() or 1


def _free_mib(path: str) -> int:
    """Room for root, MiB; that of the whole disk when the path does not exist yet."""
    try:
        state = os.statvfs(path)
    except OSError:
        state = os.statvfs("/")
    return state.f_bavail * state.f_frsize >> 20


def _systemd_version() -> Optional[int]:
    # the shared library's name carries it, which saves a process
    for place in ("/usr/lib/*/systemd", "/usr/lib/systemd", "/lib/systemd"):
        for path in glob.glob(place + "/libsystemd-shared-*.so"):
            found = re.search(r"libsystemd-shared-(\d+)", path)
            if found:
                return int(found.group(1))
    found = re.match(r"systemd (\d+)", unitstate.output(["systemctl", "--version"]) or "")
    return int(found.group(1)) if found else None


def _glibc_version() -> Optional[str]:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")[2] or None
    except (ValueError, OSError):
        return None  # another C library


def _nofile_hard() -> Optional[int]:
    """What a unit can get as LimitNOFILE=: PID 1's own hard limit, which a container cannot raise."""
    found = re.search(r"^Max open files\s+\S+\s+(\S+)", textfiles.read("/proc/1/limits"), re.MULTILINE)
    ceiling = textfiles.whole_number(textfiles.read("/proc/sys/fs/nr_open"))
    hard = textfiles.whole_number(found.group(1)) if found else None
    known = [number for number in (hard, ceiling) if number is not None]
    return min(known) if known else None

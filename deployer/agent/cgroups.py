"""Memory and OOM kills of units, from their control groups: version 1 and version 2 of them.

What is not there is None, never 0: a kernel without a counter has not said that nothing happened.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from . import textfiles

Document = Dict[str, Any]

V2 = "/sys/fs/cgroup"
V1 = "/sys/fs/cgroup/memory"
#: A v1 limit above this means that there is none; bytes.
NO_LIMIT_BYTES = 1 << 60
#: Groups below the root that are looked at; a small host has some dozens.
GROUPS_LIMIT = 2000
#: Processes of a unit whose time is added up; apps of ours have some, servers one for each core or connection.
PROCESSES_LIMIT = 100
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def version(root: str = V2) -> str:
    """Say which version holds memory: ``v1`` or ``v2``."""
    return "v2" if os.path.exists(root + "/cgroup.controllers") else "v1"


def in_container() -> bool:
    """Say whether the kernel is shared, so that /proc/vmstat speaks of other hosts too."""
    return os.path.exists("/run/systemd/container") or os.path.exists("/dev/lxc")


class Group:
    """The control group of a unit.

    Args:
        path: As systemd says it: ``/system.slice/nginx.service``.
        kind: ``v1`` or ``v2``.
        root: Where the memory hierarchy is mounted; empty for the usual place.
    """

    def __init__(self, path: str, kind: str, root: str = "") -> None:
        self.kind = kind
        self.folder = (root or (V2 if kind == "v2" else V1)) + path

    def memory(self) -> Document:
        """Give ``memory_mib`` (page cache included), ``anonymous_mib`` (without), ``peak_mib`` and ``limit_mib``."""
        stat = self._read("memory.stat")
        if self.kind == "v2":
            names = ("memory.current", "memory.peak", "memory.max")
            anonymous = _sum(stat, "anon", "shmem", "kernel_stack")
        else:
            names = ("memory.usage_in_bytes", "memory.max_usage_in_bytes", "memory.limit_in_bytes")
            anonymous = _sum(stat, "total_rss", "total_shmem")
        current, peak, limit = (_number(self._read(name)) for name in names)
        if limit is not None and limit >= NO_LIMIT_BYTES:
            limit = None
        return {
            "memory_mib": _mib(current),
            "anonymous_mib": _mib(anonymous),
            "peak_mib": _mib(peak),
            "limit_mib": _mib(limit),
        }

    def cpu_s(self) -> Optional[float]:
        """Give the processor time that was used here, s; on v1 by the processes that are there now."""
        if self.kind == "v2":
            used_us = number_of("usage_usec", self._read("cpu.stat"))
            return None if used_us is None else used_us / 1e6
        pids = self.pids()
        return sum(process_s(pid) for pid in pids[:PROCESSES_LIMIT]) if pids else None

    def pids(self) -> List[int]:
        """Name the processes that are here now."""
        return [int(word) for word in self._read("cgroup.procs").split() if word.isdigit()]

    def oom_kills(self) -> Optional[int]:
        """Count what the kernel killed here since the group exists; v2 counts the groups below too."""
        name = "memory.events" if self.kind == "v2" else "memory.oom_control"
        return key_numbers(self._read(name)).get("oom_kill")

    def _read(self, name: str) -> str:
        return textfiles.read(self.folder + "/" + name)


class HostKills:
    """OOM kills on this host since ``begin``, whoever was killed.

    On a host with a kernel of its own /proc/vmstat counts them. In a container that counter is the machine's,
    so the container's own groups are added up; one that was removed with its unit takes its counter along,
    which is why the units' restarts are looked at as well (see ``sample``).

    Attributes:
        counted_by: ``vmstat`` or ``groups``.
    """

    def __init__(self) -> None:
        self.counted_by = "groups" if in_container() else "vmstat"
        self._kind = version()
        self._seen: Dict[str, int] = self._groups() if self.counted_by == "groups" else {}
        self._vmstat = machine_kills()
        self._machine = [self._vmstat, self._vmstat]
        self._kills = 0

    def since_begin(self) -> Optional[int]:
        """Count the kills up to now; None when this kernel does not count them."""
        if self.counted_by == "vmstat":
            now = machine_kills()
            return None if now is None or self._vmstat is None else now - self._vmstat
        machine = machine_kills()
        # nobody was killed anywhere, and who was before is counted: to ask each group costs a thousand times more
        is_quiet = machine is not None and self._machine == [machine, machine]
        self._machine = [self._machine[1], machine]
        if is_quiet:
            return self._kills
        for group, kills in self._groups().items():
            before = self._seen.get(group, 0)
            # less than before: the group was removed and made anew
            self._kills += kills - before if kills >= before else kills
            self._seen[group] = kills
        return self._kills

    def machine_since_begin(self) -> int:
        """Count the kills on the whole machine, other hosts on it included."""
        return (machine_kills() or 0) - (self._vmstat or 0)

    def _groups(self) -> Dict[str, int]:
        if self._kind == "v2":
            return {"/": Group("", "v2").oom_kills() or 0}
        found: Dict[str, int] = {}
        for folder, _, _ in os.walk(V1):
            found[folder] = Group(folder[len(V1) :], "v1").oom_kills() or 0
            if len(found) >= GROUPS_LIMIT:
                break
        return found


def machine_kills() -> Optional[int]:
    """Give the kernel's own count of OOM kills since it was booted."""
    return number_of("oom_kill", textfiles.read("/proc/vmstat"))


def key_numbers(text: str) -> Dict[str, int]:
    """Read lines of a name and a number."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def number_of(name: str, text: str) -> Optional[int]:
    """Give one of such numbers; all of a long text take ten times as long."""
    begin = ("\n" + text).find("\n" + name + " ")
    if begin < 0:
        return None
    return _number(text[begin + len(name) : (text + "\n").index("\n", begin)])


def _sum(stat: str, *names: str) -> Optional[int]:
    known = [number for number in (number_of(name, stat) for name in names) if number is not None]
    return sum(known) if known else None


def process_s(pid: int) -> float:
    """Give the processor time of a process, and of its children that ended, s; counted in ticks."""
    fields = textfiles.read("/proc/%d/stat" % pid, 1024).rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS_PER_S if len(fields) > 14 else 0.0


def _number(text: str) -> Optional[int]:
    stripped = text.strip()
    return int(stripped) if stripped.isdigit() else None


def _mib(count_bytes: Optional[int]) -> Optional[float]:
    return None if count_bytes is None else round(count_bytes / 1048576, 1)

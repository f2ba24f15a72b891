"""Usage: what the host and its units have used of processor and memory up to now; one answer, nothing is waited for.

Two answers, one before and one after a load, give what a request costs. Counters only grow; what cannot be read is
None.
"""

from __future__ import annotations

import os
import time
from typing import Any, Dict, List, Optional

from . import awake, cgroups, textfiles, unitstate

Document = Dict[str, Any]

_TICK_MS = 1000.0 / os.sysconf("SC_CLK_TCK")
_CPUACCT = "/sys/fs/cgroup/cpuacct/cpuacct.usage"
_CPU_STAT = "/sys/fs/cgroup/cpu.stat"
#: A small host's unit has some dozens of processes.
MOST_PROCESSES = 500
_SERVER_SOCKET = "/run/mysqld/mysqld.sock"
#: MariaDB alone tells what each connection holds; root's own, which asks, is left out.
_CONNECTIONS = (
    "SELECT COUNT(*), COALESCE(MAX(MAX_MEMORY_USED), 0) FROM information_schema.PROCESSLIST "
    "WHERE ID <> CONNECTION_ID() AND USER NOT IN ('root', 'system user', 'event_scheduler')"
)


def run(request: Document) -> Document:
    """Answer.

    Args:
        request: With ``units`` (names), and ``database`` true to ask MariaDB for its connections.

    Returns:
        ``at_s``, ``cpu_ms`` (without what `awake` spent) and ``cpu_counted_by``, ``cpu_cores``, memory, per unit its
        memory and ``processes``, and ``database``.
    """
    kind = cgroups.version()
    names = [str(unit) for unit in request.get("units", [])]
    told = unitstate.properties(names, ("Id", "ControlGroup"))
    cpu_ms, counted_by = host_cpu_ms()
    meminfo = cgroups.key_numbers(textfiles.read("/proc/meminfo").replace(":", "").replace(" kB", ""))
    return {
        "at_s": round(time.monotonic(), 4),
        "cpu_ms": round(cpu_ms - awake.spent_ms(), 3),
        "cpu_counted_by": counted_by,
        "cpu_cores": len(os.sched_getaffinity(0)),
        "memory_total_mib": round(meminfo.get("MemTotal", 0) / 1024, 1),
        "memory_available_mib": round(meminfo.get("MemAvailable", 0) / 1024, 1),
        "units": {name: unit(told[name].get("ControlGroup", ""), kind) for name in names},
        "database": connections() if request.get("database") else None,
    }


def host_cpu_ms() -> "tuple[float, str]":
    """Say how much processor time the whole host has used, ms, and who counted it.

    A container's /proc/stat lacks what its kernel did for it, and counts in ticks; its own group's account is exact.
    """
    if cgroups.in_container():
        usage = textfiles.whole_number(textfiles.read(_CPUACCT, 64))
        if usage is not None:
            return usage / 1e6, "cpuacct"
        spent = cgroups.key_numbers(textfiles.read(_CPU_STAT)).get("usage_usec")
        if spent is not None:
            return spent / 1e3, "cpu.stat"
    words = textfiles.read("/proc/stat", 4096).split("\n", 1)[0].split()[1:]
    columns = [int(word) for word in words if word.isdigit()] + [0] * 8
    # user nice system irq softirq
    return (columns[0] + columns[1] + columns[2] + columns[5] + columns[6]) * _TICK_MS, "stat"


def unit(path: str, kind: str) -> Document:
    """Give a unit's memory and its processes, the oldest first; nothing of one that does not run."""
    if not path or path == "/":
        return {"processes": []}
    group = cgroups.Group(path, kind)
    found = [one for one in (process(pid) for pid in group.pids()[:MOST_PROCESSES]) if one is not None]
    return dict(group.memory(), processes=sorted(found, key=lambda one: one["started"]))


def process(pid: int) -> Optional[Document]:
    """Give one process: its parent, processor time and memory of its own; None if it is gone."""
    text = textfiles.read("/proc/%d/stat" % pid, 4096)
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        return None
    memory = cgroups.key_numbers(textfiles.read("/proc/%d/smaps_rollup" % pid).replace(":", "").replace(" kB", ""))
    own_kib = memory.get("Pss_Anon")
    shared_kib = memory.get("Pss_Shmem", 0)
    return {
        "pid": pid,
        "parent": int(fields[1]),
        "started": int(fields[19]),
        "cpu_ms": (int(fields[11]) + int(fields[12])) * _TICK_MS,
        "own_mib": None if own_kib is None else round((own_kib + shared_kib) / 1024, 2),
    }


def connections() -> Optional[Document]:
    """Ask MariaDB how many connections the apps hold, and the most that one of them ever held; None: it cannot tell."""
    argv = ["mariadb", "--no-defaults", "--protocol=socket", "--socket=" + _SERVER_SOCKET, "--user=root"]
    argv += ["--batch", "--skip-column-names", "--connect-timeout=5", "--execute=" + _CONNECTIONS]
    words: List[str] = (unitstate.output(argv, 10.0) or "").split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None
    return {"connections": int(words[0]), "most_kib": round(int(words[1]) / 1024, 1)}

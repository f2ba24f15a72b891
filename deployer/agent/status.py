"""How the host is now: its units against their limits, its memory and disk, its last deploy."""

from __future__ import annotations

import os
from typing import Any

from . import cgroups, dumps, journal, lock, manifest, textfiles, unitstate

_NAMES = (
    "Id",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NRestarts",
    "ControlGroup",
    "ActiveEnterTimestamp",
    "NeedDaemonReload",
)

Document = dict[str, Any]


def run(_request: Document) -> Document:
    """Answer a `status` request: what the last deploys left running; changes nothing."""
    recorded = manifest.load()
    kind = cgroups.version()
    told = unitstate.properties(sorted(recorded["units"]), _NAMES)
    return {
        "units": {unit: _unit(properties, kind) for unit, properties in told.items()},
        "memory_mib": _memory_mib("MemTotal"),
        "memory_available_mib": _memory_mib("MemAvailable"),
        "load": list(os.getloadavg()),
        "disk_free_mib": _free_mib("/"),
        "up_s": _up_s(),
        "last_transaction": recorded["last_transaction"],
        "dumps": dumps.listed(),
        "open": [one.identifier for one in journal.recorded() if one.state != "closed"],
        "lock": lock.holder(),
    }


def _unit(told: dict[str, str], kind: str) -> Document:
    group = told.get("ControlGroup", "")
    memory = cgroups.Group(group, kind).memory() if group else {}
    return {
        "active": told.get("ActiveState", ""),
        "sub": told.get("SubState", ""),
        "result": told.get("Result", ""),
        "enabled": told.get("UnitFileState", ""),
        "restarts": int(told.get("NRestarts") or 0),
        "since": told.get("ActiveEnterTimestamp", ""),
        "memory_mib": memory.get("memory_mib"),
        "anonymous_mib": memory.get("anonymous_mib"),
        "limit_mib": memory.get("limit_mib"),
        "oom_kills": cgroups.Group(group, kind).oom_kills() if group else None,
    }


def _free_mib(path: str) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize >> 20


def _memory_mib(name: str) -> int | None:
    for line in textfiles.read("/proc/meminfo").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) >> 10
    return None


def _up_s() -> float | None:
    words = textfiles.read("/proc/uptime").split()
    return float(words[0]) if words else None

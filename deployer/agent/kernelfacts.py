"""Facts about the kernel: how it treats memory, swap and ports, and what its control groups can enforce."""

from __future__ import annotations

import glob
import os
import re
from typing import Any, Dict, List, Optional

from . import cgroups, textfiles

Document = Dict[str, Any]

#: A small host has one or two; more than this many are not told.
SWAPS_LIMIT = 16
#: Of a list of ports no more is told; characters.
PORTS_LIMIT = 4096

_SWAP = re.compile(r"(\S+)\s+(\w+)\s+(\d+)\s+(\d+)\s+(-?\d+)\s*$")


def gather() -> Document:
    """Give the facts; the names carry the units. None: this kernel does not tell."""
    return {
        "somaxconn": _number("/proc/sys/net/core/somaxconn"),
        "overcommit_memory": _number("/proc/sys/vm/overcommit_memory"),
        "transparent_hugepages": _transparent_hugepages(),
        "swaps": _swaps(),
        "swap_accounted": _swap_accounted(),
        "memory_controller": _memory_controller(),
        "ip_local_port_range": _port_range(),
        "ip_local_reserved_ports": _line("/proc/sys/net/ipv4/ip_local_reserved_ports"),
    }


def _number(path: str) -> Optional[int]:
    return textfiles.whole_number(textfiles.read(path))


def _line(path: str) -> Optional[str]:
    text = textfiles.read(path, PORTS_LIMIT)
    return text.strip() if text else None  # a line without a word says that there are none


def _transparent_hugepages() -> Optional[str]:
    found = re.search(r"\[(\w+)\]", textfiles.read("/sys/kernel/mm/transparent_hugepage/enabled"))
    return found.group(1) if found else None


def _swaps() -> List[Document]:
    """List what the host swaps to: ``zram`` (compressed, in memory), a ``file`` or a ``partition``."""
    swaps = []
    for line in textfiles.read("/proc/swaps").splitlines()[1 : SWAPS_LIMIT + 1]:
        found = _SWAP.match(line)
        if found:
            path, kind, size_kib, used_kib, priority = found.groups()
            swaps.append(
                {
                    "path": path,
                    "kind": "zram" if re.match(r"/(dev/)?zram\d", path) else kind,
                    "size_mib": int(size_kib) // 1024,
                    "used_mib": int(used_kib) // 1024,
                    "priority": int(priority),
                }
            )
    return swaps


def _memory_controller() -> bool:
    """Say whether MemoryMax= of a unit is enforced at all; some kernels boot without it."""
    if cgroups.version() == "v2":
        return "memory" in textfiles.read(cgroups.V2 + "/cgroup.controllers").split()
    return os.path.isdir(cgroups.V1)


def _swap_accounted() -> Optional[bool]:
    """Say whether a unit's swap can be limited; None where there is no group to tell by."""
    if not _memory_controller():
        return False
    if cgroups.version() == "v1":
        return os.path.exists(cgroups.V1 + "/memory.memsw.limit_in_bytes")
    groups = glob.glob(cgroups.V2 + "/*/memory.max")  # the root group has no limits
    return os.path.exists(os.path.dirname(groups[0]) + "/memory.swap.max") if groups else None


def _port_range() -> Optional[List[int]]:
    words = textfiles.read("/proc/sys/net/ipv4/ip_local_port_range").split()
    return [int(word) for word in words] if len(words) == 2 and "".join(words).isdigit() else None

"""What the kernel counts of a whole host, read from a few small files of /proc."""

from __future__ import annotations

import os
import re
import time
from typing import Any, Dict, Optional, Tuple

from . import cgroups, textfiles

Document = Dict[str, Any]

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: Whole disks, not their partitions and not what lies on top of them.
_DISK = re.compile(r"(?:sd|vd|xvd)[a-z]+|nvme\d+n\d+|mmcblk\d+")


def counters() -> Document:
    """Read them."""
    cpu = [int(word) for word in textfiles.read("/proc/stat", 4096).split("\n", 1)[0].split()[1:] if word.isdigit()]
    cpu += [0] * (8 - len(cpu))
    tcp = _table(textfiles.read("/proc/net/netstat"), "TcpExt")
    segments = _table(textfiles.read("/proc/net/snmp"), "Tcp")
    net_in, net_out = _traffic(textfiles.read("/proc/net/dev"))
    is_own = not cgroups.in_container()
    return {
        "at": time.monotonic(),
        "busy": cpu[0] + cpu[1] + cpu[2] + cpu[5] + cpu[6],  # user nice system irq softirq
        "iowait": cpu[4],
        "steal": cpu[7],
        # a container sees the disks and the pressure of the whole machine
        "pressure": _pressure() if is_own else {},
        "disk_ms": _disk_ms(textfiles.read("/proc/diskstats")) if is_own else None,
        "listen_overflows": tcp.get("ListenOverflows", 0),
        "listen_drops": tcp.get("ListenDrops", 0),
        "retransmitted": segments.get("RetransSegs", 0),
        "tcp_in_use": _tcp_in_use(textfiles.read("/proc/net/sockstat")),
        "net_in_bytes": net_in,
        "net_out_bytes": net_out,
    }


def _table(text: str, name: str) -> Dict[str, int]:
    """Read a pair of lines, names above numbers, as /proc/net/netstat has them."""
    rows = [line.split()[1:] for line in text.splitlines() if line.startswith(name + ":")]
    if len(rows) < 2:
        return {}
    return {key: int(value) for key, value in zip(rows[0], rows[1]) if value.isdigit()}


def _traffic(text: str) -> Tuple[int, int]:
    """Add up received and sent bytes of all links but the loopback."""
    received = sent = 0
    for line in text.splitlines():
        name, colon, rest = line.partition(":")
        numbers = rest.split()
        if colon and name.strip() != "lo" and len(numbers) >= 9:
            received, sent = received + int(numbers[0]), sent + int(numbers[8])
    return received, sent


def _tcp_in_use(text: str) -> Optional[int]:
    for line in text.splitlines():
        words = line.split()
        if words[:2] == ["TCP:", "inuse"] and words[2].isdigit():
            return int(words[2])
    return None


def _pressure() -> Dict[str, int]:
    """Give the time in which some task waited, in all, us; nothing where the kernel has no PSI."""
    found = {}
    for name in ("cpu", "memory", "io"):
        text = textfiles.read("/proc/pressure/" + name, 4096)
        for line in text.splitlines():
            words = line.split()
            if words and words[0] == "some" and words[-1].startswith("total="):
                found[name + "_some_share"] = int(words[-1][6:])
    return found


def _disk_ms(text: str) -> Optional[Dict[str, int]]:
    """Give for each disk the time in which something was being read or written, ms."""
    rows = (line.split() for line in text.splitlines())
    return {row[2]: int(row[12]) for row in rows if len(row) > 12 and _DISK.fullmatch(row[2])} or None

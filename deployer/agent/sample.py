"""Sampling: what the host, its units, its servers and its apps do while it is under load, one event per interval.

It must not be the load itself: a few small files are read, servers are asked over connections that stay open, and
systemd is asked every few seconds only. What it took of the processor is told in the end.
Counters are told as what came since the beginning. What cannot be read is None.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import cgroups, counting, textfiles, unitstate
from .sampleapps import Apps
from .samplekernel import TICKS_PER_S, counters
from .sampleunit import Unit

Document = Dict[str, Any]

#: Memory is looked at this many times in an interval: a peak is shorter than a second.
LOOKS = 4
#: Between two questions to systemd, which cost a process each; s.
ASK_SYSTEMD_EVERY_S = 5.0
#: What is wanted of /proc/meminfo stands in its first lines.
_MEMINFO_BYTES = 400
INTERVAL_LIMITS_S = (0.1, 60.0)
LONGEST_S = 6 * 3600.0

_PROPERTIES = "Id,ControlGroup,MainPID,NRestarts,Result,ActiveState"


def run(request: Document, emit: Callable[[Document], None], stopped: Callable[[float], bool]) -> Document:
    """Sample until told to stop, or for ``max_s``.

    Args:
        request: With ``units`` (names), ``servers`` and ``apps`` (see :mod:`counting` and :mod:`sampleapps`; they may
            be missing), ``interval_s`` (0.1 to 60) and ``max_s``.
        emit: Takes each ``sample`` event.
        stopped: Waits up to so many seconds and says whether it is over.

    Returns:
        The summary: peaks, kills and restarts.
    """
    low, high = INTERVAL_LIMITS_S
    interval_s = min(max(float(request.get("interval_s", 1.0)), low), high)
    sampler = Sampler(
        [str(unit) for unit in request.get("units", [])], request.get("servers") or {}, request.get("apps") or {}
    )
    end = sampler.began + min(float(request.get("max_s", 600.0)), LONGEST_S)
    due = sampler.began
    over = False
    try:
        while not over and due < end:
            for look in range(LOOKS):
                over = stopped(max(0.0, due + interval_s * (look + 1) / LOOKS - time.monotonic()))
                sampler.look()
                if over:
                    break
            due += interval_s
            emit(dict(sampler.sample(asking=over), event="sample"))
        sampler.ask_systemd()
        return sampler.summary()
    finally:
        sampler.servers.close()


class Sampler:
    """What was seen so far.

    Args:
        units: The units whose memory is told apart.
        servers: The servers that are asked for their counters.
        apps: The apps whose visitors and outside connections are counted.
    """

    def __init__(self, units: List[str], servers: Optional[Document] = None, apps: Optional[Document] = None) -> None:
        self.began = time.monotonic()
        self._own_cpu_s = _own_cpu_s()
        self._units = {unit: Unit(unit) for unit in units}
        self.servers = counting.Servers(servers or {})
        self._apps = Apps(apps or {})
        self._kind = cgroups.version()
        self._kills = cgroups.HostKills()
        self._cores = len(os.sched_getaffinity(0))
        self._asked = 0.0
        self.ask_systemd()
        self._first = self._last = counters()
        self._memory: List[Tuple[float, float]] = []
        self.total_mib = 0.0
        self.samples = 0
        self.peak_share = self.peak_mib = 0.0
        self.cpu_shares: List[float] = []
        self.look()

    def look(self) -> None:
        """Look at the memory of the host."""
        meminfo = textfiles.read("/proc/meminfo", _MEMINFO_BYTES).replace(":", "").replace(" kB", "")
        total, available = ((cgroups.number_of(name, meminfo) or 0) / 1024 for name in ("MemTotal", "MemAvailable"))
        if total > 0:
            self.total_mib = total
            self._memory.append((total - available, available))

    def sample(self, *, asking: bool = False) -> Document:
        """Sum up the interval that ends now."""
        now = counters()
        seconds = max(1e-3, now["at"] - self._last["at"])
        used, available = max(self._memory) if self._memory else (0.0, 0.0)
        share = used / self.total_mib if self.total_mib else None
        self.peak_share, self.peak_mib = max(self.peak_share, share or 0.0), max(self.peak_mib, used)
        ticks = seconds * TICKS_PER_S * self._cores
        # busy against the clock, not against idle: a container's idle column is the machine's
        busy = min(1.0, (now["busy"] - self._last["busy"]) / ticks)
        self.cpu_shares.append(busy)
        if asking or now["at"] - self._asked > ASK_SYSTEMD_EVERY_S:
            self.ask_systemd()
        units = {name: unit.sample(seconds) for name, unit in self._units.items()}
        document = {
            "t_s": round(now["at"] - self.began, 3),
            "memory_total_mib": round(self.total_mib, 1),
            "memory_available_mib": round(available, 1),
            "memory_share": None if share is None else round(share, 4),
            "cpu_busy_share": round(busy, 4),
            "cpu_steal_share": round(min(1.0, (now["steal"] - self._last["steal"]) / ticks), 4),
            "cpu_iowait_share": round(min(1.0, (now["iowait"] - self._last["iowait"]) / ticks), 4),
            "disk_busy_share": _disk_busy_share(self._last["disk_ms"], now["disk_ms"], seconds),
            "pressure": {
                name: round((now["pressure"][name] - self._last["pressure"].get(name, 0)) / 1e6 / seconds, 4)
                for name in now["pressure"]
            }
            or None,
            "oom_kills": self.oom_kills(),
            "units": units,
            "servers": self.servers.sample(),
            "apps": self._apps.sample(),
            **{name: now[name] - self._first[name] for name in ("listen_overflows", "listen_drops", "retransmitted")},
            "tcp_in_use": now["tcp_in_use"],
            "net_in_bytes": now["net_in_bytes"] - self._last["net_in_bytes"],
            "net_out_bytes": now["net_out_bytes"] - self._last["net_out_bytes"],
        }
        self._memory.clear()
        self.look()
        self._last = now
        self.samples += 1
        return document

    def oom_kills(self) -> Optional[int]:
        """Count the kills on this host since the beginning."""
        kills = self._kills.since_begin()
        if kills is None or self._kills.counted_by == "vmstat":
            return kills
        # a unit that died takes its group's counter along; then the machine's counter rose and it was a signal
        died = sum(unit.deaths() for unit in self._units.values())
        return max(kills, min(died, self._kills.machine_since_begin()))

    def ask_systemd(self) -> None:
        """Learn the units' groups, restarts and results."""
        self._asked = time.monotonic()
        if not self._units:
            return
        argv = ["systemctl", "show", "--no-pager", "--property", _PROPERTIES, "--", *self._units]
        blocks = (unitstate.output(argv) or "").strip("\n").split("\n\n")
        for block in blocks:
            properties = dict(line.partition("=")[::2] for line in block.splitlines())
            unit = self._units.get(properties.get("Id", ""))
            if unit is not None:
                unit.told(properties, self._kind)

    def summary(self) -> Document:
        """Sum up the whole run."""
        last, first = self._last, self._first
        return {
            "samples": self.samples,
            "duration_s": round(last["at"] - self.began, 3),
            "cgroup": self._kind,
            "cpu_cores": self._cores,
            "memory_total_mib": round(self.total_mib, 1),
            "memory_peak_mib": round(self.peak_mib, 1),
            "memory_peak_share": round(self.peak_share, 4) if self.samples else None,
            "cpu_peak_share": round(max(self.cpu_shares), 4) if self.cpu_shares else None,
            "oom_kills": self.oom_kills(),
            "oom_kills_counted_by": self._kills.counted_by,
            "listen_overflows": last["listen_overflows"] - first["listen_overflows"],
            "listen_drops": last["listen_drops"] - first["listen_drops"],
            "units": {name: unit.summary() for name, unit in self._units.items()},
            "restarts": sum(unit.restarts for unit in self._units.values()),
            "sampler_core_share": round((_own_cpu_s() - self._own_cpu_s) / max(1e-3, last["at"] - self.began), 5),
        }


def _own_cpu_s() -> float:
    """Give what this process and those that it started have used of processors, s."""
    return sum(os.times()[:4])


def _disk_busy_share(
    before: Optional[Dict[str, int]], now: Optional[Dict[str, int]], seconds: float
) -> Optional[float]:
    """Give the share of the time in which the busiest disk had something to do."""
    if before is None or now is None:
        return None
    most_ms = max((ms - before.get(disk, ms) for disk, ms in now.items()), default=0)
    return round(min(1.0, max(0, most_ms) / 1000 / seconds), 4)

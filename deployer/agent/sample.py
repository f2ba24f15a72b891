"""Sampling: memory, CPU, OOM kills and listen queues while the host is under load, one event per interval.

It must not be the load itself: a few small files are read, and systemd is asked every few seconds only.
Counters are told as what came since the beginning. What cannot be read is None.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import cgroups, textfiles, unitstate

Document = Dict[str, Any]

#: Memory is looked at this many times in an interval: a peak is shorter than a second.
LOOKS = 4
#: Between two questions to systemd, which cost a process each; s.
ASK_SYSTEMD_EVERY_S = 5.0
INTERVAL_LIMITS_S = (0.1, 60.0)
LONGEST_S = 3600.0

_PROPERTIES = "Id,ControlGroup,MainPID,NRestarts,Result,ActiveState"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def run(request: Document, emit: Callable[[Document], None], stopped: Callable[[float], bool]) -> Document:
    """Sample until told to stop, or for ``max_s``.

    Args:
        request: With ``units`` (names), ``interval_s`` (0.1 to 60) and ``max_s``.
        emit: Takes each ``sample`` event.
        stopped: Waits up to so many seconds and says whether it is over.

    Returns:
        The summary: peaks, kills and restarts.
    """
    low, high = INTERVAL_LIMITS_S
    interval_s = min(max(float(request.get("interval_s", 1.0)), low), high)
    sampler = Sampler([str(unit) for unit in request.get("units", [])])
    end = sampler.began + min(float(request.get("max_s", 600.0)), LONGEST_S)
    due = sampler.began
    over = False
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


class Sampler:
    """What was seen so far.

    Args:
        units: The units whose memory is told apart.
    """

    def __init__(self, units: List[str]) -> None:
        self.began = time.monotonic()
        self._units = {unit: Unit(unit) for unit in units}
        self._kind = cgroups.version()
        self._kills = cgroups.HostKills()
        self._cores = len(os.sched_getaffinity(0))
        self._asked = 0.0
        self.ask_systemd()
        self._first = self._last = self._counters()
        self._memory: List[Tuple[float, float]] = []
        self.total_mib = 0.0
        self.samples = 0
        self.peak_share = self.peak_mib = 0.0
        self.cpu_shares: List[float] = []
        self.look()

    def look(self) -> None:
        """Look at the memory of the host."""
        meminfo = cgroups.key_numbers(textfiles.read("/proc/meminfo").replace(":", "").replace(" kB", ""))
        total, available = meminfo.get("MemTotal", 0) / 1024, meminfo.get("MemAvailable", 0) / 1024
        if total > 0:
            self.total_mib = total
            self._memory.append((total - available, available))

    def sample(self, *, asking: bool = False) -> Document:
        """Sum up the interval that ends now."""
        now = self._counters()
        seconds = max(1e-3, now["at"] - self._last["at"])
        used, available = max(self._memory) if self._memory else (0.0, 0.0)
        share = used / self.total_mib if self.total_mib else None
        self.peak_share, self.peak_mib = max(self.peak_share, share or 0.0), max(self.peak_mib, used)
        ticks = seconds * _TICKS_PER_S * self._cores
        # busy against the clock, not against idle: a container's idle column is the machine's
        busy = min(1.0, (now["busy"] - self._last["busy"]) / ticks)
        self.cpu_shares.append(busy)
        if asking or now["at"] - self._asked > ASK_SYSTEMD_EVERY_S:
            self.ask_systemd()
        units = {name: unit.sample() for name, unit in self._units.items()}
        document = {
            "t_s": round(now["at"] - self.began, 3),
            "memory_total_mib": round(self.total_mib, 1),
            "memory_available_mib": round(available, 1),
            "memory_share": None if share is None else round(share, 4),
            "cpu_busy_share": round(busy, 4),
            "cpu_steal_share": round(min(1.0, (now["steal"] - self._last["steal"]) / ticks), 4),
            "pressure": {
                name: round((now["pressure"][name] - self._last["pressure"].get(name, 0)) / 1e6 / seconds, 4)
                for name in now["pressure"]
            }
            or None,
            "oom_kills": self.oom_kills(),
            "units": units,
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
        }

    def _counters(self) -> Document:
        cpu = [int(word) for word in textfiles.read("/proc/stat", 4096).split("\n", 1)[0].split()[1:] if word.isdigit()]
        cpu += [0] * (8 - len(cpu))
        tcp = _table(textfiles.read("/proc/net/netstat"), "TcpExt")
        segments = _table(textfiles.read("/proc/net/snmp"), "Tcp")
        net_in, net_out = _traffic(textfiles.read("/proc/net/dev"))
        return {
            "at": time.monotonic(),
            "busy": cpu[0] + cpu[1] + cpu[2] + cpu[5] + cpu[6],  # user nice system irq softirq
            "steal": cpu[7],
            "pressure": _pressure() if not cgroups.in_container() else {},
            "listen_overflows": tcp.get("ListenOverflows", 0),
            "listen_drops": tcp.get("ListenDrops", 0),
            "retransmitted": segments.get("RetransSegs", 0),
            "tcp_in_use": _tcp_in_use(textfiles.read("/proc/net/sockstat")),
            "net_in_bytes": net_in,
            "net_out_bytes": net_out,
        }


class Unit:
    """One unit, from the first question to the last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.peak_mib: Optional[float] = None
        self.restarts = 0
        self.kills = 0
        self._group: Optional[cgroups.Group] = None
        self._path = ""
        self._first_restarts: Optional[int] = None
        self._first_pid = 0
        self._result = self._active = ""
        self._first_result = ""
        self._kills_seen: Optional[int] = None
        self._last: Document = {}

    def told(self, properties: Dict[str, str], kind: str) -> None:
        """Take what systemd says."""
        restarts, pid = _whole(properties.get("NRestarts")), _whole(properties.get("MainPID"))
        self._result, self._active = properties.get("Result", ""), properties.get("ActiveState", "")
        if self._first_restarts is None:
            self._first_restarts, self._first_pid, self._first_result = restarts, pid, self._result
        # NRestarts starts anew with a start by hand; another main process is a restart all the same
        self.restarts = max(self.restarts, restarts - self._first_restarts, int(bool(self._first_pid != pid)))
        path = properties.get("ControlGroup", "")
        if path and path != self._path:
            self._path, self._group = path, cgroups.Group(path, kind)
            self._count(self._group.oom_kills(), new=True)

    def sample(self) -> Document:
        """Look at the unit's group."""
        if self._group is not None:
            self._last = self._group.memory()
            self._count(self._group.oom_kills())
            current = self._last["memory_mib"]
            if current is not None:
                self.peak_mib = max(self.peak_mib or 0.0, current)
        return dict(self._last, oom_kills=self.kills, restarts=self.restarts, active=self._active)

    def deaths(self) -> int:
        """Count the ends of its processes that a signal may have been the cause of."""
        ended = self._result in ("signal", "oom-kill", "core-dump") and self._result != self._first_result
        return max(self.restarts, int(ended))

    def summary(self) -> Document:
        """Sum up; ``lifetime_peak_mib`` may be older than this run."""
        return {
            "peak_mib": self.peak_mib,
            "lifetime_peak_mib": self._last.get("peak_mib"),
            "limit_mib": self._last.get("limit_mib"),
            "oom_kills": self.kills,
            "restarts": self.restarts,
            "result": self._result,
            "active": self._active,
        }

    def _count(self, kills: Optional[int], *, new: bool = False) -> None:
        if kills is None:
            return
        before = self._kills_seen
        if before is not None and not new:
            self.kills += kills - before if kills >= before else kills
        self._kills_seen = kills


def _table(text: str, name: str) -> Dict[str, int]:
    """Read a pair of lines, names above numbers, as /proc/net/netstat has them."""
    rows = [line.split()[1:] for line in text.splitlines() if line.startswith(name + ":")]
    if len(rows) < 2:
        return {}
    return {key: int(value) for key, value in zip(rows[0], rows[1]) if value.isdigit()}  # noqa: B905 - Python 3.9 has no strict


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


def _whole(text: Optional[str]) -> int:
    return int(text) if text and text.isdigit() else 0

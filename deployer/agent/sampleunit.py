"""One unit while it is sampled: its memory, its processor time, OOM kills and restarts."""

from __future__ import annotations

from typing import Any, Dict, Optional

from . import cgroups

Document = Dict[str, Any]


class Unit:
    """One unit, from the first question to the last."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.peak_mib: Optional[float] = None
        self.own_peak_mib: Optional[float] = None
        self.restarts = 0
        self.kills = 0
        self._group: Optional[cgroups.Group] = None
        self._path = ""
        self._first_restarts: Optional[int] = None
        self._first_pid = 0
        self._result = self._active = ""
        self._first_result = ""
        self._kills_seen: Optional[int] = None
        self._cpu_s: Optional[float] = None
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
            self._path, self._group, self._cpu_s = path, cgroups.Group(path, kind), None
            self._count(self._group.oom_kills(), new=True)

    def sample(self, seconds: float) -> Document:
        """Look at the unit's group; the last time was so many seconds ago."""
        if self._group is not None:
            self._last = dict(self._group.memory(), cpu_core_share=self._core_share(seconds))
            self._count(self._group.oom_kills())
            current, own = self._last["memory_mib"], self._last["anonymous_mib"]
            if current is not None:
                self.peak_mib = max(self.peak_mib or 0.0, current)
            if own is not None:
                self.own_peak_mib = max(self.own_peak_mib or 0.0, own)
        return dict(self._last, oom_kills=self.kills, restarts=self.restarts, active=self._active)

    def _core_share(self, seconds: float) -> Optional[float]:
        """Give the share of a core that it used since the last time."""
        used_s, before_s = self._group.cpu_s() if self._group else None, self._cpu_s
        self._cpu_s = used_s
        if used_s is None or before_s is None or used_s < before_s:
            return None
        return round((used_s - before_s) / seconds, 4)

    def deaths(self) -> int:
        """Count the ends of its processes that a signal may have been the cause of."""
        ended = self._result in ("signal", "oom-kill", "core-dump") and self._result != self._first_result
        return max(self.restarts, int(ended))

    def summary(self) -> Document:
        """Sum up; ``own_peak_mib`` is without page cache, ``lifetime_peak_mib`` may be older than this run."""
        return {
            "peak_mib": self.peak_mib,
            "own_peak_mib": self.own_peak_mib,
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


def _whole(text: Optional[str]) -> int:
    return int(text) if text and text.isdigit() else 0

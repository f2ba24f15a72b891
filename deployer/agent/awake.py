"""Awake: processors do not fall asleep while somebody looks at what requests cost.

A processor that was idle comes up to its speed only after a while, so that the few requests of a light load cost more
than the same do under full load (docs/tuning.md has figures). One process for each core that does nothing keeps it up,
in a unit of the least weight and with the kernel's idle policy: whatever else wants the core gets it at once. What it
spends is told apart (`usage`), and it ends with whoever asked for it, since its stdin does.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import Any, Dict, Optional

from . import cgroups, command, textfiles, unitstate

Document = Dict[str, Any]

UNIT = "deployer-awake.service"
#: Weights count among neighbours: in a slice of its own it would get as much as all services of ours together.
SLICE = "deployer.slice"
#: No calibration takes so long; systemd ends it then, whatever became of us; s.
LONGEST_S = 1800
#: Within so long it runs, s, or the host is measured as it is.
WITHIN_S = 10.0
#: Looks at its stdin between two rounds, some thousand times a second; it never is more than what is left over.
_PROGRAM = """\
import os, select
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
for _ in range(CORES - 1):
    if not os.fork():
        break
while not select.select([0], [], [], 0)[0]:
    for _ in range(20000):
        pass
"""


def run(request: Document) -> Document:
    """Begin or end.

    Args:
        request: With ``on``; without, or with a false one, it ends.

    Returns:
        ``cores``: how many are kept awake now; 0: none, as this host's systemd does not start it.
    """
    _keeper.end()
    return {"cores": _keeper.begin() if request.get("on") is True else 0}


def spent_ms() -> float:
    """Say what was spent so far on keeping processors awake, ms."""
    return _keeper.spent_ms()


class _Keeper:
    """The unit, as long as it runs, and what its processes have spent."""

    def __init__(self) -> None:
        self._running: "Optional[subprocess.Popen[bytes]]" = None
        self._group: Optional[cgroups.Group] = None
        self._spent_ms: Dict[int, float] = {}

    def begin(self) -> int:
        """Start it; gives the cores that are kept awake."""
        cores = len(os.sched_getaffinity(0))
        call = ["systemd-run", "--pipe", "--wait", "--collect", "--quiet", "--unit=" + UNIT, "--slice=" + SLICE]
        for setting in ("User=nobody", "CPUWeight=1", "MemoryMax=32M", "RuntimeMaxSec=%d" % LONGEST_S):
            call += ["-p", setting]
        call += ["--", "/usr/bin/python3", "-I", "-S", "-c", _PROGRAM.replace("CORES", str(cores))]
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        try:
            self._running = subprocess.Popen(call, stdin=pipe, stdout=nothing, stderr=nothing, env=command.ENVIRONMENT)
        except OSError:
            return 0
        until = time.monotonic() + WITHIN_S
        while time.monotonic() < until and self._running.poll() is None:
            path = unitstate.properties([UNIT], ("Id", "ControlGroup"))[UNIT].get("ControlGroup", "")
            self._group = cgroups.Group(path, cgroups.version()) if path else None
            if self._group is not None and len(self._group.pids()) >= cores:
                return cores
            time.sleep(0.05)
        self.end()
        return 0

    def spent_ms(self) -> float:
        """Add up what its processes have spent; one that is gone is told as it was last seen."""
        for pid in self._group.pids() if self._group is not None else ():
            exact = textfiles.read("/proc/%d/schedstat" % pid, 256).split()[:1]  # not every kernel has it
            told_ms = int(exact[0]) / 1e6 if exact and exact[0].isdigit() else 1000 * cgroups.process_s(pid)
            self._spent_ms[pid] = max(told_ms, self._spent_ms.get(pid, 0.0))
        return sum(self._spent_ms.values())

    def end(self) -> None:
        """Close its stdin, if it runs, and see that it ends."""
        if self._running is None:
            return
        self.spent_ms()
        ended, self._running, self._group = self._running, None, None
        if ended.stdin is not None:
            ended.stdin.close()
        try:
            ended.wait(WITHIN_S)
        except subprocess.TimeoutExpired:  # systemd stops it, and what waited for it ends too
            command.run(["systemctl", "stop", UNIT], timeout_s=30)
            ended.wait(WITHIN_S)


_keeper = _Keeper()

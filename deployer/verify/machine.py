"""The processors of this machine that a local VPS runs on: what else runs there takes time from it, as a neighbour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class Processors:
    """Some processors of this machine, and how busy they are.

    Args:
        cpus: Their numbers.
        stat: The kernel's own account.
    """

    def __init__(self, cpus: Sequence[int], stat: Path = Path("/proc/stat")) -> None:
        self._names = {f"cpu{cpu}" for cpu in cpus}
        self._stat = stat
        self._last = self._ticks()

    def busy_share(self) -> float | None:
        """Say how busy they were since this was asked last, 0 to 1; None if there are none or no time went by."""
        busy, whole = self._ticks()
        busy_before, whole_before = self._last
        self._last = busy, whole
        return (busy - busy_before) / (whole - whole_before) if whole > whole_before else None

    def _ticks(self) -> tuple[int, int]:
        busy = whole = 0
        for line in self._stat.read_text(encoding="ascii").splitlines() if self._names else ():
            name, *words = line.split()
            if name in self._names:
                user, nice, system, idle, iowait, irq, softirq, *_ = (int(word) for word in words)
                busy += user + nice + system + irq + softirq
                whole += user + nice + system + irq + softirq + idle + iowait
        return busy, whole

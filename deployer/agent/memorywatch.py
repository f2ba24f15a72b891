"""Memory of units from their activation to the commit: a deploy whose processes do not fit is not committed.

What counts is memory that the kernel cannot take back, anonymous and shared. systemd's MemoryCurrent counts the page
cache too: a database that reads its tables comes to its MemoryMax with that, and is well.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Optional, Sequence, Tuple

from . import cgroups, places, unitstate
from .refusal import Refusal

#: Who was just started and holds this share of its MemoryMax is killed by its first visitors.
NEARLY_ALL = 0.95
_SIGKILL = "9"
_REMEDY = (
    "give it more memory in the inventory (`deployer explain` says where its share comes from), or let it need less"
)
_NAMES = ("Id", "Slice", "ControlGroup", "NRestarts", "Result", "ExecMainStatus")

Document = Dict[str, Any]


class MemoryWatch:
    """The control groups of units, looked at every few moments: a group goes with its unit, and its account with it.

    Args:
        units: Those that run when the deploy is done; made right before they are started.
    """

    def __init__(self, units: Sequence[str]) -> None:
        self._kind = cgroups.version()
        self._machine_kills = cgroups.machine_kills() or 0
        told = unitstate.properties([unit for unit in units if unit.endswith(".service")], _NAMES)
        self._units = [_Unit(unit, properties, self._kind) for unit, properties in told.items()]
        self._went = False

    def look(self) -> None:
        """Look at all groups.

        Raises:
            Refusal: Kind `probe`: the kernel killed a process for want of memory.
        """
        if self._went:
            return  # it has been said; the way back is not to be stopped by it
        for unit in self._units:
            unit.look()
            if unit.kills:
                self._went = True
                raise Refusal("probe", unit.killed(), next=_REMEDY)

    def hold(self) -> None:
        """Refuse units that were started since and hold nearly all of what they may have.

        One that ran before is full of its visitors' work, which is not the deploy's doing.

        Raises:
            Refusal: Kind `probe`, naming the unit, what it holds and its limit.
        """
        self.look()
        for unit in self._units:
            if unit.is_new and unit.limit_mib and unit.anonymous_mib >= NEARLY_ALL * unit.limit_mib:
                raise Refusal(
                    "probe",
                    f"{unit.name} holds {unit.anonymous_mib:.0f} MiB that the kernel cannot take back, nearly all of "
                    f"its MemoryMax of {unit.limit_mib:.0f} MiB in {unit.slice}",
                    next=_REMEDY,
                )

    def explained(self, refusal: Refusal) -> Refusal:
        """Say what a failure is if a unit died for want of memory; else return it as it is.

        With the unit's last process its group is gone, and the count of kills in it. What is left is that it died
        of a signal while this kernel killed somebody: systemd calls it `oom-kill` on version 2 of control groups,
        and only `signal` on version 1.
        """
        if self._went or refusal.kind not in ("activation", "probe"):
            return refusal
        self._went = True
        names = [unit.name for unit in self._units]
        for unit, told in zip(self._units, unitstate.properties(names, _NAMES).values()):
            unit.look()
            died = told.get("Result") == "signal" and told.get("ExecMainStatus") == _SIGKILL
            came_back = _whole(told.get("NRestarts")) > unit.restarts
            by_kernel = (died or came_back) and (cgroups.machine_kills() or 0) > self._machine_kills
            if unit.kills or told.get("Result") == "oom-kill" or by_kernel:
                detail = f"{refusal.message}\n{refusal.detail}".strip()
                return Refusal("probe", unit.killed(), step=refusal.step, detail=detail, next=_REMEDY)
        return refusal


class _Unit:
    """What was seen of one unit."""

    def __init__(self, name: str, told: Dict[str, str], kind: str) -> None:
        self.name = name
        self.slice = told.get("Slice") or "system.slice"
        self.restarts = _whole(told.get("NRestarts"))
        self.kills = 0
        self.peak_mib = self.anonymous_mib = 0.0
        self.limit_mib: Optional[float] = None
        # where it goes when it is started, and where it is: a new file may have given it another slice
        paths = dict.fromkeys((f"{slice_path(self.slice)}/{name}", told.get("ControlGroup", "")))
        root = places.at(cgroups.V2 if kind == "v2" else cgroups.V1)
        self._groups = [cgroups.Group(path, kind, root) for path in paths if path]
        found = self._found()
        self._identity = found and found[1]
        self._is_first = found is not None
        self._counted = (found and found[0].oom_kills()) or 0

    @property
    def is_new(self) -> bool:
        """Whether what runs was started since."""
        return self._identity is not None and not self._is_first

    def look(self) -> None:
        """Count the kills in the group that is there now, and note its memory."""
        found = self._found()
        if found is None:
            return
        group, identity = found
        if identity != self._identity:
            if self._is_first:  # of what ran before: its memory and its ends are not what is deployed
                self.kills, self.restarts, self.peak_mib = 0, 0, 0.0
            self._identity, self._counted, self._is_first = identity, 0, False
        kills, memory = group.oom_kills() or 0, group.memory()
        self.kills += max(0, kills - self._counted)
        self._counted = max(self._counted, kills)
        self.limit_mib = memory["limit_mib"] or self.limit_mib
        self.anonymous_mib = memory["anonymous_mib"] or 0.0
        # the kernel's own peak of a group that was there before is not one of this deploy
        peak_mib = memory["memory_mib"] if self._is_first else memory["peak_mib"] or memory["memory_mib"]
        self.peak_mib = max(self.peak_mib, peak_mib or 0.0)

    def killed(self) -> str:
        """Say that it was killed, how large it had become, and what it may have."""
        what = f"{self.kills} processes" if self.kills > 1 else "a process"
        peak = f"{self.peak_mib:.0f} MiB" if self.kills else f"at least {self.peak_mib:.0f} MiB"  # it grew on, unseen
        limit = f"MemoryMax {self.limit_mib:.0f} MiB" if self.limit_mib else "without a MemoryMax"
        return (
            f"{self.name} does not fit into its memory: the kernel killed {what} of it; "
            f"its peak was {peak}, {limit}, in {self.slice}"
        )

    def _found(self) -> Optional[Tuple[cgroups.Group, int]]:
        """Give its group and what tells that from a later one of the same path."""
        for group in self._groups:
            try:
                return group, os.stat(group.folder).st_ino
            except OSError:
                continue
        return None


def slice_path(name: str) -> str:
    """Give the path of a slice's group: `a-b.slice` lies in `a.slice`."""
    stem = name.removesuffix(".slice")
    if stem == "-":
        return ""
    words = stem.split("-")
    return "".join("/" + "-".join(words[: count + 1]) + ".slice" for count in range(len(words)))


def _whole(text: Optional[str]) -> int:
    return int(text) if text and text.isdigit() else 0

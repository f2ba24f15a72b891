"""Failures that the kernel counted in the memory groups of units.

Version 1 of control groups counts processes that it killed (``memory.oom_control``), version 2 besides how often it
found nothing left to give (``oom`` in ``memory.events``). ``memory.failcnt`` of version 1 is not among them: it is one
more whenever page cache has to go for a new page at the limit, which is what a limit is for, and fails nobody.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from deployer.sandbox import SandboxHost

COUNTERS = ("oom", "oom_kill")
#: Prints each unit's name and its group's counters, whichever version there is.
COMMAND = """for unit in {units}; do
  group=$(systemctl show --property ControlGroup --value -- "$unit")
  echo "unit $unit"
  [ -z "$group" ] && continue
  cat "/sys/fs/cgroup/memory$group/memory.oom_control" "/sys/fs/cgroup$group/memory.events" 2>/dev/null
done; true"""


def counted(host: SandboxHost, units: Iterable[str]) -> Mapping[str, int]:
    """Count the failures of each unit since its group exists.

    Raises:
        SandboxError: The host does not answer.
    """
    return counters(host.sh(COMMAND.format(units=shlex.join(units))))


def counters(text: str) -> Mapping[str, int]:
    """Read what the command printed: the larger of a unit's counters, as what was killed had found nothing left."""
    found: dict[str, int] = {}
    unit = ""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == "unit":
            unit = value
            found[unit] = 0
        elif name in COUNTERS and value.isdigit():
            found[unit] = max(found[unit], int(value))
    return found


def between(before: Mapping[str, int], after: Mapping[str, int]) -> Mapping[str, int]:
    """Give what was counted in between; a group with less than before was made anew."""
    return {
        unit: count - before.get(unit, 0) if count >= before.get(unit, 0) else count for unit, count in after.items()
    }

"""How much processor each part of a contender takes for a page: who carries less has here where it went."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Final

from deployer.sandbox import SandboxHost

#: Adds up the processor of all processes of each unit, s. A process that ended meanwhile is not in it.
_COUNT: Final = """
import os, sys
ticks = dict.fromkeys(sys.argv[1:], 0)
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        with open(f"/proc/{pid}/cgroup") as file:
            groups = file.read().replace("\\n", "/").split("/")
        with open(f"/proc/{pid}/stat") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        continue
    for unit in ticks:
        if unit in groups:
            ticks[unit] += int(words[11]) + int(words[12])
print(*(count / os.sysconf("SC_CLK_TCK") for count in ticks.values()))
"""


def processor_s(host: SandboxHost, units: Mapping[str, str]) -> dict[str, float]:
    """Give the processor time that each part's processes have taken so far, s.

    Args:
        host: The local VPS.
        units: Units by what they are.
    """
    said = host.sh(f"python3 -I -c {shlex.quote(_COUNT)} {shlex.join(units.values())}")
    return dict(zip(units, map(float, said.split()), strict=True))


def each_ms(before: Mapping[str, float], after: Mapping[str, float], pages: int) -> dict[str, float]:
    """Give the processor of each part for a page, ms; nothing when there was none."""
    return {part: 1000 * (after[part] - before[part]) / pages for part in after} if pages else {}


def excess(own: Mapping[str, float], other: Mapping[str, float]) -> str:
    """Say which part of ours takes most more processor for a page than another's; nothing when none does."""
    more = {part: taken - other[part] for part, taken in own.items() if part in other}
    part = max(more, key=lambda name: more[name], default="")
    if not part or more[part] <= 0:
        return ""
    return f"{part} takes {own[part]:.2f} ms of processor a page, {more[part]:.2f} more"

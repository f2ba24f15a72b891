"""The disk as a resource: what the system and the services fill of it at the most, and the room that is left for data.

What is refused is what the budget itself fills: logs, caches, kept releases, redo logs, swap. How fast the users' data
grows is theirs to know; the room for it is said.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil

from deployer.declaration import Declaration
from deployer.numbers import Derived, Numbers, derived
from deployer.priors import PRIORS

#: Names of the first and the last line of the disk's ledger.
SYSTEM, ROOM = "system", "room for data"


def disk_of(declaration: Declaration, uses: Iterable[Numbers]) -> Numbers:
    """Put together what fills the disk.

    Args:
        declaration: The host.
        uses: What each service fills of it, MiB by name.

    Returns:
        The system's part, each use, and the room that is left: together the whole disk, MiB. There is less room
        than none where the budget alone would fill more than there is: such a host is refused.
    """
    disk_gib = declaration.hardware.disk_gib
    found: dict[str, Derived] = {
        SYSTEM: derived(
            _system_mib(disk_gib),
            "MiB",
            f"Debian and its packages {PRIORS.disk_system_mib} + {PRIORS.disk_system_share:.0%} of {disk_gib} GiB, "
            "which the file system keeps for root",
            "hardware.disk_gib",
            "priors.disk_system_mib",
            "priors.disk_system_share",
        )
    }
    for one in uses:
        found |= one
    filled_mib = sum(int(use.value) for use in found.values())
    found[ROOM] = derived(
        disk_gib * 1024 - filled_mib,
        "MiB",
        f"{disk_gib} GiB less {filled_mib} MiB: databases, files of the apps, what people put there",
        "hardware.disk_gib",
        *(f"disk.{name}" for name in found),
    )
    return found


def _system_mib(disk_gib: int) -> int:
    return PRIORS.disk_system_mib + ceil(PRIORS.disk_system_share * disk_gib * 1024)

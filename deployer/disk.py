"""The disk as a resource: what the system and the services fill of it at the most, and the room that is left for data.

What is refused is what the budget itself fills: logs, caches, kept releases, redo logs, swap. How fast the users' data
grows is theirs to know; the room for it is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil

from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.numbers import Derived, Numbers, derived
from deployer.priors import PRIORS

#: Names of the first and the last line of the disk's ledger.
SYSTEM, ROOM = "system", "room for data"
#: Disks that providers sell, GiB.
SOLD_GIB = (4, 8, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 160, 200, 320, 400, 500, 1000, 2000, 4000, 8000, 16_000)


def disk_of(declaration: Declaration, uses: Iterable[Numbers]) -> Numbers:
    """Put together what fills the disk.

    Args:
        declaration: The host.
        uses: What each service fills of it, MiB by name.

    Returns:
        The system's part, each use, and the room that is left: together the whole disk, MiB.

    Raises:
        BudgetError: The budget alone would fill more than there is. The text is the ledger of the disk.
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
    room_mib = disk_gib * 1024 - filled_mib
    if room_mib < 0:
        raise _refusal(declaration, found, -room_mib)
    found[ROOM] = derived(
        room_mib,
        "MiB",
        f"{disk_gib} GiB less {filled_mib} MiB: databases, files of the apps, what people put there",
        "hardware.disk_gib",
        *(f"disk.{name}" for name in found),
    )
    return found


def _system_mib(disk_gib: int) -> int:
    return PRIORS.disk_system_mib + ceil(PRIORS.disk_system_share * disk_gib * 1024)


def _refusal(declaration: Declaration, uses: Mapping[str, Derived], missing_mib: int) -> BudgetError:
    disk_gib = declaration.hardware.disk_gib
    largest = sorted(uses.items(), key=lambda use: -int(use[1].value))
    width = max(len(str(use.value)) for use in uses.values())
    lines = [
        f"{declaration.host} fills more than its disk of {disk_gib} GiB: {missing_mib} MiB are missing",
        "",
        *(f"  {use.value:>{width}} MiB  {name} ({use.because})" for name, use in largest),
    ]
    others_mib = sum(int(use.value) for name, use in uses.items() if name != SYSTEM)
    enough = next((sold for sold in SOLD_GIB if _system_mib(sold) + others_mib <= sold * 1024), None)
    if enough is not None:
        lines += ["", f"  a disk of {enough} GiB has room for it"]
    return BudgetError(
        "\n".join(lines),
        where=f"hosts.{declaration.host}.hardware.disk_gib",
        next_step="make what stands first smaller, or declare the disk that is really there",
    )

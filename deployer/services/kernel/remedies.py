"""Changes that make swap smaller, for a host that does not fit; each is really tried."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.declaration import Declaration
from deployer.service import Remedy
from deployer.services.kernel.settings import settings_of

#: Room for what was used once, at the start of a service, and never again, MiB.
SMALL_SWAP_MIB = 256


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer less swap, and none: zram holds half of its size in memory, a file all of it on the disk."""
    settings = settings_of(declaration)
    if settings.swap == "keep":
        return
    if settings.swap_made_mib(declaration.hardware) > SMALL_SWAP_MIB:
        yield Remedy(
            f"services.kernel.swap_mib: {SMALL_SWAP_MIB}",
            declaration.with_settings("kernel", settings, swap_mib=SMALL_SWAP_MIB),
        )
    changed = declaration.with_settings("kernel", settings, swap="keep", swap_mib=None)
    yield Remedy(f"no swap is made (leave out services.kernel.swap: {settings.swap})", changed)

"""Changes that make nginx smaller, for a disk that does not have the room; each is really tried."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.declaration import Declaration
from deployer.service import Remedy
from deployer.services.nginx.settings import settings_of

#: A thousand pages of the usual size, MiB.
SMALL_CACHE_MIB = 16


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer smaller caches."""
    settings = settings_of(declaration)
    if settings.cache_disk_mib > SMALL_CACHE_MIB:
        smaller = declaration.with_settings("nginx", settings, cache_disk_mib=SMALL_CACHE_MIB)
        yield Remedy(f"services.nginx.cache_disk_mib: {SMALL_CACHE_MIB}", smaller)

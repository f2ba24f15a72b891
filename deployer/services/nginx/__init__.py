"""nginx: TLS, static files, a micro-cache for anonymous visitors, and limits that follow from the budget."""

from __future__ import annotations

from deployer.declaration import Declaration
from deployer.service import Contradictions, Rank, Service
from deployer.services.nginx.budget import claims, numbers
from deployer.services.nginx.disk import disk
from deployer.services.nginx.files import wanted
from deployer.services.nginx.settings import NginxSettings, settings_of


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse caches that the disk has no room for."""
    caches_mib = len(declaration.apps) * settings_of(declaration).cache_disk_mib
    disk_gib = declaration.hardware.disk_gib
    if caches_mib > disk_gib * 1024 // 2:
        yield (
            ("services", "nginx", "cache_disk_mib"),
            f"the caches of all apps take {caches_mib} MiB, more than half of the disk of {disk_gib} GiB",
        )


SERVICE = Service(
    name="nginx",
    rank=Rank.FRONT,
    runs=lambda declaration: bool(declaration.apps),
    claims=claims,
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    settings=NginxSettings,
    always=True,
    contradictions=contradictions,
    versions=lambda declaration: {"nginx": settings_of(declaration).version},
)

__all__ = ["SERVICE", "NginxSettings"]

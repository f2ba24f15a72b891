"""Redis or Valkey: a cache, or a store that is kept on the disk; on a unix socket, as large as the budget grants."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.declaration import Declaration
from deployer.service import Rank, Service
from deployer.services.redis.budget import claims, numbers, remedies
from deployer.services.redis.disk import disk
from deployer.services.redis.files import access, package_of, wanted
from deployer.services.redis.settings import RedisSettings, contradictions, is_declared, settings_of


def _experimental(declaration: Declaration) -> Iterator[str]:
    settings = settings_of(declaration)
    if settings.series != "7":
        yield f"services.redis: {settings.flavour} {settings.series} was never deployed, only its config was tried"


SERVICE = Service(
    name="redis",
    rank=Rank.DATA,
    runs=is_declared,
    claims=claims,
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    settings=RedisSettings,
    access=access,
    remedies=remedies,
    contradictions=contradictions,
    versions=lambda declaration: {package_of(declaration): settings_of(declaration).series},
    experimental=lambda declaration: tuple(_experimental(declaration)),
)

__all__ = ["SERVICE", "RedisSettings"]

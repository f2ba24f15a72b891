"""Redis or Valkey: a cache, or a store that is kept on the disk; on a unix socket, as large as the budget grants."""

from __future__ import annotations

from deployer.service import Rank, Service
from deployer.services.redis.budget import claims, numbers, remedies
from deployer.services.redis.disk import disk
from deployer.services.redis.files import access, package_of, wanted
from deployer.services.redis.settings import RedisSettings, contradictions, is_declared, settings_of

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
)

__all__ = ["SERVICE", "RedisSettings"]

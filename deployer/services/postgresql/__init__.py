"""PostgreSQL: a server on a unix socket that knows its apps by their system users, sized from what they can open."""

from __future__ import annotations

from deployer.service import Rank, Service
from deployer.services.postgresql.budget import claims, numbers, remedies
from deployer.services.postgresql.disk import disk
from deployer.services.postgresql.files import access, package_of, wanted
from deployer.services.postgresql.settings import PostgresqlSettings, contradictions, is_declared, settings_of

SERVICE = Service(
    name="postgresql",
    rank=Rank.DATA,
    runs=is_declared,
    claims=claims,
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    settings=PostgresqlSettings,
    access=access,
    remedies=remedies,
    contradictions=contradictions,
    versions=lambda declaration: {package_of(declaration): settings_of(declaration).version},
)

__all__ = ["SERVICE", "PostgresqlSettings"]

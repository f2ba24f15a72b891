"""What the inventory may say about PostgreSQL."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from deployer.apps import databases_taken
from deployer.declaration import Declaration, ServiceSettings
from deployer.service import Contradictions

#: What the server keeps for itself, or does not take for a name.
RESERVED_DATABASES = frozenset({"postgres", "template0", "template1", "public", "none"})


class PostgresqlSettings(ServiceSettings):
    """PostgreSQL on a unix socket; what is left out is derived from the budget."""

    holds_databases: ClassVar[bool] = True

    version: Literal["15", "17"] = "15"
    """Release series of the server: 15 comes with Debian 12, 17 with Debian 13."""
    shared_buffers_mib: Annotated[int, Field(ge=16, le=256 * 1024)] | None = None
    """Pin of shared_buffers, MiB."""
    work_mem_kib: Annotated[int, Field(ge=64, le=1024 * 1024)] | None = None
    """Pin of work_mem, KiB: what one sort or hash of one query may hold."""
    max_connections: Annotated[int, Field(ge=10, le=10_000)] | None = None
    """Pin of the connections; fewer than the pools of the apps can open is refused."""


def is_declared(declaration: Declaration) -> bool:
    """Say whether the host has it."""
    return "postgresql" in declaration.settings


def settings_of(declaration: Declaration) -> PostgresqlSettings:
    """Give the host's settings; the defaults if it has none."""
    return declaration.said_of("postgresql", PostgresqlSettings)


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse databases that the server has itself, and two apps in one."""
    return databases_taken(declaration, "postgresql", RESERVED_DATABASES)

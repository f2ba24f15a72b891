"""What the inventory may say about the database."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from deployer.declaration import Declaration, ServiceSettings


class MysqlSettings(ServiceSettings):
    """The database server of a host; what is left out is derived from the budget."""

    holds_databases: ClassVar[bool] = True

    flavour: Literal["mariadb"] = "mariadb"
    """Which server; the budget and the keys of the config depend on it."""
    version: Literal["10.11", "11.8"] = "10.11"
    """Release series of the server: 10.11 comes with Debian 12, 11.8 with Debian 13."""
    innodb_buffer_pool_size_mib: Annotated[int, Field(ge=16, le=256 * 1024)] | None = None
    """Pin of the buffer pool, MiB."""
    max_connections: Annotated[int, Field(ge=10, le=10_000)] | None = None
    """Pin of the connections; fewer than the pools of the apps can open is refused."""


def is_declared(declaration: Declaration) -> bool:
    """Say whether the host has a database."""
    return "mysql" in declaration.settings


def settings_of(declaration: Declaration) -> MysqlSettings:
    """Give the host's settings; the defaults if it has none."""
    found = declaration.settings.get("mysql")
    return found if isinstance(found, MysqlSettings) else MysqlSettings()

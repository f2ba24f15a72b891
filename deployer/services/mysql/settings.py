"""What the inventory may say about the database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from deployer.declaration import Declaration, ServiceSettings

#: Its name in the budget.
TAKER = "mysql"

FlavourName = Literal["mariadb", "mysql"]
Series = Literal["10.11", "11.4", "11.8", "8.0", "8.4", "9.7"]
Switch = Literal["off", "on"]
#: Release series of each flavour; the first is taken where the inventory names none.
SERIES: Mapping[FlavourName, tuple[Series, ...]] = {
    "mariadb": ("10.11", "11.4", "11.8"),
    "mysql": ("8.4", "8.0", "9.7"),
}


class MysqlSettings(ServiceSettings):
    """The database server of a host; what is left out is derived from the budget."""

    holds_databases: ClassVar[bool] = True

    flavour: FlavourName = "mariadb"
    """Which server; the budget and the keys of the config depend on it."""
    version: Series | None = None
    """Release series of the server. MariaDB: 10.11 (Debian 12; the default), 11.4, 11.8 (Debian 13). MySQL: 8.0
    (Ubuntu 24.04), 8.4 (the default), 9.7."""
    performance_schema: Switch = "off"
    """Let the server watch itself; it costs some 100 MiB with MariaDB, 140 with MySQL, more with many connections."""
    durability: Literal["strict", "relaxed"] = "strict"
    """relaxed writes the log to the disk once a second: a power cut loses what was committed in the last one."""
    binlog: Switch = "off"
    """Keep a log of all changes for three days, for replicas and for a return to any moment since a backup."""
    innodb_buffer_pool_size_mib: Annotated[int, Field(ge=16, le=256 * 1024)] | None = None
    """Pin of the buffer pool, MiB."""
    max_connections: Annotated[int, Field(ge=10, le=10_000)] | None = None
    """Pin of the connections; fewer than the pools of the apps can open is refused."""
    max_allowed_packet_mib: Annotated[int, Field(ge=1, le=1024)] = 1
    """Largest statement and row, MiB; there is room for one in each connection of the apps, 4.7 to 6 times its size."""
    max_session_mem_used_mib: Annotated[int, Field(ge=4, le=64 * 1024)] | None = None
    """Most memory of one connection of MariaDB, MiB; a statement beyond it is refused (error 1290). One of many small
    values takes up to 160 times its text, which no price holds: say 4 and some 5 times max_allowed_packet_mib."""

    @property
    def series(self) -> Series:
        """Release series, that which is meant where none is named."""
        return self.version or SERIES[self.flavour][0]

    def pins(self, name: str) -> bool:
        """Say whether the inventory names a setting."""
        return name in self.model_fields_set


def is_declared(declaration: Declaration) -> bool:
    """Say whether the host has a database."""
    return TAKER in declaration.settings


def settings_of(declaration: Declaration) -> MysqlSettings:
    """Give the host's settings; the defaults if it has none."""
    return declaration.said_of(TAKER, MysqlSettings)

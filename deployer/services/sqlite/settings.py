"""What the inventory may say about SQLite."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from deployer.declaration import Declaration, ServiceSettings
from deployer.service import Contradictions


class SqliteSettings(ServiceSettings):
    """SQLite: a file in the app's own folder, read and written by the app itself; no server, no password."""

    holds_databases: ClassVar[bool] = True
    runs_by_itself: ClassVar[bool] = False
    own_environment: ClassVar[dict[str, str]] = {
        "SQLITE_CACHE_KIB": "services.sqlite.cache_kib",
        "SQLITE_WAL_MIB": "services.sqlite.wal_mib",
    }
    """Variables that would undo what the budget gave, and the key that pins it instead."""

    cache_kib: Annotated[int, Field(ge=64, le=1024 * 1024)] = 2048
    """Pages that each connection of an app may keep in memory, KiB: what the app sets as cache_size."""
    wal_mib: Annotated[int, Field(ge=1, le=16 * 1024)] = 8
    """What each database's log of writes may keep of the disk, MiB: what the app sets as journal_size_limit."""


def is_declared(declaration: Declaration) -> bool:
    """Say whether apps may have their database in it."""
    return "sqlite" in declaration.settings


def settings_of(declaration: Declaration) -> SqliteSettings:
    """Give the host's settings; the defaults if it has none."""
    return declaration.said_of("sqlite", SqliteSettings)


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse a service that nobody would use: it is nothing by itself."""
    if is_declared(declaration) and not declaration.databases_in("sqlite"):
        advice = "write database: {server: sqlite}, or leave it out"
        yield ("services", "sqlite"), f"no app has its database in it; {advice}"

"""SQLite: a database that costs the app instead of a server: a file in its own folder, a page cache per connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.apps import AppPlaces
from deployer.budget import Grant, HostBudget
from deployer.declaration import Declaration
from deployer.links import Access, Chain
from deployer.numbers import Numbers, default, pinned
from deployer.service import Rank, Remedy, Service, StoreWanted, Wanted
from deployer.services.sqlite.disk import TAKER, disk
from deployer.services.sqlite.settings import (
    SqliteSettings,
    contradictions,
    is_declared,
    settings_of,
)

#: Pages of the indexes that a small app reads again and again, KiB.
SMALL_CACHE_KIB = 512


def numbers(declaration: Declaration, _chain: Chain, _grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Say what each connection may keep of memory, and each database's log of the disk."""
    settings = settings_of(declaration)
    cache = default(settings.cache_kib, "KiB", "each connection keeps so many pages; part of the price of the app")
    if "cache_kib" in settings.model_fields_set:
        cache = pinned(settings.cache_kib, "KiB", "services.sqlite.cache_kib")
    log = default(settings.wal_mib, "MiB", "twice what is written until a checkpoint, 1000 pages of 4 KiB")
    if "wal_mib" in settings.model_fields_set:
        log = pinned(settings.wal_mib, "MiB", "services.sqlite.wal_mib")
    return {TAKER: {"cache_size": cache, "journal_size_limit": log}}


def access(declaration: Declaration, app: str) -> Access:
    """Tell an app where its file is, and what its connections and its log may hold."""
    settings = settings_of(declaration)
    cache_kib = settings.cache_kib
    return Access(
        environment={
            "DATABASE_PATH": _path(app, declaration.databases_in(TAKER).get(app, app)),
            "SQLITE_CACHE_KIB": str(cache_kib),
            "SQLITE_WAL_MIB": str(settings.wal_mib),
        },
        pool_variable="DB_POOL_SIZE",
        connection_parts={"SQLite's page cache": cache_kib / 1024},
        connection_inputs=("services.sqlite.cache_kib",),
    )


def wanted(declaration: Declaration, _budget: HostBudget) -> Wanted:
    """Say where the files are; the apps make them themselves."""
    return Wanted(
        stores=tuple(
            StoreWanted(app=app, server="sqlite", unit="", name=name, user=AppPlaces(app).user, path=_path(app, name))
            for app, name in declaration.databases_in(TAKER).items()
        )
    )


def _path(app: str, name: str) -> str:
    return f"{AppPlaces(app).state}/{name}.db"


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer to keep fewer pages in memory, and less of a log on the disk."""
    settings = settings_of(declaration)
    usual_mib = SqliteSettings.model_fields["wal_mib"].default
    for name, value in (("cache_kib", SMALL_CACHE_KIB), ("wal_mib", usual_mib)):
        if getattr(settings, name) > value:
            fewer = declaration.with_settings(TAKER, settings, **{name: value})
            yield Remedy(f"services.sqlite.{name}: {value}", fewer)


SERVICE = Service(
    name="sqlite",
    rank=Rank.DATA,
    runs=is_declared,
    claims=lambda _declaration, _chain: (),
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    settings=SqliteSettings,
    access=access,
    remedies=remedies,
    contradictions=contradictions,
)

__all__ = ["SERVICE", "SqliteSettings"]

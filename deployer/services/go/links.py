"""The one process of each app that is a program of Go's, and its pool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from deployer.app import App
from deployer.apps import AppPlaces, Processes, pool_per_process
from deployer.declaration import Declaration
from deployer.links import AppLinks, Runner
from deployer.numbers import default
from deployer.services.go.settings import GoSettings, settings_of

#: Share of MemoryMax that Go's runtime is told to stay within; the rest is for what it does not count.
MEMORY_SHARE = 0.9


def apps_of(declaration: Declaration) -> Mapping[str, tuple[App, GoSettings]]:
    """Give the apps of a host that are programs of Go's."""
    found = {name: (app, settings_of(app)) for name, app in declaration.apps.items()}
    return {name: (app, settings) for name, (app, settings) in found.items() if settings is not None}


def links(declaration: Declaration) -> Mapping[str, AppLinks]:
    """Say what each app adds to the chain of connections."""
    return {name: _of_app(name, settings, declaration) for name, (_, settings) in apps_of(declaration).items()}


def _of_app(name: str, settings: GoSettings, declaration: Declaration) -> AppLinks:
    numbers = {"processes": default(1, "processes", "Go's runtime uses all cores by itself")}
    pool = pool_per_process(settings.pool_size, f"apps.{name}.go.pool_size", declaration, name, 1)
    if declaration.servers_of(name):
        numbers["pool_size"] = pool
    units = Processes(name, 1, settings.port)
    return AppLinks(
        app=name,
        processes=1,
        pool_size=int(pool.value) if declaration.servers_of(name) else 0,
        numbers=numbers,
        upstreams=units.upstreams,
        units=units.units,
        runner=Runner(
            folder=str(PurePosixPath(AppPlaces(name).current, settings.program).parent),
            job_environment={"GOMEMLIMIT": "{heap_mib}MiB"},
            heap_share=MEMORY_SHARE,
        ),
    )

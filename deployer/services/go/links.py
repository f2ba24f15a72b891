"""The one process of each app that is a program of Go's, and its pool."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from deployer.app import App
from deployer.apps import AppPlaces, app_links, apps_run_by
from deployer.declaration import Declaration
from deployer.links import AppLinks, Runner
from deployer.numbers import default
from deployer.services.go.settings import GoSettings

#: Share of MemoryMax that Go's runtime is told to stay within; the rest is for what it does not count.
MEMORY_SHARE = 0.9


def apps_of(declaration: Declaration) -> Mapping[str, tuple[App, GoSettings]]:
    """Give the apps of a host that are programs of Go's."""
    return apps_run_by(declaration, "go", GoSettings)


def links(declaration: Declaration) -> Mapping[str, AppLinks]:
    """Say what each app adds to the chain of connections."""
    return {name: _of_app(name, settings, declaration) for name, (_, settings) in apps_of(declaration).items()}


def _of_app(name: str, settings: GoSettings, declaration: Declaration) -> AppLinks:
    folder = PurePosixPath(AppPlaces(name).current, settings.program).parent
    return app_links(
        name,
        declaration,
        "go",
        processes=default(1, "processes", "Go's runtime uses all cores by itself"),
        pool_size=settings.pool_size,
        port=settings.port,
        runner=Runner(folder=str(folder), job_environment={"GOMEMLIMIT": "{heap_mib}MiB"}, heap_share=MEMORY_SHARE),
    )

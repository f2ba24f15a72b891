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
#: With less Go's collector works all the time (MiB): it is refused.
LEAST_GOMEMLIMIT_MIB = 64


def apps_of(declaration: Declaration) -> Mapping[str, tuple[App, GoSettings]]:
    """Give the apps of a host that are programs of Go's."""
    return apps_run_by(declaration, "go", GoSettings)


def links(declaration: Declaration) -> Mapping[str, AppLinks]:
    """Say what each app adds to the chain of connections."""
    return {name: _of_app(name, settings, declaration) for name, (_, settings) in apps_of(declaration).items()}


def _of_app(name: str, settings: GoSettings, declaration: Declaration) -> AppLinks:
    return app_links(
        name,
        declaration,
        "go",
        processes=default(1, "processes", "Go's runtime uses all cores by itself"),
        pool_size=settings.pool_size,
        port=settings.port,
        runner=runner_of(name, settings),
    )


def runner_of(name: str, settings: GoSettings) -> Runner:
    """Give what keeps a job within its memory: programs that lie beside the app's are taken for Go's too."""
    return Runner(
        folder=str(PurePosixPath(AppPlaces(name).current, settings.program).parent),
        heaps_in_folder=True,
        job_environment={"GOMEMLIMIT": "{heap_mib}MiB"},
        heap_share=MEMORY_SHARE,
        heap_least_mib=LEAST_GOMEMLIMIT_MIB,
        heap_usual_mib=LEAST_GOMEMLIMIT_MIB,
    )

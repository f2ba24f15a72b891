"""Processes and pools of each app that Node.js runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deployer.app import App
from deployer.apps import AppPlaces, app_links, apps_run_by
from deployer.declaration import Declaration
from deployer.links import AppLinks, Runner
from deployer.numbers import derived, pinned
from deployer.priors import PRIORS
from deployer.services.node.settings import NodeSettings

#: Share of a process's MemoryMax that its old space and what is beside it may fill.
FILLED = 0.95
#: Each of three parts in which V8 keeps young objects (--max-semi-space-size), MiB. Node.js 18 and 20 take twice as
#: much by themselves, and 24 eight times as much: with it 131 MiB were seen beyond an old space of 142.
SEMI_SPACE_MIB = 8
#: What a small app's heap needs, MiB.
SMALL_OLD_SPACE_MIB = 64
#: Options of a job.
NODE_OPTIONS = f"--max-old-space-size={{heap_mib}} --max-semi-space-size={SEMI_SPACE_MIB}"
#: Below it a job that reads rows of a database only collects, MiB.
LEAST_JOB_OLD_SPACE_MIB = 32


def apps_of(declaration: Declaration) -> Mapping[str, tuple[App, NodeSettings]]:
    """Give the apps of a host that Node.js runs."""
    return apps_run_by(declaration, "node", NodeSettings)


def links(declaration: Declaration) -> Mapping[str, AppLinks]:
    """Say what each app adds to the chain of connections: the processes that it may have at most."""
    return {name: _of_app(name, settings, declaration) for name, (_, settings) in apps_of(declaration).items()}


def _of_app(name: str, settings: NodeSettings, declaration: Declaration) -> AppLinks:
    count = settings.most_processes(declaration.hardware.cpu_cores)
    processes = derived(count, "processes", "one event loop keeps one core busy", "hardware.cpu_cores")
    if settings.processes is not None:
        processes = pinned(count, "processes", f"apps.{name}.node.processes")
    found = app_links(
        name,
        declaration,
        "node",
        processes=processes,
        pool_size=settings.pool_size,
        port=settings.port,
        runner=runner_of(name),
    )
    places = AppPlaces(name)
    # PM2's processes share one unit, and the socket that systemd holds for it
    return replace(found, upstreams=(f"unix:{places.socket}",), units=(places.unit,)) if settings.pm2 else found


def runner_of(name: str) -> Runner:
    """Give what keeps a job within its memory: its old space, beside what V8 and Node hold besides."""
    return Runner(
        folder=f"{AppPlaces(name).current}/node_modules/.bin",
        programs={"node": "/usr/bin/node"},
        jit=True,
        heaps_in_folder=True,
        job_environment={"NODE_ENV": "production", "NODE_OPTIONS": NODE_OPTIONS},
        heap_share=FILLED,
        heap_beside_mib=PRIORS.node_beside_mib,
        heap_least_mib=LEAST_JOB_OLD_SPACE_MIB,
        heap_usual_mib=SMALL_OLD_SPACE_MIB,
    )

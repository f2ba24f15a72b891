"""Processes and pools of each app that a Java virtual machine runs."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.app import App
from deployer.apps import SPOOL, AppPlaces, app_links, apps_run_by
from deployer.declaration import Declaration
from deployer.links import AppLinks, Runner
from deployer.numbers import default, pinned
from deployer.priors import PRIORS
from deployer.services.java.machine import Machine, machine_of
from deployer.services.java.settings import JavaSettings

JAVA = "/usr/bin/java"
#: Threads of a job or a migration.
JOB_THREADS = 12
#: The least heap of a job that does anything, MiB.
LEAST_JOB_HEAP_MIB = 16


def apps_of(declaration: Declaration) -> Mapping[str, tuple[App, JavaSettings]]:
    """Give the apps of a host that a Java virtual machine runs."""
    return apps_run_by(declaration, "java", JavaSettings)


def links(declaration: Declaration) -> Mapping[str, AppLinks]:
    """Say what each app adds to the chain of connections."""
    return {name: _of_app(name, settings, declaration) for name, (_, settings) in apps_of(declaration).items()}


def _of_app(name: str, settings: JavaSettings, declaration: Declaration) -> AppLinks:
    count = settings.processes
    processes = default(count, "processes", "a machine uses all cores by itself")
    if "processes" in settings.model_fields_set:
        processes = pinned(count, "processes", f"apps.{name}.java.processes")
    return app_links(
        name,
        declaration,
        "java",
        processes=processes,
        pool_size=settings.pool_size,
        port=settings.port,
        runner=runner_of(name, settings),
    )


def runner_of(name: str, settings: JavaSettings) -> Runner:
    """Give the limits of a machine that runs a job: as for visitors, but with few threads and one collector."""
    machine = machine_of(settings, app_threads=JOB_THREADS)
    options = [*machine_options(machine), "-Xmx{heap_mib}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError"]
    options.append(f"-Djava.io.tmpdir={SPOOL}")  # it does not look at TMPDIR
    return Runner(
        folder=AppPlaces(name).current,
        programs={"java": JAVA},
        jit=True,
        job_environment={"JAVA_TOOL_OPTIONS": " ".join(options), "MALLOC_ARENA_MAX": "2"},
        heap_share=1 - PRIORS.java_headroom_share,
        heap_beside_mib=machine.beside_mib,
        heap_least_mib=LEAST_JOB_HEAP_MIB,
        heap_usual_mib=int(PRIORS.java_heap_floor_mib),
        is_large_when_empty=True,
    )


def machine_options(machine: Machine) -> tuple[str, ...]:
    """Give the options that limit what is besides the heap."""
    return (
        f"-XX:MaxMetaspaceSize={machine.metaspace_mib}m",
        f"-XX:ReservedCodeCacheSize={machine.code_cache_mib}m",
        f"-XX:MaxDirectMemorySize={machine.direct_mib}m",
        f"-Xss{machine.stack_kib}k",
    )

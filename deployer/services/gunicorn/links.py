"""Workers, threads and pools of each app that gunicorn runs, from the cores and from what the user measured."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from deployer.app import App
from deployer.apps import AppPlaces, apps_run_by
from deployer.declaration import Declaration
from deployer.links import AppLinks, Runner
from deployer.numbers import Derived, default, derived, pinned
from deployer.services.gunicorn.settings import GunicornSettings

#: Threads of a gthread worker: a little more than what waits for the database while another computes.
THREADS = 4
MOST_THREADS = 64


def apps_of(declaration: Declaration) -> Mapping[str, tuple[App, GunicornSettings]]:
    """Give the apps of a host that gunicorn runs."""
    return apps_run_by(declaration, "gunicorn", GunicornSettings)


def links(declaration: Declaration) -> Mapping[str, AppLinks]:
    """Say what each app adds to the chain of connections."""
    cores = declaration.hardware.cpu_cores
    return {name: _of_app(name, settings, cores, declaration) for name, (_, settings) in apps_of(declaration).items()}


def _of_app(name: str, settings: GunicornSettings, cores: int, declaration: Declaration) -> AppLinks:
    places = AppPlaces(name)
    workers = _workers(name, settings, cores)
    threads = _threads(name, settings, cores, int(workers.value))
    numbers = {"workers": workers, "threads": threads}
    pool = _pool(name, settings, cores, int(workers.value), int(threads.value))
    if declaration.servers_of(name):
        numbers["pool_size"] = pool
    return AppLinks(
        app=name,
        processes=int(workers.value),
        pool_size=int(pool.value) if declaration.servers_of(name) else 0,
        numbers=numbers,
        upstreams=(f"unix:{places.socket}",),
        units=(places.unit,),
        runner=Runner(folder=f"{places.venv}/bin"),
    )


def _busy(settings: GunicornSettings, cores: int) -> float | None:
    """Work out how many requests at once keep the cores busy; None if the user does not know how long they wait."""
    if settings.wait_ms is None or settings.compute_ms is None:
        return None
    return cores * (1 + settings.wait_ms / settings.compute_ms)


def _workers(name: str, settings: GunicornSettings, cores: int) -> Derived:
    if settings.workers is not None:
        return pinned(settings.workers, "processes", f"apps.{name}.gunicorn.workers")
    if settings.is_async:
        return derived(cores, "processes", "one event loop keeps one core busy", "hardware.cpu_cores")
    if settings.is_threaded:
        return derived(cores, "processes", "one per core; its threads wait for others", "hardware.cpu_cores")
    busy = _busy(settings, cores)
    if busy is not None:
        return derived(
            max(1, min(64, ceil(busy))),
            "processes",
            f"{cores} cores x (1 + {settings.wait_ms:g} ms of waiting / {settings.compute_ms:g} ms of computing)",
            "hardware.cpu_cores",
            f"apps.{name}.gunicorn.wait_ms",
            f"apps.{name}.gunicorn.compute_ms",
        )
    return derived(
        2 * cores + 1, "processes", f"2 x {cores} cores + 1: each serves one visitor at a time", "hardware.cpu_cores"
    )


def _threads(name: str, settings: GunicornSettings, cores: int, workers: int) -> Derived:
    if not settings.is_threaded:
        return default(1, "threads", "this kind of worker has no threads for requests")
    if settings.threads is not None:
        return pinned(settings.threads, "threads", f"apps.{name}.gunicorn.threads")
    busy = _busy(settings, cores)
    if busy is None:
        return default(THREADS, "threads", "some wait for the database while one computes")
    return derived(
        max(2, min(MOST_THREADS, ceil(busy / workers))),
        "threads",
        f"{cores} cores x (1 + {settings.wait_ms:g} ms of waiting / {settings.compute_ms:g} ms of computing), "
        f"shared by {workers} workers",
        "hardware.cpu_cores",
        f"{name}.workers",
        f"apps.{name}.gunicorn.wait_ms",
        f"apps.{name}.gunicorn.compute_ms",
    )


def _pool(name: str, settings: GunicornSettings, cores: int, workers: int, threads: int) -> Derived:
    if settings.pool_size is not None:
        return pinned(settings.pool_size, "connections", f"apps.{name}.gunicorn.pool_size")
    if settings.is_async:
        return derived(
            max(2, ceil((2 * cores + 1) / workers)),
            "connections",
            f"(2 x {cores} cores + 1 disk) / {workers} workers: more only wait inside the database",
            "hardware.cpu_cores",
            f"{name}.workers",
        )
    if settings.is_threaded:
        return derived(threads, "connections", "each thread uses one", f"{name}.threads")
    return default(1, "connections", "a worker that serves one visitor at a time uses one")

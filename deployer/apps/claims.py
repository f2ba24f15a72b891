"""What an app asks of memory besides its processes: long-lived connections, and uploads on their way.

Where an app has a unit for each process, all but one of them hold what all hold together: while one is restarted, its
connections go to the others, and stay there.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from deployer.app import App
from deployer.priors import PRIORS


def beside_parts(app: App) -> Mapping[str, float]:
    """Price what grows with visitors and not with processes, MiB, by name."""
    return {**long_lived_parts(app), **upload_parts(app)}


def long_lived_parts(app: App, processes: int = 1) -> Mapping[str, float]:
    """Price the long-lived connections that each of so many units may have to hold, MiB, by name."""
    if app.websockets is None:
        return {}
    held, each_kib = _of_one(app.websockets.connections, processes), app.websockets.memory_kib
    return {f"{held} long-lived connections of {each_kib} KiB": held * each_kib / 1024}


def upload_parts(app: App, processes: int = 1) -> Mapping[str, float]:
    """Price the uploads that each of so many units may have to take at once, MiB, by name."""
    count = _of_one(app.uploads_at_once, processes)
    return {f"{count} uploads of {PRIORS.upload_mib:g} MiB in memory": count * PRIORS.upload_mib}


def beside_inputs(name: str, app: App) -> tuple[str, ...]:
    """Name what those prices are worked out from, by path as in ``Claim.inputs``."""
    held = () if app.websockets is None else ("websockets.connections", "websockets.memory_kib")
    return (*(f"apps.{name}.{key}" for key in (*held, "uploads_at_once")), "priors.upload_mib")


def _of_one(together: int, processes: int) -> int:
    return ceil(together / max(1, processes - 1))

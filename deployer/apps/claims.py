"""What an app asks of memory besides its processes: long-lived connections, and uploads on their way."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.app import App
from deployer.priors import PRIORS


def beside_parts(app: App) -> Mapping[str, float]:
    """Price what grows with visitors and not with processes, MiB, by name."""
    parts: dict[str, float] = {}
    if app.websockets is not None:
        held = app.websockets
        parts[f"{held.connections} long-lived connections of {held.memory_kib} KiB"] = (
            held.connections * held.memory_kib / 1024
        )
    parts[f"{app.uploads_at_once} uploads of {PRIORS.upload_mib:g} MiB in memory"] = (
        app.uploads_at_once * PRIORS.upload_mib
    )
    return parts

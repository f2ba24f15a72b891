"""The apps of a host that one service runs, with what they say under its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from deployer.app import App
from deployer.declaration import Declaration
from deployer.hardware import Declared

Said = TypeVar("Said", bound=Declared)


def apps_run_by(declaration: Declaration, service: str, settings: type[Said]) -> Mapping[str, tuple[App, Said]]:
    """Give the apps that a service runs.

    Args:
        declaration: The host.
        service: The service's name, which is the key under an app.
        settings: What an app may say there.
    """
    said = {name: (app, app.run_by(service)) for name, app in declaration.apps.items()}
    return {name: (app, found) for name, (app, found) in said.items() if isinstance(found, settings)}

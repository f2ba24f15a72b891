"""Databases of apps in a server that they share with its own, and with one another."""

from __future__ import annotations

from collections.abc import Collection

from deployer.declaration import Declaration
from deployer.service import Contradictions


def databases_taken(declaration: Declaration, server: str, reserved: Collection[str]) -> Contradictions:
    """Refuse databases that a server has itself, and two apps in one.

    Args:
        declaration: The host.
        server: The service that holds them.
        reserved: What it keeps for itself.
    """
    owners: dict[str, str] = {}
    for app, database in declaration.databases_in(server).items():
        if database in reserved:
            yield ("apps", app), f"a database cannot be called {database}; write another database.name"
        elif database in owners:
            yield ("apps", app), f"its database {database} is that of app {owners[database]} too"
        owners.setdefault(database, app)

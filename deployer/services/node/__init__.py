"""Node.js: JavaScript apps, each process of them in a unit of its own; under PM2 for those who ask for it."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.apps import releases_on_disk
from deployer.declaration import Declaration
from deployer.service import Rank, Service
from deployer.services.node.budget import claims, contradictions, numbers, remedies
from deployer.services.node.files import wanted
from deployer.services.node.links import apps_of, links
from deployer.services.node.settings import NodeSettings

#: Release series that were deployed and load-tested.
PROVEN = frozenset({"18", "20", "24"})


def experimental(declaration: Declaration) -> Sequence[str]:
    """Name what was not proven on a host yet."""
    versions = {settings.version for _, settings in apps_of(declaration).values()} - PROVEN
    return tuple(f"Node.js {version} was deployed by nobody of this project yet" for version in sorted(versions))


def versions(declaration: Declaration) -> dict[str, str]:
    """Name the release series that the budget was made for."""
    return {"nodejs": max((settings.version for _, settings in apps_of(declaration).values()), default="18")}


SERVICE = Service(
    name="node",
    rank=Rank.APP,
    runs=lambda declaration: bool(apps_of(declaration)),
    links=links,
    claims=claims,
    numbers=numbers,
    disk=lambda declaration, _numbers: releases_on_disk(apps_of(declaration), "node"),
    wanted=wanted,
    app_settings=NodeSettings,
    remedies=remedies,
    contradictions=contradictions,
    versions=versions,
    experimental=experimental,
)

__all__ = ["SERVICE", "NodeSettings"]

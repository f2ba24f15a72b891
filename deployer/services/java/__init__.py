"""Java: apps in a jar, each process a virtual machine whose every part is limited and counted."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.apps import releases_on_disk
from deployer.declaration import Declaration
from deployer.service import Rank, Service
from deployer.services.java import budget
from deployer.services.java.files import package_of, wanted
from deployer.services.java.links import apps_of, links
from deployer.services.java.settings import JavaSettings

#: Release series that were deployed and load-tested.
PROVEN = frozenset({"17", "21"})


def experimental(declaration: Declaration) -> Sequence[str]:
    """Name what was not proven on a host yet."""
    series = {settings.version for _, settings in apps_of(declaration).values()} - PROVEN
    return tuple(f"Java {version} was deployed by nobody of this project yet" for version in sorted(series))


def versions(declaration: Declaration) -> dict[str, str]:
    """Name the release series that the budget was made for."""
    return {package_of(settings): settings.version for _, settings in apps_of(declaration).values()}


SERVICE = Service(
    name="java",
    rank=Rank.APP,
    runs=lambda declaration: bool(apps_of(declaration)),
    links=links,
    claims=budget.claims,
    numbers=budget.numbers,
    disk=lambda declaration, _numbers: releases_on_disk(apps_of(declaration)),
    wanted=wanted,
    app_settings=JavaSettings,
    remedies=budget.remedies,
    contradictions=budget.contradictions,
    versions=versions,
    experimental=experimental,
)

__all__ = ["SERVICE", "JavaSettings"]

"""Go: apps that are one program, whose runtime keeps itself within its memory."""

from __future__ import annotations

from deployer.apps import releases_on_disk
from deployer.service import Rank, Service
from deployer.services.go.budget import claims, contradictions, numbers, remedies
from deployer.services.go.files import wanted
from deployer.services.go.links import apps_of, links
from deployer.services.go.settings import GoSettings

SERVICE = Service(
    name="go",
    rank=Rank.APP,
    runs=lambda declaration: bool(apps_of(declaration)),
    links=links,
    claims=claims,
    numbers=numbers,
    disk=lambda declaration, _numbers: releases_on_disk(apps_of(declaration)),
    wanted=wanted,
    app_settings=GoSettings,
    remedies=remedies,
    contradictions=contradictions,
)

__all__ = ["SERVICE", "GoSettings"]

"""gunicorn: Python apps, each with a unit, a socket that systemd holds, and as many workers as it was granted."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.apps import releases_on_disk
from deployer.declaration import Declaration
from deployer.service import Rank, Service
from deployer.services.gunicorn.budget import claims, contradictions, numbers, remedies
from deployer.services.gunicorn.files import wanted
from deployer.services.gunicorn.links import apps_of, links
from deployer.services.gunicorn.settings import GunicornSettings

#: Kinds of workers that were deployed and load-tested.
PROVEN_WORKER_CLASSES = frozenset(
    {"sync", "gthread", "asgi", "uvicorn_worker.UvicornWorker", "aiohttp.GunicornWebWorker"}
)


def experimental(declaration: Declaration) -> Sequence[str]:
    """Name what was not proven on a host yet."""
    classes = {settings.worker_class for _, settings in apps_of(declaration).values()} - PROVEN_WORKER_CLASSES
    return tuple(
        f"gunicorn's worker_class {name} was deployed by nobody of this project yet" for name in sorted(classes)
    )


SERVICE = Service(
    name="gunicorn",
    rank=Rank.APP,
    runs=lambda declaration: bool(apps_of(declaration)),
    links=links,
    claims=claims,
    numbers=numbers,
    disk=lambda declaration, _numbers: releases_on_disk(apps_of(declaration), "python"),
    wanted=wanted,
    app_settings=GunicornSettings,
    remedies=remedies,
    contradictions=contradictions,
    experimental=experimental,
)

__all__ = ["PROVEN_WORKER_CLASSES", "SERVICE", "GunicornSettings"]

"""gunicorn: Python apps, each with a unit, a socket that systemd holds, and as many workers as it was granted."""

from __future__ import annotations

from deployer.apps.disk import releases_on_disk
from deployer.service import Rank, Service
from deployer.services.gunicorn.budget import claims, contradictions, numbers, remedies
from deployer.services.gunicorn.files import wanted
from deployer.services.gunicorn.links import apps_of, links
from deployer.services.gunicorn.settings import GunicornSettings

SERVICE = Service(
    name="gunicorn",
    rank=Rank.APP,
    runs=lambda declaration: bool(apps_of(declaration)),
    links=links,
    claims=claims,
    numbers=numbers,
    disk=lambda declaration, _numbers: {
        name: use for app in apps_of(declaration) for name, use in releases_on_disk(app, "python").items()
    },
    wanted=wanted,
    app_settings=GunicornSettings,
    remedies=remedies,
    contradictions=contradictions,
)

__all__ = ["SERVICE", "GunicornSettings"]

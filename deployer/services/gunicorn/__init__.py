"""gunicorn: the apps, each with a unit, a socket that systemd holds, and as many workers as it was granted."""

from __future__ import annotations

from deployer.service import Service
from deployer.services.gunicorn.budget import claims, numbers
from deployer.services.gunicorn.files import wanted

SERVICE = Service(name="gunicorn", runs=lambda d: bool(d.apps), claims=claims, numbers=numbers, wanted=wanted)

"""nginx: TLS, static files, a micro-cache for anonymous visitors, and limits that follow from the budget."""

from __future__ import annotations

from deployer.service import Service
from deployer.services.nginx.budget import claims, numbers
from deployer.services.nginx.files import wanted
from deployer.services.nginx.settings import NginxSettings

SERVICE = Service(name="nginx", runs=lambda d: bool(d.apps), claims=claims, numbers=numbers, wanted=wanted)

__all__ = ["SERVICE", "NginxSettings"]

"""nginx: TLS, static files, a micro-cache for anonymous visitors, and limits that follow from the budget."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.declaration import Declaration
from deployer.service import Rank, Service
from deployer.services.nginx.budget import claims, numbers
from deployer.services.nginx.contradictions import contradictions
from deployer.services.nginx.disk import disk
from deployer.services.nginx.files import wanted
from deployer.services.nginx.remedies import remedies
from deployer.services.nginx.settings import NginxSettings, settings_of

#: Release series that were deployed and load-tested.
PROVEN = frozenset({"1.22", "1.26", "1.30"})


def experimental(declaration: Declaration) -> Sequence[str]:
    """Name what was not proven on a host yet."""
    version = settings_of(declaration).version
    return () if version in PROVEN else (f"services.nginx.version: nginx {version} was never deployed by this project",)


SERVICE = Service(
    name="nginx",
    rank=Rank.FRONT,
    runs=lambda declaration: bool(declaration.apps),
    claims=claims,
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    settings=NginxSettings,
    always=True,
    remedies=remedies,
    contradictions=contradictions,
    versions=lambda declaration: {"nginx": settings_of(declaration).version},
    experimental=experimental,
)

__all__ = ["SERVICE", "NginxSettings"]

"""The database: MariaDB or MySQL, on a unix socket, sized from what its apps can open at once."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.declaration import Declaration
from deployer.service import Rank, Service
from deployer.services.mysql.budget import claims, numbers
from deployer.services.mysql.contradictions import contradictions
from deployer.services.mysql.disk import disk
from deployer.services.mysql.files import access, wanted
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.remedies import remedies
from deployer.services.mysql.settings import MysqlSettings, Series, is_declared, settings_of

#: Release series, of either flavour, that were deployed and load-tested.
PROVEN: frozenset[Series] = frozenset({"10.11", "11.8", "9.7"})


def _versions(declaration: Declaration) -> Mapping[str, str]:
    return {flavour_of(declaration).package: settings_of(declaration).series}


def _experimental(declaration: Declaration) -> tuple[str, ...]:
    series = settings_of(declaration).series
    if series in PROVEN:
        return ()
    return (f"services.mysql.version: {flavour_of(declaration).title} {series} was never deployed by this project",)


SERVICE = Service(
    name="mysql",
    rank=Rank.DATA,
    runs=is_declared,
    claims=claims,
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    settings=MysqlSettings,
    access=access,
    remedies=remedies,
    contradictions=contradictions,
    versions=_versions,
    experimental=_experimental,
)

__all__ = ["SERVICE", "MysqlSettings"]

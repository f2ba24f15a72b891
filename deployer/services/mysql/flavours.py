"""Both flavours by name."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.declaration import Declaration
from deployer.services.mysql.flavour import Flavour
from deployer.services.mysql.mariadb import MARIADB
from deployer.services.mysql.mysql import MYSQL
from deployer.services.mysql.settings import FlavourName, settings_of

FLAVOURS: Mapping[FlavourName, Flavour] = {"mariadb": MARIADB, "mysql": MYSQL}


def flavour_of(declaration: Declaration) -> Flavour:
    """Give the kind of server that a host has."""
    return FLAVOURS[settings_of(declaration).flavour]

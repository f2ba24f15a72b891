"""The database: MariaDB (MySQL is not served yet), on a unix socket, sized from what its apps can open at once."""

from __future__ import annotations

from deployer.service import Service
from deployer.services.mysql.budget import claims, numbers
from deployer.services.mysql.files import wanted
from deployer.services.mysql.settings import MysqlSettings, is_declared

SERVICE = Service(name="mysql", runs=is_declared, claims=claims, numbers=numbers, wanted=wanted)

__all__ = ["SERVICE", "MysqlSettings"]

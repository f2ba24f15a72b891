"""The database: MariaDB (MySQL is not served yet), on a unix socket, sized from what its apps can open at once."""

from __future__ import annotations

from deployer.declaration import Declaration
from deployer.service import Contradictions, Rank, Service
from deployer.services.mysql.budget import claims, numbers, remedies
from deployer.services.mysql.disk import disk
from deployer.services.mysql.files import access, wanted
from deployer.services.mysql.settings import MysqlSettings, is_declared, settings_of

#: What the server keeps for itself.
RESERVED_DATABASES = frozenset({"mysql", "sys", "root", "test", "mariadb"})


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse databases that the server has itself, and two apps in one."""
    owners: dict[str, str] = {}
    for name, app in declaration.apps.items():
        if app.database is None or declaration.database_of(name) != "mysql":
            continue
        database = app.database.name or name
        if database in RESERVED_DATABASES:
            yield ("apps", name), f"a database cannot be called {database}; write another database.name"
        elif database in owners:
            yield ("apps", name), f"its database {database} is that of app {owners[database]} too"
        owners.setdefault(database, name)


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
    versions=lambda declaration: {"mariadb-server": settings_of(declaration).version},
)

__all__ = ["SERVICE", "MysqlSettings"]

"""The database's files, its drop-in, its databases."""

from __future__ import annotations

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.links import Access
from deployer.service import DatabaseWanted, FileWanted, SecretWanted, StoreWanted, UnitWanted, Wanted, mask
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import TAKER, settings_of

SOCKET = "/run/mysqld/mysqld.sock"
SECRETS = "/etc/deployer/secrets"


def wanted(declaration: Declaration, _budget: HostBudget) -> Wanted:
    """Want the server, its config read last of all, and a database for each app that has one."""
    flavour, settings = flavour_of(declaration), settings_of(declaration)
    databases = [
        DatabaseWanted(
            server=flavour.name, unit=flavour.unit, name=database, user=database, secret_path=_password_path(app)
        )
        for app, database in declaration.databases_in(TAKER).items()
    ]
    context = {"settings": settings, "flavour": flavour}
    return Wanted(
        packages=(flavour.package,),
        secrets=tuple(SecretWanted(path=database.secret_path) for database in databases),
        files=(
            FileWanted(
                taker=TAKER,
                template=flavour.template,
                path=flavour.config,
                dialect="mycnf",
                context=context,
                restarts=(flavour.unit,),
            ),
            FileWanted(
                taker=TAKER,
                template=f"systemd/{flavour.name}.service.d.conf.j2",
                path=f"/etc/systemd/system/{flavour.unit}.d/60-deployer.conf",
                dialect="unit",
                context=context,
                restarts=(flavour.unit,),
            ),
        ),
        links=(mask(flavour.socket_unit),) if flavour.socket_unit else (),
        units=(UnitWanted(unit=flavour.unit, taker=TAKER),),
        databases=tuple(databases),
        stores=tuple(
            StoreWanted(app=app, server=flavour.name, unit=flavour.unit, name=database, user=database)
            for app, database in declaration.databases_in(TAKER).items()
        ),
        validators=(flavour.validator,),
    )


def access(declaration: Declaration, name: str) -> Access:
    """Tell an app where its database is."""
    database = declaration.databases_in(TAKER).get(name, name)
    return Access(
        environment={"DB_SOCKET": SOCKET, "DB_NAME": database, "DB_USER": database},
        pool_variable="DB_POOL_SIZE",
        credentials={"database_password": _password_path(name)},
        after=(flavour_of(declaration).unit,),
    )


def _password_path(app: str) -> str:
    return f"{SECRETS}/{app}.database_password"

"""The database's files, its drop-in, its databases."""

from __future__ import annotations

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.links import Access
from deployer.service import DatabaseWanted, FileWanted, SecretWanted, UnitWanted, Validator, Wanted

UNIT = "mariadb.service"
SOCKET = "/run/mysqld/mysqld.sock"
CONFIG = "/etc/mysql/mariadb.conf.d/90-deployer.cnf"
SECRETS = "/etc/deployer/secrets"


def wanted(declaration: Declaration, _budget: HostBudget) -> Wanted:
    """Want the server, its config read last of all, and a database for each app that has one."""
    databases = [
        DatabaseWanted(server="mariadb", unit=UNIT, name=database, user=database, secret_path=_password_path(name))
        for name, app in declaration.apps.items()
        if app.database is not None and declaration.database_of(name) == "mysql"
        for database in [app.database.name or name]
    ]
    return Wanted(
        packages=("mariadb-server",),
        secrets=tuple(SecretWanted(path=database.secret_path) for database in databases),
        files=(
            FileWanted(taker="mysql", template="mysql/90-deployer.cnf.j2", path=CONFIG, restarts=(UNIT,)),
            FileWanted(
                taker="mysql",
                template="systemd/mariadb.service.d.conf.j2",
                path=f"/etc/systemd/system/{UNIT}.d/60-deployer.conf",
                restarts=(UNIT,),
            ),
        ),
        units=(UnitWanted(unit=UNIT, taker="mysql"),),
        databases=tuple(databases),
        validators=(
            # --help parses the config and ends; its thousand lines of help are no finding, what it warns of is
            Validator(
                name="mariadbd --help --verbose",
                argv=("sh", "-c", "mariadbd --user=mysql --help --verbose 2>&1 >/dev/null"),
                allowed=(r".*Could not open mysql\.plugin table.*", r".*Plugin 'FEEDBACK' is disabled.*"),
            ),
        ),
    )


def access(declaration: Declaration, name: str) -> Access:
    """Tell an app where its database is."""
    app = declaration.apps[name]
    database = (app.database.name if app.database else None) or name
    return Access(
        environment={"DB_SOCKET": SOCKET, "DB_NAME": database, "DB_USER": database},
        pool_variable="DB_POOL_SIZE",
        credentials={"database_password": _password_path(name)},
        after=(UNIT,),
    )


def _password_path(app: str) -> str:
    return f"{SECRETS}/{app}.database_password"

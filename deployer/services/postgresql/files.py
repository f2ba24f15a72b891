"""PostgreSQL's drop-ins, its databases, and how its own binary judges the config before it is live."""

from __future__ import annotations

from deployer.apps import AppPlaces
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.links import Access
from deployer.service import DatabaseWanted, FileWanted, StoreWanted, UnitWanted, Validator, Wanted
from deployer.services.postgresql.budget import TAKER
from deployer.services.postgresql.settings import settings_of

UNIT_FOLDER = "/etc/systemd/system"
SOCKETS = "/run/postgresql"
#: ``postgres -C`` reads the whole config, works out the shared memory and ends before it would take any. It wants a
#: data folder that nobody uses, of which it reads only the control file. Words: programs, config folder, data folder.
TRIAL = """\
set -eu
place=$(mktemp -d) && trap 'rm -rf "$place"' EXIT
mkdir "$place/global" && cp "$3/PG_VERSION" "$place/" && cp "$3/global/pg_control" "$place/global/"
cp "$3/postgresql.auto.conf" "$place/"
chown -R postgres:postgres "$place" && cd /
runuser -u postgres -- "$1/postgres" -C shared_memory_size -D "$place" -c data_directory="$place" \\
    -c config_file="$2/postgresql.conf" -c external_pid_file= 2>&1 >/dev/null
"""


def unit_of(declaration: Declaration) -> str:
    """Name its unit."""
    return f"postgresql@{settings_of(declaration).version}-main.service"


def package_of(declaration: Declaration) -> str:
    """Name its Debian package."""
    return f"postgresql-{settings_of(declaration).version}"


def wanted(declaration: Declaration, _budget: HostBudget) -> Wanted:
    """Want the server, its config read last of all, and a database for each app that has one."""
    version, unit = settings_of(declaration).version, unit_of(declaration)
    programs, data = f"/usr/lib/postgresql/{version}/bin", f"/var/lib/postgresql/{version}/main"
    folder = f"/etc/postgresql/{version}/main"
    return Wanted(
        packages=(package_of(declaration),),
        files=(
            FileWanted(
                taker=TAKER,
                template="postgresql/90-deployer.conf.j2",
                path=f"{folder}/conf.d/90-deployer.conf",
                dialect=f"postgresql/{version}",
                restarts=(unit,),
            ),
            FileWanted(
                taker=TAKER,
                template="postgresql/server.service.d.conf.j2",
                path=f"{UNIT_FOLDER}/{unit}.d/60-deployer.conf",
                dialect="unit",
                context={"programs": programs, "data": data, "folder": folder},
                restarts=(unit,),
            ),
        ),
        units=(UnitWanted(unit=unit, taker=TAKER),),
        databases=tuple(
            DatabaseWanted(server="postgresql", unit=unit, name=database, user=AppPlaces(app).user)
            for app, database in declaration.databases_in("postgresql").items()
        ),
        stores=tuple(
            StoreWanted(app=app, server="postgresql", unit=unit, name=database, user=AppPlaces(app).user)
            for app, database in declaration.databases_in(TAKER).items()
        ),
        validators=(
            Validator(name="postgres -C shared_memory_size", argv=("sh", "-c", TRIAL, "sh", programs, folder, data)),
            Validator(name=f"systemd-analyze verify ({unit})", argv=("systemd-analyze", "verify", "--man=no", unit)),
        ),
    )


def access(declaration: Declaration, app: str) -> Access:
    """Tell an app where its database is; the server knows it by its system user, there is no password."""
    return Access(
        environment={
            "DB_SOCKET": SOCKETS,
            "DB_NAME": declaration.databases_in("postgresql").get(app, app),
            "DB_USER": AppPlaces(app).user,
        },
        pool_variable="DB_POOL_SIZE",
        after=(unit_of(declaration),),
    )

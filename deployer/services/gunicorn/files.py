"""An app on the host: user, release, secrets, unit and socket, migration."""

from __future__ import annotations

from deployer.app import App
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import (
    CommandWanted,
    DirectoryWanted,
    FileWanted,
    HttpProbe,
    ReleaseWanted,
    SecretWanted,
    UnitWanted,
    UserWanted,
    Validator,
    Wanted,
)
from deployer.services.gunicorn.places import AppPlaces

UNIT_FOLDER = "/etc/systemd/system"
DATABASE_SOCKET = "/run/mysqld/mysqld.sock"


def wanted(declaration: Declaration, _budget: HostBudget) -> Wanted:
    """Want all apps of the host."""
    apps = {AppPlaces(name): app for name, app in declaration.apps.items()}
    return Wanted(
        packages=("python3", "python3-venv"),
        users=tuple(UserWanted(name=places.user, home=places.home) for places in apps),
        directories=(
            DirectoryWanted(path="/etc/deployer"),
            DirectoryWanted(path="/etc/deployer/secrets", mode="0700"),
            *(DirectoryWanted(path=places.home) for places in apps),
        ),
        secrets=tuple(SecretWanted(path=places.secret(name)) for places, app in apps.items() for name in app.secrets),
        releases=tuple(
            ReleaseWanted(
                app=places.app,
                folder=f"{places.home}/releases",
                venvs=f"{places.home}/venvs",
                user=places.user,
                current=places.current,
                venv=places.venv,
                restarts=(places.unit,),
            )
            for places in apps
        ),
        files=tuple(file for places, app in apps.items() for file in _files(places, app)),
        commands=tuple(command for places, app in apps.items() for command in _commands(places, app)),
        units=tuple(
            unit
            for places in apps
            for unit in (
                UnitWanted(unit=places.socket_unit, taker=places.app, listens=True),
                UnitWanted(unit=places.unit, taker=places.app),
            )
        ),
        probes=tuple(
            HttpProbe(path=app.health_path, host=app.server_names[0].replace("*", "www"), socket=places.socket)
            for places, app in apps.items()
        ),
        validators=tuple(
            Validator(
                name=f"systemd-analyze verify ({places.unit})",
                argv=("systemd-analyze", "verify", places.unit, places.socket_unit),
            )
            for places in apps
        ),
    )


def _files(places: AppPlaces, app: App) -> list[FileWanted]:
    context = {
        "app": app,
        "name": places.app,
        "places": places,
        "environment": environment(places, app),
        "credentials": credentials(places, app),
    }
    return [
        FileWanted(
            taker=places.app,
            template="gunicorn/gunicorn.conf.py.j2",
            path=places.config,
            context=context,
            restarts=(places.unit,),
        ),
        FileWanted(
            taker=places.app,
            template="systemd/app.service.j2",
            path=f"{UNIT_FOLDER}/{places.unit}",
            context=context,
            restarts=(places.unit,),
        ),
        FileWanted(
            taker=places.app,
            template="systemd/app.socket.j2",
            path=f"{UNIT_FOLDER}/{places.socket_unit}",
            context=context,
            restarts=(places.socket_unit,),
        ),
    ]


def environment(places: AppPlaces, app: App) -> dict[str, str]:
    """Give the app's environment; what the user declares wins. Secrets are credentials, not environment."""
    found = {"PYTHONUNBUFFERED": "1"}
    if app.database is not None:
        name = app.database.name or places.app
        found |= {"DB_SOCKET": DATABASE_SOCKET, "DB_NAME": name, "DB_USER": name}
    return found | dict(sorted(app.environment.items()))


def credentials(places: AppPlaces, app: App) -> dict[str, str]:
    """Give the app's secrets: name under ``$CREDENTIALS_DIRECTORY``, and path on the host."""
    names = [*app.secrets, *(["database_password"] if app.database is not None else [])]
    return {name: places.secret(name) for name in sorted(names)}


def _commands(places: AppPlaces, app: App) -> list[CommandWanted]:
    database = app.database
    if database is None:
        return []
    found = []
    for verb, words, once in (("migrate", database.migrate, None), ("seed", database.seed, f"seed {places.app}")):
        if words:
            program = words[0] if words[0].startswith("/") else f"{places.venv}/bin/{words[0]}"
            found.append(
                CommandWanted(
                    name=f"{verb} {places.app}",
                    argv=(program, *words[1:]),
                    before=places.unit,
                    once=once,
                    app=places.app,
                    user=places.user,
                    cwd=places.current,
                    environment={"DB_POOL_SIZE": "1", **environment(places, app)},
                    credentials=credentials(places, app),
                )
            )
    return found

"""An app that gunicorn runs, on the host: one unit, its socket, gunicorn's config."""

from __future__ import annotations

from deployer.apps import AppPlaces, app_wanted, candidate_of, unit_text
from deployer.apps.places import UNIT_FOLDER
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import FileWanted, UnitWanted, Wanted, together
from deployer.services.gunicorn.links import apps_of
from deployer.services.gunicorn.settings import GunicornSettings


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want all apps of the host that gunicorn runs."""
    return together(
        [_of_app(name, settings, declaration, budget) for name, (_, settings) in apps_of(declaration).items()]
    )


def _of_app(name: str, settings: GunicornSettings, declaration: Declaration, budget: HostBudget) -> Wanted:
    places = AppPlaces(name)
    config = f"{places.config_folder}/gunicorn.conf.py"
    context = {
        "name": name,
        "places": places,
        "settings": settings,
        "config": config,
        "socket_unit": places.socket_unit,
        "is_candidate": False,
        "text": unit_text(declaration, budget.chain, name),
    }
    candidate, switch = candidate_of(declaration, name), str(budget.value(name, "switch"))
    return app_wanted(
        name,
        declaration,
        budget,
        packages=("python3", "python3-venv"),
        environment="python",
        lock=settings.requirements,
        units=(
            UnitWanted(unit=places.socket_unit, taker=name, listens=True),
            UnitWanted(unit=places.unit, taker=name),
        ),
        candidate=candidate,
        files=(
            FileWanted(
                taker=name,
                template="gunicorn/gunicorn.conf.py.j2",
                path=config,
                dialect="gunicorn",
                context=context,
                restarts=(places.unit,),
            ),
            FileWanted(
                taker=name,
                template="gunicorn/app.service.j2",
                path=f"{UNIT_FOLDER}/{places.unit}",
                context=context,
                restarts=(places.unit,),
            ),
            FileWanted(
                taker=name,
                template="systemd/app.socket.j2",
                path=f"{UNIT_FOLDER}/{places.socket_unit}",
                context=context | {"socket": places.socket},
                restarts=(places.socket_unit,),
            ),
            *candidate.files(switch, whole="gunicorn/app.service.j2", context=context),
        ),
    )

"""An app that Node.js runs, on the host: a unit for each process, or PM2's unit and its ecosystem file."""

from __future__ import annotations

from deployer.apps import AppPlaces, Processes, app_wanted, candidate_of, unit_text
from deployer.apps.places import UNIT_FOLDER
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import FileWanted, UnitWanted, Wanted, together
from deployer.services.node.links import apps_of
from deployer.services.node.settings import NodeSettings

PACKAGES = ("nodejs",)
PM2 = "node_modules/pm2"


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want all apps of the host that Node.js runs."""
    found = []
    for name, (_, settings) in apps_of(declaration).items():
        of_app = _under_pm2 if settings.pm2 else _a_unit_each
        found.append(of_app(name, settings, declaration, budget))
    return together(found)


def _context(name: str, settings: NodeSettings, declaration: Declaration, budget: HostBudget) -> dict[str, object]:
    return {
        "name": name,
        "places": AppPlaces(name),
        "settings": settings,
        "socket_unit": f"app-{name}@%i.socket",
        "is_candidate": False,
        "text": unit_text(declaration, budget.chain, name, listens_on_port=settings.port is not None),
    }


def _a_unit_each(name: str, settings: NodeSettings, declaration: Declaration, budget: HostBudget) -> Wanted:
    processes = Processes(name, budget.count(name, "processes"), settings.port)
    candidate = candidate_of(declaration, name, listens_on_port=settings.port is not None)
    of_app = app_wanted(
        name,
        declaration,
        budget,
        packages=PACKAGES,
        environment="node",
        lock=settings.lock,
        must_have={settings.script: "correct `node.script` of the app"},
        units=processes.wanted_units(),
        files=(
            *processes.files("node/app.service.j2", _context(name, settings, declaration, budget)),
            *candidate.files(str(budget.value(name, "switch"))),
        ),
        candidate=candidate,
    )
    return together([of_app, Wanted(ports=(*processes.wanted_ports("node"), *candidate.ports("node")))])


def _under_pm2(name: str, settings: NodeSettings, declaration: Declaration, budget: HostBudget) -> Wanted:
    places = AppPlaces(name)
    config = f"{places.config_folder}/ecosystem.config.js"
    context = _context(name, settings, declaration, budget) | {"config": config}

    candidate = candidate_of(declaration, name)

    def file(template: str, path: str, restarts: str, **more: object) -> FileWanted:
        return FileWanted(taker=name, template=template, path=path, context=context | more, restarts=(restarts,))

    return app_wanted(
        name,
        declaration,
        budget,
        packages=PACKAGES,
        environment="node",
        lock=settings.lock,
        lock_names={PM2: f"`node.pm2: true` runs the app's own pm2: npm install pm2, or leave out `pm2` of app {name}"},
        must_have={settings.script: "correct `node.script` of the app"},
        units=(
            UnitWanted(unit=places.socket_unit, taker=name, listens=True),
            UnitWanted(unit=places.unit, taker=name),
        ),
        candidate=candidate,
        files=(
            file("node/ecosystem.config.js.j2", config, places.unit),
            file("node/pm2.service.j2", f"{UNIT_FOLDER}/{places.unit}", places.unit),
            file(
                "systemd/app.socket.j2",
                f"{UNIT_FOLDER}/{places.socket_unit}",
                places.socket_unit,
                socket=places.socket,
            ),
            # one process, as PM2 would run it, but without PM2: it has one home, where the old release's daemon lives
            *candidate.files(str(budget.value(name, "switch")), whole="node/app.service.j2", context=context),
        ),
    )

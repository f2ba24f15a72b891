"""An app that a Java virtual machine runs, on the host: a unit for each process."""

from __future__ import annotations

from deployer.apps import SPOOL, AppPlaces, Processes, app_wanted, candidate_of, unit_text
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import Wanted, together
from deployer.services.java.links import JAVA, apps_of
from deployer.services.java.settings import JavaSettings


def package_of(settings: JavaSettings) -> str:
    """Name the Debian package of a runtime without a desktop."""
    return f"openjdk-{settings.version}-jre-headless"


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want all apps of the host that a Java virtual machine runs."""
    return together(
        [_of_app(name, settings, declaration, budget) for name, (_, settings) in apps_of(declaration).items()]
    )


def _of_app(name: str, settings: JavaSettings, declaration: Declaration, budget: HostBudget) -> Wanted:
    processes = Processes(name, settings.processes, settings.port)
    candidate = candidate_of(declaration, name, listens_on_port=True)
    context = {
        "name": name,
        "places": AppPlaces(name),
        "settings": settings,
        "java": JAVA,
        "spool": SPOOL,
        "text": unit_text(declaration, budget.chain, name, listens_on_port=True),
    }
    of_app = app_wanted(
        name,
        declaration,
        budget,
        packages=(package_of(settings),),
        must_have={settings.jar: f"build it where deployer runs, or correct `java.jar` of app {name}"},
        units=processes.wanted_units(),
        files=(
            *processes.files("java/app.service.j2", context),
            *candidate.files(str(budget.value(name, "switch"))),
        ),
        candidate=candidate,
    )
    return together([of_app, Wanted(ports=(*processes.wanted_ports("java"), *candidate.ports("java")))])

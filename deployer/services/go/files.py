"""An app that is a program of Go's, on the host: one unit, and its socket."""

from __future__ import annotations

from pathlib import PurePosixPath

from deployer.apps import AppPlaces, Processes, app_wanted, candidate_of, unit_text
from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import Wanted, together
from deployer.services.go.links import apps_of
from deployer.services.go.settings import GoSettings

#: What the kernel keeps of a program's name.
COMM_LENGTH = 15


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want all apps of the host that are programs of Go's."""
    return together(
        [_of_app(name, settings, declaration, budget) for name, (_, settings) in apps_of(declaration).items()]
    )


def _of_app(name: str, settings: GoSettings, declaration: Declaration, budget: HostBudget) -> Wanted:
    processes = Processes(name, 1, settings.port)
    candidate = candidate_of(declaration, name, listens_on_port=settings.port is not None)
    context = {
        "name": name,
        "places": AppPlaces(name),
        "settings": settings,
        "text": unit_text(declaration, budget.chain, name, listens_on_port=settings.port is not None),
    }
    of_app = app_wanted(
        name,
        declaration,
        budget,
        packages=(),
        must_have={settings.program: f"build it (CGO_ENABLED=0 go build), or correct `go.program` of app {name}"},
        units=processes.wanted_units(),
        files=(
            *processes.files("go/app.service.j2", context),
            *candidate.files(str(budget.value(name, "switch"))),
        ),
        candidate=candidate,
    )
    program = PurePosixPath(settings.program).name[:COMM_LENGTH]
    return together([of_app, Wanted(ports=(*processes.wanted_ports(program), *candidate.ports(program)))])

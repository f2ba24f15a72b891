"""The catalogue: which services there are. A line here, or an entry point of another package, makes one known.

A package of the user's own adds a service by an entry point of the group ``deployer.services`` that names its
``Service``; docs/adding-a-service.md says what it has to hold.
"""

from __future__ import annotations

from importlib.metadata import entry_points

from deployer.declaration import Declaration
from deployer.errors import UsageError
from deployer.service import Service
from deployer.services import go, gunicorn, java, jobs, kernel, mysql, nginx, node, postgresql, redis, sqlite, systemd

ENTRY_POINTS = "deployer.services"

SHIPPED: tuple[Service, ...] = (
    systemd.SERVICE,
    kernel.SERVICE,
    mysql.SERVICE,
    postgresql.SERVICE,
    redis.SERVICE,
    sqlite.SERVICE,
    gunicorn.SERVICE,
    node.SERVICE,
    java.SERVICE,
    go.SERVICE,
    jobs.SERVICE,
    nginx.SERVICE,
)


def _of_other_packages() -> tuple[Service, ...]:
    found = []
    for entry in entry_points(group=ENTRY_POINTS):
        service = entry.load()
        if not isinstance(service, Service):
            raise UsageError(f"the entry point {entry.name} of group {ENTRY_POINTS} is no Service", where=entry.value)
        found.append(service)
    return tuple(sorted(found, key=lambda service: service.name))


#: All services, in the order in which they start: what others need comes first.
SERVICES: tuple[Service, ...] = tuple(sorted((*SHIPPED, *_of_other_packages()), key=lambda service: service.rank))


def running(declaration: Declaration) -> tuple[Service, ...]:
    """Give the services that a host has, in the order in which they start."""
    return tuple(service for service in SERVICES if service.runs(declaration))


def declared_series(declaration: Declaration) -> dict[str, str]:
    """Name the release series that a host is to have, by package."""
    return {
        package: series for service in running(declaration) for package, series in service.versions(declaration).items()
    }


def runners() -> tuple[Service, ...]:
    """Give the services that run apps."""
    return tuple(service for service in SERVICES if service.app_settings is not None)

"""What of a host is watched while it is under load, and what its app can do at the same time. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from deployer.apps.places import AppPlaces
from deployer.render import Rendered
from deployer.verify.target import AppLimits

#: Servers that the agent can ask for their counters, by the unit that runs them.
_SERVERS: Final = {
    "nginx.service": "nginx",
    "mariadb.service": "mariadb",
    "mysql.service": "mysql",
    "redis-server.service": "redis",
    "valkey-server.service": "valkey",
}
#: Of these, what a service of the inventory that holds databases is run by.
_DATABASES: Final = {"mysql": ("mariadb", "mysql"), "postgresql": ("postgresql",)}
_CLUSTER: Final = re.compile(r"postgresql@.+\.service")


def units(rendered: Rendered) -> list[str]:
    """Give the services whose memory and processor time are told apart."""
    return [unit.unit for unit in rendered.wanted.units if unit.unit.endswith(".service")]


def servers(rendered: Rendered) -> dict[str, dict[str, str]]:
    """Give the servers that are asked for their counters, and where those that need it are found."""
    found: dict[str, dict[str, str]] = {}
    for unit in units(rendered):
        name = "postgresql" if _CLUSTER.fullmatch(unit) else _SERVERS.get(unit)
        if name in ("redis", "valkey"):
            found[name] = {"socket": f"/run/{name}/{name}-server.sock"}
        elif name:
            found[name] = {}
    return found


def apps(rendered: Rendered) -> dict[str, dict[str, Any]]:
    """Give the user that each app's connections belong to, and the sockets at which it is asked."""
    enabled = [unit.unit for unit in rendered.wanted.units]
    found = {}
    for app in rendered.declaration.apps:
        places = AppPlaces(app)
        process = re.compile(rf"app-{app}@(\d+)\.socket")
        numbers = [matched[1] for unit in enabled if (matched := process.fullmatch(unit))]
        sockets = [places.process_socket(int(number)) for number in numbers] or [places.socket]
        found[app] = {"user": places.user, "sockets": sockets}
    return found


def limits(rendered: Rendered, app: str) -> AppLimits:
    """Say what the budget lets an app do at the same time."""
    entry, numbers = rendered.declaration.apps[app], rendered.budget.numbers.get(app, {})
    count = {name: int(numbers[name].value) for name in ("workers", "threads", "pool_size") if name in numbers}
    processes = count.get("workers", 1)
    form = entry.run_by(entry.runners[0]) if entry.runners else None
    has_threads = count.get("threads", 1) > 1 or getattr(form, "worker_class", None) == "sync"
    flavours = _DATABASES.get(rendered.declaration.database_of(app), ())
    database = next((name for name in servers(rendered) if name in flavours), "")
    pool = processes * count.get("pool_size", 0)
    pool += sum(worker.processes * worker.pool_size for worker in entry.background.values())
    return AppLimits(
        app=app,
        at_once=processes * count.get("threads", 1) if has_threads else None,
        database=database,
        user=AppPlaces(app).user if database == "postgresql" else (entry.database and entry.database.name) or app,
        pool_connections=pool if database and count.get("pool_size") else None,
    )

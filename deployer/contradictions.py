"""What the form of an inventory alone cannot tell: parts of a host that contradict one another.

An inventory with one is refused; and no change is advised that would make one.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.apps import spools_into_memory
from deployer.catalog import SERVICES, runners
from deployer.declaration import Declaration
from deployer.explain import ROOTS
from deployer.hardware import Declared

#: Something else is called so: takers of memory, a folder of the host's, the beginnings of what ``explain`` follows.
RESERVED_APPS = frozenset({service.name for service in SERVICES} | {"deploy", "secrets", *ROOTS})
#: Variables that would undo what the budget gave, and the key that pins it instead.
OWN_ENVIRONMENT = {"DB_POOL_SIZE": "pool_size", "REDIS_POOL_SIZE": "pool_size"}

#: The credential by which an app knows the password of its database on this host.
OWN_CREDENTIAL = "database_password"

#: Where in the host's entry, and what.
Place = tuple[str | int, ...]
Found = Iterator[tuple[Place, str]]


def contradictions(declaration: Declaration) -> Found:
    """Find what cannot be meant together.

    Args:
        declaration: The host, right in form.
    """
    for check in (_apps, _secrets, _temporary_files, _server_names, _servers, _uses, _pools):
        yield from check(declaration)
    for service in SERVICES:
        yield from service.contradictions(declaration)


def is_contradictory(declaration: Declaration) -> bool:
    """Say whether an inventory with this host would be refused."""
    return next(iter(contradictions(declaration)), None) is not None


def _apps(declaration: Declaration) -> Found:
    for name, app in declaration.apps.items():
        if name in RESERVED_APPS:
            yield ("apps", name), f"an app cannot be called {name}: something of deployer's own is; write another name"
        if len(app.runners) != 1:
            known = " or ".join(service.name for service in runners())
            what = "nothing says how it is run" if not app.runners else f"only one can run it: {', '.join(app.runners)}"
            yield ("apps", name), f"{what}; write one of the keys {known}"
        # an app whose servers are all elsewhere is told of them by the user alone
        own = dict(OWN_ENVIRONMENT) if declaration.servers_of(name) else {}
        for key in app.runners:
            own |= getattr(type(app.run_by(key)), "own_environment", {})
        for server in declaration.servers_of(name):
            own |= getattr(type(declaration.settings.get(server)), "own_environment", {})
        for variable, key in own.items():
            if variable in app.environment:
                yield ("apps", name, "environment", variable), f"it comes from the budget; write {key} to pin it"


def _secrets(declaration: Declaration) -> Found:
    for name, app in declaration.apps.items():
        seen: set[str] = set()
        for number, one in enumerate(app.secrets):
            called = one if isinstance(one, str) else one.name
            if called in seen:
                yield ("apps", name, "secrets", number), f"{called} is there twice"
            elif called == OWN_CREDENTIAL and not isinstance(one, str) and one.way and app.database is not None:
                what = "the host makes the password of the app's database itself; write another name"
                yield ("apps", name, "secrets", number), what
            seen.add(called)


def _temporary_files(declaration: Declaration) -> Found:
    for name, app in declaration.apps.items():
        for variable, value in app.environment.items():
            if why := spools_into_memory(name, variable, value):
                yield ("apps", name, "environment", variable), why


def _server_names(declaration: Declaration) -> Found:
    names: dict[str, str] = {}
    for app_name, app in declaration.apps.items():
        for place, server_name in enumerate(app.server_names):
            owner = names.setdefault(server_name, app_name)
            if owner != app_name:
                yield ("apps", app_name, "server_names"), f"{server_name} belongs to app {owner} already"
            elif server_name in app.server_names[:place]:
                yield ("apps", app_name, "server_names", place), f"{server_name} is there twice"


def _servers(declaration: Declaration) -> Found:
    there = ", ".join(declaration.databases) or "none"
    for name, app in declaration.apps.items():
        if app.database is not None and declaration.database_of(name) not in declaration.databases:
            place: Place = ("apps", name, "database")
            if app.database.server is not None:
                yield (*place, "server"), f"this host has no database {app.database.server}; it has: {there}"
            elif declaration.databases:
                yield place, f"which of the databases of this host? write server: one of {there}"
            else:
                yield place, "this host has no database; add services.mysql: {}"
        held = app.websockets.connections if app.websockets else 0
        if held > declaration.target.connections:
            yield (
                ("apps", name, "websockets", "connections"),
                f"they are part of target.connections, which is {declaration.target.connections}",
            )


def _uses(declaration: Declaration) -> Found:
    usable = {service.name for service in SERVICES if service.is_used_by_apps}
    for name, app in declaration.apps.items():
        for number, server in enumerate(app.uses):
            place: Place = ("apps", name, "uses", number)
            if server not in usable:
                yield place, f"no app opens connections to {server}; it can be one of: {', '.join(sorted(usable))}"
            elif server not in declaration.settings:
                yield place, f"this host has no {server}; add services.{server}: {{}}"
            elif server in app.uses[:number]:
                yield place, f"{server} is there twice"
            elif server in declaration.databases and declaration.database_of(name) != server:
                yield place, f"what an app has in {server} is its database; write database: {{server: {server}}}"


def _pools(declaration: Declaration) -> Found:
    for name, app in declaration.apps.items():
        if declaration.servers_of(name):
            continue
        said: dict[Place, Declared | None] = {("apps", name, key): app.run_by(key) for key in app.runners}
        said |= {("apps", name, "background", job): one for job, one in app.background.items()}
        said |= {("apps", name, "timers", job): one for job, one in app.timers.items()}
        for place, one in said.items():
            if one is not None and "pool_size" in one.model_fields_set and getattr(one, "pool_size", None):
                yield (*place, "pool_size"), "the app opens connections to no server here; write uses, or environment"

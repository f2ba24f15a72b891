"""What the form of an inventory alone cannot tell: parts of a host that contradict one another, with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from deployer.apps import spools_into_memory
from deployer.catalog import SERVICES, runners
from deployer.explain import ROOTS
from deployer.hardware import Declared
from deployer.inventory.models import Host, declaration_of
from deployer.inventory.problems import Problem, ValuePath
from deployer.inventory.tree import MergedTree

#: Something else is called so: takers of memory, a folder of the host's, the beginnings of what ``explain`` follows.
RESERVED_APPS = frozenset({service.name for service in SERVICES} | {"deploy", "secrets", *ROOTS})
#: Variables that would undo what the budget gave, and the key that pins it instead.
OWN_ENVIRONMENT = {"DB_POOL_SIZE": "pool_size", "REDIS_POOL_SIZE": "pool_size"}

Found = Iterator[tuple[ValuePath, str]]


def contradictions(name: str, host: Host, tree: MergedTree) -> Iterator[Problem]:
    """Find what cannot be meant together.

    Args:
        name: The host.
        host: What the files say of it, right in form.
        tree: The files' content and positions.
    """
    declaration = declaration_of(name, host)
    found = [
        problem
        for check in (_apps, _temporary_files, _server_names, _servers, _uses, _pools, _load, _login)
        for problem in check(host)
    ]
    found += [problem for service in SERVICES for problem in service.contradictions(declaration)]
    for path, message in found:
        full: ValuePath = ("hosts", name, *path)
        file, line = tree.position(full, key=True)
        yield Problem(file, line, full, message)


def _apps(host: Host) -> Found:
    declaration = declaration_of("", host)
    declaration = declaration_of("", host)
    for name, app in host.apps.items():
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


def _temporary_files(host: Host) -> Found:
    for name, app in host.apps.items():
        for variable, value in app.environment.items():
            if why := spools_into_memory(name, variable, value):
                yield ("apps", name, "environment", variable), why


def _server_names(host: Host) -> Found:
    names: dict[str, str] = {}
    for app_name, app in host.apps.items():
        for place, server_name in enumerate(app.server_names):
            owner = names.setdefault(server_name, app_name)
            if owner != app_name:
                yield ("apps", app_name, "server_names"), f"{server_name} belongs to app {owner} already"
            elif server_name in app.server_names[:place]:
                yield ("apps", app_name, "server_names", place), f"{server_name} is there twice"


def _servers(host: Host) -> Found:
    declaration = declaration_of("", host)
    there = ", ".join(declaration.databases) or "none"
    for name, app in host.apps.items():
        if app.database is not None and declaration.database_of(name) not in declaration.databases:
            place: ValuePath = ("apps", name, "database")
            if app.database.server is not None:
                yield (*place, "server"), f"this host has no database {app.database.server}; it has: {there}"
            elif declaration.databases:
                yield place, f"which of the databases of this host? write server: one of {there}"
            else:
                yield place, "this host has no database; add services.mysql: {}"
        held = app.websockets.connections if app.websockets else 0
        if held > host.target.connections:
            yield (
                ("apps", name, "websockets", "connections"),
                f"they are part of target.connections, which is {host.target.connections}",
            )


def _uses(host: Host) -> Found:
    declaration = declaration_of("", host)
    usable = {service.name for service in SERVICES if service.is_used_by_apps}
    for name, app in host.apps.items():
        for number, server in enumerate(app.uses):
            place: ValuePath = ("apps", name, "uses", number)
            if server not in usable:
                yield place, f"no app opens connections to {server}; it can be one of: {', '.join(sorted(usable))}"
            elif server not in host.services.settings:
                yield place, f"this host has no {server}; add services.{server}: {{}}"
            elif server in app.uses[:number]:
                yield place, f"{server} is there twice"
            elif server in declaration.databases and declaration.database_of(name) != server:
                yield place, f"what an app has in {server} is its database; write database: {{server: {server}}}"


def _pools(host: Host) -> Found:
    declaration = declaration_of("", host)
    for name, app in host.apps.items():
        if declaration.servers_of(name):
            continue
        said: dict[ValuePath, Declared | None] = {("apps", name, key): app.run_by(key) for key in app.runners}
        said |= {("apps", name, "background", job): one for job, one in app.background.items()}
        said |= {("apps", name, "timers", job): one for job, one in app.timers.items()}
        for place, one in said.items():
            if one is not None and "pool_size" in one.model_fields_set and getattr(one, "pool_size", None):
                yield (*place, "pool_size"), "the app opens connections to no server here; write uses, or environment"


def _load(host: Host) -> Found:
    if host.load == "allowed" and not host.load_from:
        yield ("load",), "the limits for each visitor would stop the load test; add load_from: [your address]"
    if host.slo.app is not None and host.slo.app not in host.apps:
        yield ("slo", "app"), f"this host has no app {host.slo.app}; it has: {', '.join(host.apps) or 'none'}"
    seen = set()
    for place, written in enumerate(host.load_from):
        path: ValuePath = ("load_from", place)
        try:
            network = ip_network(written)
        except ValueError as error:
            yield path, f"expected an address or a network such as 192.0.2.0/24: {error}"
            continue
        if network.prefixlen == 0:
            yield path, f"{written} is everybody: then nobody has a limit"
        elif network in seen:
            yield path, f"{written} is there twice"
        seen.add(network)


def _login(host: Host) -> Found:
    if host.ssh.host_key is not None and host.ssh.accept_new:
        yield ("ssh", "accept_new"), "a pinned host_key leaves nothing to accept; keep one of them"

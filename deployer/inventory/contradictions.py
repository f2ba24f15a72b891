"""What the form of an inventory alone cannot tell: parts of a host that contradict one another, with file and line."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from deployer.inventory.models import Host
from deployer.inventory.problems import Problem, ValuePath
from deployer.inventory.tree import MergedTree

#: What MariaDB keeps for itself.
RESERVED_DATABASES = frozenset({"mysql", "sys", "root", "test", "mariadb"})
#: The budget and the host's folders call something else so: takers of memory, and /etc/deployer/secrets.
RESERVED_APPS = frozenset({"nginx", "mysql", "systemd", "deploy", "secrets"})
#: Variables that would undo what the budget gave, and the key that pins it instead.
OWN_ENVIRONMENT = {
    "DB_POOL_SIZE": "gunicorn.pool_size",
    "WEB_CONCURRENCY": "gunicorn.workers",
    "GUNICORN_CMD_ARGS": "gunicorn",
}

Found = Iterator[tuple[ValuePath, str]]


def contradictions(name: str, host: Host, tree: MergedTree) -> Iterator[Problem]:
    """Find what cannot be meant together.

    Args:
        name: The host.
        host: What the files say of it, right in form.
        tree: The files' content and positions.
    """
    for check in (_apps, _server_names, _databases, _disk, _load, _login):
        for path, message in check(host):
            full: ValuePath = ("hosts", name, *path)
            file, line = tree.position(full, key=True)
            yield Problem(file, line, full, message)


def _apps(host: Host) -> Found:
    for name, app in host.apps.items():
        if name in RESERVED_APPS:
            yield ("apps", name), f"an app cannot be called {name}: something of deployer's own is; write another name"
        for variable, key in OWN_ENVIRONMENT.items():
            if variable in app.environment:
                yield ("apps", name, "environment", variable), f"it comes from the budget; write {key} to pin it"


def _server_names(host: Host) -> Found:
    names: dict[str, str] = {}
    for app_name, app in host.apps.items():
        for place, server_name in enumerate(app.server_names):
            owner = names.setdefault(server_name, app_name)
            if owner != app_name:
                yield ("apps", app_name, "server_names"), f"{server_name} belongs to app {owner} already"
            elif server_name in app.server_names[:place]:
                yield ("apps", app_name, "server_names", place), f"{server_name} is there twice"


def _databases(host: Host) -> Found:
    databases: dict[str, str] = {}
    for app_name, app in host.apps.items():
        if app.database is None:
            continue
        if host.services.mysql is None:
            yield ("apps", app_name, "database"), "this host has no database; add services.mysql: {}"
        database = app.database.name or app_name
        if database in RESERVED_DATABASES:
            yield ("apps", app_name), f"a database cannot be called {database}; write another database.name"
        elif database in databases:
            yield ("apps", app_name), f"its database {database} is that of app {databases[database]} too"
        databases.setdefault(database, app_name)


def _disk(host: Host) -> Found:
    caches_mib = len(host.apps) * host.services.nginx.cache_disk_mib
    if caches_mib > host.hardware.disk_gib * 1024 // 2:
        yield (
            ("services", "nginx", "cache_disk_mib"),
            f"the caches of all apps take {caches_mib} MiB, more than half of the disk of {host.hardware.disk_gib} GiB",
        )


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

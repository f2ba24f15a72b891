"""From files to an inventory; what the form alone cannot tell is checked here, with file and line as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from deployer.inventory.models import Entry, Host, Inventory, InventoryFile
from deployer.inventory.problems import Problem, ValuePath, raise_if_any
from deployer.inventory.tree import MergedTree, load_tree, validate

#: What MariaDB keeps for itself.
RESERVED_DATABASES = frozenset({"mysql", "sys", "root", "test", "mariadb"})


def load_inventory(paths: Sequence[Path]) -> Inventory:
    """Read inventory files as one.

    Args:
        paths: Files, and folders of which every ``*.yml`` and ``*.yaml`` is read.

    Returns:
        The hosts, each checked by itself and against what it refers to.

    Raises:
        InventoryError: Anything is wrong; all faults at once, each with file and line.
    """
    tree = load_tree(paths)
    read = validate(InventoryFile, tree)
    raise_if_any(problem for name, host in read.hosts.items() for problem in _contradictions(name, host, tree))
    entries = {
        name: Entry(name, host, tree.file_of(("hosts", name)).resolve().parent) for name, host in read.hosts.items()
    }
    folders: tuple[Path, ...] = ()
    if read.templates is not None:
        folders = ((tree.file_of(("templates",)).resolve().parent / Path(read.templates).expanduser()).resolve(),)
    return Inventory(entries, folders)


def _contradictions(name: str, host: Host, tree: MergedTree) -> Iterator[Problem]:
    def problem(path: ValuePath, message: str) -> Problem:
        full: ValuePath = ("hosts", name, *path)
        file, line = tree.position(full, key=True)
        return Problem(file, line, full, message)

    names: dict[str, str] = {}
    databases: dict[str, str] = {}
    for app_name, app in host.apps.items():
        if app.database is not None:
            if host.services.mysql is None:
                yield problem(("apps", app_name, "database"), "this host has no database; add services.mysql: {}")
            database = app.database.name or app_name
            if database in RESERVED_DATABASES:
                yield problem(
                    ("apps", app_name), f"a database cannot be called {database}; write another database.name"
                )
            elif database in databases:
                yield problem(("apps", app_name), f"its database {database} is that of app {databases[database]} too")
            databases.setdefault(database, app_name)
        for server_name in app.server_names:
            if names.setdefault(server_name, app_name) != app_name:
                yield problem(
                    ("apps", app_name, "server_names"), f"{server_name} belongs to app {names[server_name]} already"
                )
    if host.load == "allowed" and not host.load_from:
        yield problem(("load",), "the limits for each visitor would stop the load test; add load_from: [your address]")
    if host.slo.app is not None and host.slo.app not in host.apps:
        yield problem(("slo", "app"), f"this host has no app {host.slo.app}; it has: {', '.join(host.apps) or 'none'}")
    if host.ssh.host_key is not None and host.ssh.accept_new:
        yield problem(("ssh", "accept_new"), "a pinned host_key leaves nothing to accept; keep one of them")

"""Who reads a config on a host: the server and release that its inventory entry declares."""

from __future__ import annotations

import re

from deployer.catalog import running
from deployer.declaration import Declaration
from deployer.registry import dialect_of

#: Which dialect and flavour a Debian package of a server brings.
_OF_PACKAGES = (
    (re.compile(r"mariadb-server.*"), "mycnf/mariadb"),
    (re.compile(r"mysql-(community-)?server.*"), "mycnf/mysql"),
    (re.compile(r"nginx.*"), "nginx/nginx"),
    (re.compile(r"postgresql.*"), "postgresql/postgresql"),
    (re.compile(r"redis.*"), "redis/redis"),
    (re.compile(r"valkey.*"), "redis/valkey"),
)
#: Units have to do what they say on every supported host; the oldest systemd of them is that of Ubuntu 22.04.
_UNIT = "unit/systemd/249"


def reader_of(declaration: Declaration, dialect: str, path: str = "") -> str:
    """Name who reads a file: dialect, flavour and release, as far as they are declared.

    Args:
        declaration: The host.
        dialect: The dialect alone, or with what is known of its reader: ``nginx``, ``mycnf/mariadb/10.11``.
        path: Where the file is put, which tells where ``dialect`` is empty.

    Returns:
        ``mycnf/mariadb/10.11``; the dialect alone where the host declares no such server; empty for no dialect.
    """
    dialect = dialect or dialect_of(path)
    if dialect == "unit":
        return _UNIT
    if not dialect or "/" in dialect:
        return dialect
    for service in running(declaration):
        for package, series in service.versions(declaration).items():
            for pattern, server in _OF_PACKAGES:
                if server.partition("/")[0] == dialect and pattern.fullmatch(package):
                    return f"{server}/{series}"
    return dialect

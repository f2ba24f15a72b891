"""Hosts for tests with an app that Node.js, Java or Go runs, and what is rendered for them."""

from __future__ import annotations

from typing import Any

from hosts import AppDatabase, app, host

from deployer.allocate import allocate
from deployer.declaration import Declaration
from deployer.render import Rendered, render
from deployer.services.go import GoSettings
from deployer.services.java import JavaSettings
from deployer.services.node import NodeSettings

UNITS = "/etc/systemd/system"


def node_app(**said: Any) -> Any:
    return app(gunicorn=None, node=NodeSettings(script="server.js", **said), database=AppDatabase())


def java_app(**said: Any) -> Any:
    return app(gunicorn=None, java=JavaSettings(jar="quotes.jar", **said), database=None)


def go_app(**said: Any) -> Any:
    return app(gunicorn=None, go=GoSettings(program="bin/shortener", **said), database=None)


def host_of(one: Any, **more: Any) -> Declaration:
    sizes = {"cpu_cores": 2, "memory_mib": 2048, "connections": 200}
    return host(apps={"shop": one}, **(sizes | more))


def rendered(declaration: Declaration) -> Rendered:
    return render(declaration, allocate(declaration))


def text_of(result: Rendered, path: str) -> str:
    return next(file.content for file in result.files if file.path == path).decode()

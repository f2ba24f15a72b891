"""Declarations for tests: a host with one app, and ways to vary it."""

from __future__ import annotations

from typing import Any

from deployer.app import App, AppDatabase, Tls
from deployer.declaration import Declaration, Target
from deployer.hardware import Declared, Hardware
from deployer.inventory.models import AppForm
from deployer.services.gunicorn import GunicornSettings
from deployer.services.mysql import MysqlSettings
from deployer.services.nginx import NginxSettings

GUNICORN = GunicornSettings(module="blog.main:app")
TLS = Tls(certificate_file="/etc/ssl/x/cert.pem", key_file="/etc/ssl/x/key.pem")


def app(**changes: Any) -> App:
    values: dict[str, Any] = {
        "source": "src",
        "gunicorn": GUNICORN,
        "server_names": ("blog.example",),
        "tls": TLS,
        "session_cookie": "session",
        "database": AppDatabase(migrate=("python", "-m", "blog.migrate")),
    }
    found: App = AppForm(**(values | changes))
    return found


def gunicorn(**pins: Any) -> GunicornSettings:
    return GunicornSettings(module="blog.main:app", **pins)


DATABASE = MysqlSettings()
WEB = NginxSettings()


def host(
    *,
    cpu_cores: int = 1,
    memory_mib: int = 1024,
    apps: dict[str, App] | None = None,
    connections: int = 1000,
    mysql: MysqlSettings | None = DATABASE,
    nginx: NginxSettings = WEB,
    unmanaged_mib: int = 0,
    hardware: dict[str, Any] | None = None,
    **more: Any,
) -> Declaration:
    settings: dict[str, Declared] = {"nginx": nginx}
    if mysql is not None:
        settings["mysql"] = mysql
    return Declaration(
        host="test1",
        hardware=Hardware(cpu_cores=cpu_cores, memory_mib=memory_mib, **(hardware or {})),
        apps={"blog": app()} if apps is None else apps,
        target=Target(connections=connections),
        unmanaged_mib=unmanaged_mib,
        settings=settings,
        **more,
    )


__all__ = ["TLS", "App", "AppDatabase", "GunicornSettings", "MysqlSettings", "NginxSettings", "app", "gunicorn", "host"]

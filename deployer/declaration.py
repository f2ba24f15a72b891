"""The declaration: all that an inventory entry says about one host, as the value that the pure core starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import Field

from deployer.app import App, Name
from deployer.hardware import Declared, Hardware, Mib
from deployer.measured import Measured

Said = TypeVar("Said", bound=Declared)


class Target(Declared):
    """What the host shall carry. The connection chain starts here."""

    connections: Annotated[int, Field(ge=10, le=100_000)] = 1000
    """Visitors' connections held at the same time, those of WebSockets included."""
    page_every_s: Annotated[int, Field(ge=1, le=3600)] = 30
    """How often one of these visitors asks for a page, seconds; with page_kib it says what the link carries."""
    page_kib: Annotated[float, Field(ge=0.1, le=10_240, strict=False)] = 15.0
    """Bytes of one page on the wire, KiB, headers and TLS included; 15 KiB is a compressed text page."""


class ServiceSettings(Declared):
    """Base of what an inventory says about a service of a host."""

    holds_databases: ClassVar[bool] = False
    """Whether apps may have their database there."""
    runs_by_itself: ClassVar[bool] = True
    """Whether it is a server, which could be on another host; a library of the apps is not."""

    def swap_made_mib(self, _hardware: Hardware) -> int:
        """Say how much swap the service makes, MiB."""
        return 0


class Declaration(Declared):
    """One host, as declared: the only input of the budget and the renders.

    The settings of each service stand under ``settings`` by the service's name, already checked by its own model.
    """

    host: str
    """Name of the inventory entry."""
    hardware: Hardware
    """What the machine is."""
    unmanaged_mib: Mib = 0
    """Memory of what else lives there and is not ours, MiB."""
    target: Target = Target()
    """What the host shall carry."""
    apps: Mapping[Name, App] = Field(default_factory=dict)
    """The apps by name."""
    load_from: tuple[str, ...] = ()
    """Addresses of load generators, exempt from the limits per visitor."""
    settings: Mapping[str, Declared] = Field(default_factory=dict)
    """Settings of each service that runs here, by the service's name."""
    measured: Measured | None = None
    """What was measured on the host itself, as far as it counts: the inventory's own words outrank it."""

    @property
    def swap_mib(self) -> int:
        """Swap that the host has once it is deployed, MiB: what was there, and what a service makes."""
        made = sum(
            one.swap_made_mib(self.hardware) for one in self.settings.values() if isinstance(one, ServiceSettings)
        )
        return self.hardware.swap_mib + made

    @property
    def databases(self) -> tuple[str, ...]:
        """Services of this host that apps may have their database in."""
        return tuple(
            name for name, one in self.settings.items() if isinstance(one, ServiceSettings) and one.holds_databases
        )

    @property
    def servers(self) -> tuple[str, ...]:
        """Services of this host that run by themselves, and so could be on another one."""
        return tuple(
            name for name, one in self.settings.items() if isinstance(one, ServiceSettings) and one.runs_by_itself
        )

    def said_of(self, service: str, settings: type[Said]) -> Said:
        """Give what is said of a service, by its model; the defaults where nothing is said."""
        found = self.settings.get(service)
        return found if isinstance(found, settings) else settings()

    def with_settings(self, service: str, settings: Declared, **changes: Any) -> Declaration:
        """Give the same host with settings of a service changed; what changes is not checked anew."""
        changed = {**self.settings, service: settings.model_copy(update=changes)}
        return self.model_copy(update={"settings": changed})

    def with_app(self, name: str, **changes: Any) -> Declaration:
        """Give the same host with an app changed; what changes is not checked anew."""
        changed = {**self.apps, name: self.apps[name].model_copy(update=changes)}
        return self.model_copy(update={"apps": changed})

    def key_of(self, taker: str) -> str:
        """Name the key that says how a taker that runs code is run: apps.blog.gunicorn, apps.blog.background.mail."""
        for name, app in self.apps.items():
            if taker == name:
                return ".".join(("apps", name, *app.runners[:1]))
            for kind, jobs in (("background", app.background), ("timers", app.timers)):
                found = next((job for job in jobs if taker == f"{name}-{job}"), None)
                if found is not None:
                    return f"apps.{name}.{kind}.{found}"
        return f"apps.{taker}"

    def database_of(self, app: str) -> str:
        """Name the service that holds an app's database: the one it names, or the only one there is; or empty."""
        wanted = self.apps[app].database
        if wanted is None:
            return ""
        if wanted.server is not None:
            return wanted.server
        return self.databases[0] if len(self.databases) == 1 else ""

    def databases_in(self, service: str) -> Mapping[str, str]:
        """Name the database of each app that has it in a service, by app; a database user is called the same."""
        return {
            name: app.database.name or name
            for name, app in self.apps.items()
            if app.database is not None and self.database_of(name) == service
        }

    def servers_of(self, app: str) -> tuple[str, ...]:
        """Name the services of this host that an app opens connections to."""
        database = self.database_of(app)
        return tuple(dict.fromkeys([*([database] if database else []), *self.apps[app].uses]))

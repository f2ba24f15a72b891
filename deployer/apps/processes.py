"""The processes of an app that has a unit for each of them, and where nginx reaches each.

They are instances of one template unit, counted from 1. A deploy restarts them one after the other, the next only once
the one before answers, and nginx asks another when one does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from deployer.apps.places import UNIT_FOLDER, AppPlaces
from deployer.declaration import Declaration
from deployer.links import AppLinks, Runner
from deployer.numbers import Derived, derived, pinned
from deployer.wanted import FileWanted, PortWanted, UnitWanted


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of one app.

    Attributes:
        app: The app.
        count: How many.
        first_port: The first listens there, each other one port higher; None: systemd holds a socket for each.
    """

    app: str
    count: int
    first_port: int | None = None

    @property
    def places(self) -> AppPlaces:
        """Names and paths of the app."""
        return AppPlaces(self.app)

    @property
    def units(self) -> tuple[str, ...]:
        """Service units."""
        return tuple(self.places.process_unit(number) for number in self._numbers)

    @property
    def socket_units(self) -> tuple[str, ...]:
        """Socket units; none where the processes listen on ports."""
        return () if self.first_port else tuple(self.places.process_socket_unit(number) for number in self._numbers)

    @property
    def upstreams(self) -> tuple[str, ...]:
        """Where nginx reaches each process, as nginx writes it."""
        if self.first_port:
            return tuple(f"127.0.0.1:{port}" for port in self.ports)
        return tuple(f"unix:{self.places.process_socket(number)}" for number in self._numbers)

    @property
    def ports(self) -> tuple[int, ...]:
        """TCP ports; none where systemd holds sockets."""
        return tuple(self.first_port + number - 1 for number in self._numbers) if self.first_port else ()

    @property
    def _holds(self) -> tuple[str, ...]:
        return (self.places.hold_socket_unit,) if self.has_hold else ()

    @property
    def _numbers(self) -> range:
        return range(1, self.count + 1)

    @property
    def has_hold(self) -> bool:
        """Whether visitors would be refused while it restarts: one process alone, on a port that nobody else holds."""
        return self.first_port is not None and self.count == 1

    def wanted_units(self) -> tuple[UnitWanted, ...]:
        """Want all units: the sockets first, so that visitors wait instead of being refused."""
        return (
            *(UnitWanted(unit=unit, taker=self.app, listens=True) for unit in (*self.socket_units, *self._holds)),
            *(UnitWanted(unit=unit, taker=self.app) for unit in self.units),
        )

    def wanted_ports(self, program: str) -> tuple[PortWanted, ...]:
        """Want the ports, which processes of that program may hold already."""
        return tuple(PortWanted(port=port, service=f"app {self.app}", programs=(program,)) for port in self.ports)

    def files(self, template: str, context: Mapping[str, object]) -> tuple[FileWanted, ...]:
        """Want the template unit, what each process alone is told, and the template of the sockets."""
        found = [
            FileWanted(
                taker=self.app,
                template=template,
                dialect="unit",
                path=f"{UNIT_FOLDER}/{self.places.template_unit}",
                context=context,
                restarts=self.units,
            )
        ]
        for number, unit in enumerate(self.units, start=1):
            port = {"PORT": str(self.ports[number - 1])} if self.ports else {}
            found.append(
                FileWanted(
                    taker=self.app,
                    template="systemd/process.conf.j2",
                    dialect="unit",
                    path=f"{UNIT_FOLDER}/{unit}.d/60-process.conf",
                    context={"variables": {"PROCESS_NUMBER": str(number), **port}},
                    restarts=(unit,),
                )
            )
        if self.socket_units:
            found.append(
                FileWanted(
                    taker=self.app,
                    template="systemd/app.socket.j2",
                    dialect="unit",
                    path=f"{UNIT_FOLDER}/{self.places.template_socket_unit}",
                    context={"name": self.app, "places": self.places, "socket": f"/run/app-{self.app}-%i.sock"},
                    restarts=self.socket_units,
                )
            )
        return (*found, *self._hold_files())

    def _hold_files(self) -> tuple[FileWanted, ...]:
        if not self.has_hold:
            return ()
        context = {"name": self.app, "places": self.places, "port": self.first_port, "unit": self.units[0]}
        return tuple(
            FileWanted(
                taker=self.app,
                template=template,
                dialect="unit",
                path=f"{UNIT_FOLDER}/{unit}",
                context=context,
                restarts=restarts,
            )
            for template, unit, restarts in (
                ("systemd/hold.socket.j2", self.places.hold_socket_unit, self._holds),
                ("systemd/hold.service.j2", self.places.hold_unit, ()),
            )
        )


def app_links(
    name: str,
    declaration: Declaration,
    key: str,
    *,
    processes: Derived,
    pool_size: int | None,
    port: int | None,
    runner: Runner,
) -> AppLinks:
    """Say what an app with a unit for each process adds to the chain of connections.

    Args:
        name: The app.
        declaration: The host.
        key: The key of the service that runs it, under the app.
        processes: How many of it run.
        pool_size: Connections of one process to each server that the app uses, if the inventory says it.
        port: The first process listens there; None: systemd holds sockets.
        runner: How its commands are run.
    """
    count = int(processes.value)
    numbers = {"processes": processes}
    if declaration.servers_of(name):
        numbers["pool_size"] = _pool(name, key, pool_size, declaration.hardware.cpu_cores, count)
    units = Processes(name, count, port)
    return AppLinks(
        app=name,
        processes=count,
        pool_size=int(numbers["pool_size"].value) if "pool_size" in numbers else 0,
        numbers=numbers,
        upstreams=units.upstreams,
        hold=f"unix:{units.places.hold_socket}" if port else "",
        units=units.units,
        runner=runner,
    )


def _pool(app: str, key: str, pin: int | None, cores: int, processes: int) -> Derived:
    """Say how many connections a process may open, from the cores that can work."""
    if pin is not None:
        return pinned(pin, "connections", f"apps.{app}.{key}.pool_size")
    return derived(
        max(2, ceil((2 * cores + 1) / processes)),
        "connections",
        f"(2 x {cores} cores + 1 disk) / {processes} {'process' if processes == 1 else 'processes'}, at least 2: "
        "more only wait inside the database",
        "hardware.cpu_cores",
        f"{app}.processes",
    )

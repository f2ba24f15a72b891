"""Apps that listen on TCP ports of their host instead of on sockets that systemd holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from deployer.app import App
from deployer.declaration import Declaration
from deployer.hardware import Declared

#: From here on the kernel gives ports to outgoing connections (net.ipv4.ip_local_port_range).
FIRST_TAKEN_PORT = 32_768


class ListensOnPorts(Declared):
    """Base of what an app says to be run by a service whose apps may listen on ports."""

    port: Annotated[int, Field(ge=1024, le=65_535)] | None = None
    """First TCP port on loopback, below 32768: one for each process; the app is told by PORT."""

    def most_processes(self, _cores: int) -> int:
        """Say how many processes may run."""
        return 1

    def listens_on(self, cores: int) -> tuple[int, ...]:
        """Give all ports that may be listened on."""
        return () if self.port is None else tuple(range(self.port, self.port + self.most_processes(cores)))


def port_contradictions(declaration: Declaration, runner: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Refuse ports that two apps want, and those that an outgoing connection may hold when the app starts.

    Args:
        declaration: The host.
        runner: The service whose apps are looked at, against all apps.
    """
    cores = declaration.hardware.cpu_cores
    owners: dict[int, str] = {}
    for name, app in declaration.apps.items():
        found = _listening(app)
        if found is None:
            continue
        key, settings = found
        ports, where = settings.listens_on(cores), ("apps", name, key, "port")
        clash = next((port for port in ports if port in owners), None)
        for port in ports:
            owners.setdefault(port, name)
        if key != runner or not ports:
            continue
        if clash is not None:
            yield where, f"port {clash} belongs to app {owners[clash]} already"
        if ports[-1] >= FIRST_TAKEN_PORT:
            last = FIRST_TAKEN_PORT - len(ports)
            yield where, f"port {ports[-1]} may be held by an outgoing connection; write one of 1024 to {last}"


def candidate_port(declaration: Declaration) -> int:
    """Give the port on which a new release listens before visitors are led to it: the last that no app of the host has.

    One is enough: there is one deploy at a time, and one candidate in it.
    """
    found = [_listening(app) for app in declaration.apps.values()]
    taken = {port for one in found if one for port in one[1].listens_on(declaration.hardware.cpu_cores)}
    return next(port for port in range(FIRST_TAKEN_PORT - 1, 1023, -1) if port not in taken)


def _listening(app: App) -> tuple[str, ListensOnPorts] | None:
    for key in app.runners:
        settings = app.run_by(key)
        if isinstance(settings, ListensOnPorts):
            return key, settings
    return None

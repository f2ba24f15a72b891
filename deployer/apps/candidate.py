"""A candidate: one process of a new release, started where no visitor is led, before the old release is touched.

Only a release whose candidate answers takes visitors. Where memory for it is free while a deploy is at work, it runs
`beside` the old release; elsewhere `instead` of one of its processes, while visitors wait. Why: docs/adr/0008.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from deployer.apps.places import UNIT_FOLDER, AppPlaces
from deployer.apps.ports import candidate_port
from deployer.budget import DEPLOY, Grant
from deployer.declaration import Declaration
from deployer.numbers import Numbers, derived
from deployer.wanted import FileWanted, PortWanted

BESIDE, INSTEAD = "beside", "instead"
DEPLOY_SLICE, SLICE = "deployer-deploy.slice", "deployer.slice"


def candidate_numbers(
    name: str, need_mib: float, grants: Mapping[str, Grant], *, each_mib: int, inputs: tuple[str, ...] = ()
) -> Numbers:
    """Choose how a new release takes the place of the old one: never two copies in memory, unless they fit.

    Args:
        name: The app.
        need_mib: What one process needs to start and to answer one request, MiB.
        grants: What everybody was given.
        each_mib: MemoryMax of one unit of the app, MiB.
        inputs: What ``need_mib`` is worked out from, by path.

    Returns:
        ``switch``, which is ``beside`` or ``instead``, and the candidate's MemoryMax as ``candidate``, MiB.
    """
    free_mib, need_mib = grants[DEPLOY].memory_mib, ceil(need_mib)
    fits = need_mib <= free_mib
    asks = f"one process that nobody visits needs {need_mib} MiB, and a deploy's own work has {free_mib}"
    outcome = (
        "a new release answers there before the old one is touched"
        if fits
        else "a new release answers in the memory of an old process before it takes visitors; they wait"
    )
    return {
        "switch": derived(BESIDE if fits else INSTEAD, "", f"{asks}: {outcome}", f"ledger.{DEPLOY}", *inputs),
        "candidate": derived(
            free_mib if fits else each_mib,
            "MiB",
            "the memory of a deploy's own work, which is over by then" if fits else "the memory of an old process",
            f"ledger.{DEPLOY}" if fits else f"{name}.MemoryMax",
            f"{name}.switch",
        ),
    }


@dataclass(frozen=True, slots=True)
class Candidate:
    """Where the candidate of an app runs.

    Attributes:
        app: The app.
        port: It listens there; 0: systemd holds a socket for it, to which nginx is not led.
    """

    app: str
    port: int = 0

    @property
    def unit(self) -> str:
        """Service unit."""
        return AppPlaces(self.app).candidate_unit

    @property
    def socket_unit(self) -> str:
        """Socket unit; empty with a port."""
        return "" if self.port else AppPlaces(self.app).candidate_socket_unit

    @property
    def upstream(self) -> str:
        """Where it answers, as nginx would write it."""
        return f"127.0.0.1:{self.port}" if self.port else f"unix:{AppPlaces(self.app).candidate_socket}"

    def files(
        self,
        switch: str,
        *,
        whole: str = "",
        context: Mapping[str, object] | None = None,
    ) -> tuple[FileWanted, ...]:
        """Want its units: instances of the app's own, or units of their own, and what is other with a candidate.

        Args:
            switch: ``beside`` or ``instead``.
            whole: Template of its service, where the app's own unit has no instances.
            context: What that template is given.
        """
        places = AppPlaces(self.app)
        port = {"PORT": str(self.port)} if self.port else {}
        drop_in = {
            "name": self.app,
            "slice": DEPLOY_SLICE if switch == BESIDE else SLICE,
            "variables": {"PROCESS_NUMBER": "0", **port},
        }
        found = [self._file("systemd/candidate.conf.j2", f"{self.unit}.d/60-candidate.conf", drop_in)]
        if whole:
            own = {"socket_unit": self.socket_unit, "is_candidate": True}
            found.append(self._file(whole, self.unit, {**(context or {}), **own}))
        if self.socket_unit:
            socket = {"name": self.app, "socket": places.candidate_socket}
            found.append(self._file("systemd/candidate.socket.j2", self.socket_unit, socket))
        return tuple(found)

    def ports(self, program: str) -> tuple[PortWanted, ...]:
        """Want its port, if it has one, to be nobody's."""
        service = f"a new release of app {self.app}, until it answers"
        return (PortWanted(port=self.port, service=service, programs=(program,)),) if self.port else ()

    def _file(self, template: str, name: str, context: Mapping[str, object]) -> FileWanted:
        path = f"{UNIT_FOLDER}/{name}"
        return FileWanted(taker=self.app, template=template, dialect="unit", path=path, context=context)


def candidate_of(declaration: Declaration, name: str, *, listens_on_port: bool = False) -> Candidate:
    """Say where the candidate of an app runs.

    Args:
        declaration: The host.
        name: The app.
        listens_on_port: Its processes listen on ports.
    """
    return Candidate(name, candidate_port(declaration) if listens_on_port else 0)

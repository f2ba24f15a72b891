"""Changes of a host that are no service's own: fewer visitors, uploads, long-lived connections; servers elsewhere.

Where a number can be made smaller, the largest is looked for with which the host fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from deployer.app import App, AppDatabase, Websockets
from deployer.declaration import Declaration
from deployer.hardware import Declared
from deployer.service import Remedy

JOB_KINDS = ("background", "timers")
FEWEST_CONNECTIONS = 10
#: Nobody is told to serve less than a tenth of the visitors.
FEWEST_SHARE = 10

#: Room for the dumps of a small database, as a wiki or a blog has it, MiB.
LEAST_DUMP_ROOM_MIB = 64

#: Says of a changed declaration how much is missing, MiB; infinite where it contradicts itself.
Missing = Callable[[Declaration], float]


@dataclass(frozen=True, slots=True)
class Knob:
    """A number of a host that can be smaller.

    Attributes:
        name: Where it stands in the host's entry.
        value: What it is.
        least: The least that makes sense.
        turned: Gives the declaration with another value.
    """

    name: str
    value: int
    least: int
    turned: Callable[[int], Declaration]

    def remedy(self, missing: Missing) -> Remedy | None:
        """Give the largest value that fits, or the least where that is still too much; None: it is that already."""
        if self.least >= self.value:
            return None
        fits, too_much = self.least, self.value
        if missing(self.turned(self.least)) <= 0:
            while too_much - fits > 1:
                middle = (fits + too_much) // 2
                if missing(self.turned(middle)) <= 0:
                    fits = middle
                else:
                    too_much = middle
        return Remedy(f"{self.name}: {fits}", self.turned(fits))


def of_the_host(declaration: Declaration, missing: Missing) -> Iterator[Remedy]:
    """Offer what can be said of every host and app.

    Args:
        declaration: The host.
        missing: Tells how much is missing of what it does not fit into.
    """
    for knob in _knobs(declaration):
        found = knob.remedy(missing)
        if found is not None:
            yield found
    if declaration.unmanaged_mib:
        yield Remedy(
            f"move what is not ours elsewhere (unmanaged_mib: 0, now {declaration.unmanaged_mib})",
            declaration.model_copy(update={"unmanaged_mib": 0}),
        )
    used = {server for app in declaration.apps for server in declaration.servers_of(app)}
    for server in sorted(used.intersection(declaration.servers)):
        nor = "".join(f", nor {where}" for where in _idle_pools(declaration, server))
        yield Remedy(f"{server} on another host (no services.{server}{nor} here)", without_server(declaration, server))


def _knobs(declaration: Declaration) -> Iterator[Knob]:
    wanted = declaration.target.connections
    held = [app.websockets.connections for app in declaration.apps.values() if app.websockets is not None]
    fewest = max(FEWEST_CONNECTIONS, wanted // FEWEST_SHARE, *held, 0)

    yield Knob("target.connections", wanted, fewest, lambda number: with_connections(declaration, number))
    for name, app in declaration.apps.items():
        for key in ("uploads_at_once", "max_upload_mib"):
            usual = int(App.model_fields[key].default)
            yield Knob(f"apps.{name}.{key}", getattr(app, key), usual, _of_app(declaration, name, key))
        if app.database is not None and app.database.is_dumped:
            room = _of_database(declaration, name, app.database, "dump_room_mib")
            yield Knob(f"apps.{name}.database.dump_room_mib", app.database.dump_room_mib, LEAST_DUMP_ROOM_MIB, room)
        if app.websockets is not None:
            where, long_lived = f"apps.{name}.websockets", app.websockets
            turned = _of_websockets(declaration, name, long_lived, "connections")
            fewest = max(1, long_lived.connections // FEWEST_SHARE)
            yield Knob(f"{where}.connections", long_lived.connections, fewest, turned)
            turned = _of_websockets(declaration, name, long_lived, "memory_kib")
            usual = int(Websockets.model_fields["memory_kib"].default)
            yield Knob(f"{where}.memory_kib", long_lived.memory_kib, usual, turned)


def _of_app(declaration: Declaration, name: str, key: str) -> Callable[[int], Declaration]:
    return lambda value: declaration.with_app(name, **{key: value})


def _of_database(declaration: Declaration, name: str, said: AppDatabase, key: str) -> Callable[[int], Declaration]:
    return lambda value: declaration.with_app(name, database=said.model_copy(update={key: value}))


def _of_websockets(declaration: Declaration, name: str, held: Websockets, key: str) -> Callable[[int], Declaration]:
    return lambda value: declaration.with_app(name, websockets=held.model_copy(update={key: value}))


def with_connections(declaration: Declaration, connections: int) -> Declaration:
    """Give the host with another number of visitors."""
    changed = declaration.target.model_copy(update={"connections": connections})
    return declaration.model_copy(update={"target": changed})


def without_server(declaration: Declaration, server: str) -> Declaration:
    """Take a server away, and from the apps what used it: they are told of the other host by themselves."""
    apps = {}
    for name, app in declaration.apps.items():
        database = None if declaration.database_of(name) == server else app.database
        uses = tuple(used for used in app.uses if used != server)
        changes: dict[str, Any] = {"database": database, "uses": uses}
        if declaration.servers_of(name) == (server,):
            changes |= {key: _without_pool(app.run_by(key), None) for key in app.runners}
            changes |= {
                kind: {job: _without_pool(one, 0) for job, one in getattr(app, kind).items()} for kind in JOB_KINDS
            }
        apps[name] = app.model_copy(update=changes)
    settings = {name: one for name, one in declaration.settings.items() if name != server}
    return declaration.model_copy(update={"apps": apps, "settings": settings})


def _idle_pools(declaration: Declaration, server: str) -> Iterator[str]:
    """Name the pinned pools of apps that would have no server left."""
    for name, app in declaration.apps.items():
        if declaration.servers_of(name) != (server,):
            continue
        said = {key: app.run_by(key) for key in app.runners}
        said |= {f"{kind}.{job}": one for kind in JOB_KINDS for job, one in getattr(app, kind).items()}
        for key, one in said.items():
            if _without_pool(one, 0) is not one:
                yield f"apps.{name}.{key}.pool_size"


def _without_pool(said: Declared | None, none: int | None) -> Declared | None:
    """Take a pinned pool out of what an app or a job says; ``none`` stands for no pool there."""
    is_pinned = said is not None and "pool_size" in said.model_fields_set and getattr(said, "pool_size", None)
    return said.model_copy(update={"pool_size": none}) if said is not None and is_pinned else said

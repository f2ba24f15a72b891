"""What is started, restarted or reloaded, made or run, and in which order: only what something changed for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from math import ceil
from typing import Any, cast

from deployer.app import AppDatabase
from deployer.apps import AppPlaces
from deployer.plan.changes import Change, Verb
from deployer.plan.desired import Item
from deployer.plan.probes import candidate_of, ready_of
from deployer.render import Rendered
from deployer.wanted import UNIT_FOLDER, CommandWanted, DatabaseWanted, StoreWanted, masked

RUNS = ("active", "reloading")
ENABLED = ("enabled", "enabled-runtime", "static", "generated", "alias", "indirect")
COMMAND_TIMEOUT_S = 240
#: Of a unit that is masked.
IS_MASKED = "never starts from now on: it would hand its service addresses that the config does not name"
#: Of a database that somebody made by hand.
IS_USED = "it is there and is used as it is: tables stay, its user gets the app's password too"

Activations = list[dict[str, Any]]


def unit_actions(
    rendered: Rendered,
    moved: Sequence[Item],
    hashes: Mapping[str, Mapping[str, str]],
    seen: Mapping[str, Any],
    work_mib: int,
) -> tuple[Activations, list[Change]]:
    """Choose the activations, in order.

    Args:
        rendered: What the host shall have.
        moved: The paths that change.
        hashes: Of each unit, what it reads at start and on a reload.
        seen: The host's answer.
        work_mib: What one command of the deploy may have, MiB.

    Returns:
        The protocol's ``activations`` and the same as changes for people.
    """
    activations: Activations = []
    changes: list[Change] = []
    ours = [unit.unit for unit in rendered.wanted.units]
    unwanted = unwanted_units((item.path for item in moved if item.after["kind"] == "absent"), seen["owned"])
    unwanted = [unit for unit in unwanted if unit not in ours]
    not_to_start = {*ours, *unwanted, *(started_by(unit) for unit in ours)}
    for unit in dict.fromkeys(unit for item in moved for unit in (*item.reloads, *item.restarts)):
        if unit not in not_to_start:  # the system's own, such as journald: nothing to enable or to record
            activations.append({"kind": "unit", "unit": unit, "action": "restart", "enable": False})
            changes.append(Change("unit", "restart", unit, _because(unit, moved)))
    masks = [unit for unit in masked(rendered.links) if _is_to_stop(unit, moved, seen)]
    activations += [{"kind": "stop", "unit": unit} for unit in masks]
    changes += [Change("unit", "stop", unit, IS_MASKED) for unit in masks]
    opened = {served_by(unit): unit for unit in masks if seen["units"].get(unit, {}).get("active") in RUNS}
    for wanted in rendered.wanted.units:
        unit = wanted.unit
        commands = [command for command in rendered.wanted.commands if command.before == unit]
        for command in commands:
            if _is_due(command, rendered, moved, seen):
                activations.append(_command(command, rendered, work_mib))
                changes.append(Change("command", "run", command.name, " ".join(command.argv[1:])))
        verb, because = _verb(unit, moved, hashes[unit], seen, is_socket=wanted.listens)
        if unit in opened and verb != "start":
            verb, because = "restart", f"listens where {opened[unit]} did"
        served = served_by(unit)
        if wanted.listens and verb == "start" and seen["units"].get(served, {}).get("active") in RUNS:
            # it has listened on a port until now; systemd starts no socket for a service that runs
            activations.append({"kind": "stop", "unit": served})
            changes.append(Change("unit", "stop", served, f"{unit} takes its place in front"))
        candidate = candidate_of(unit, rendered) if verb == "restart" else None
        if candidate and candidate not in activations:
            activations.append(candidate)
            changes.append(Change("release", "try", candidate["unit"], how_it_is_tried(candidate)))
        if verb:
            activations.append(
                {
                    "kind": "unit",
                    "unit": unit,
                    "action": "start" if verb == "enable" else verb,
                    "enable": True,
                    "ready": ready_of(unit, rendered),
                    **hashes[unit],
                }
            )
            changes.append(Change("unit", verb, unit, because))
        for database in rendered.wanted.databases:
            is_there = seen["databases"].get(database.server, {}).get(database.name)
            is_new = _is_new(database, rendered, seen)
            if database.unit == unit and (is_there is not True or is_new):
                activations.append(
                    {
                        "kind": "database",
                        "server": database.server,
                        "unit": database.unit,
                        "name": database.name,
                        "user": database.user,
                        "secret": database.secret_path or None,
                        "keep_login": is_new,  # the database may be somebody's though the app's user is not there
                    }
                )
                because = IS_USED if is_there is True else "if it is not there"
                changes.append(Change("database", "create", database.name, because))
    for gone in unwanted:
        activations.append({"kind": "stop", "unit": gone})
        changes.append(Change("unit", "stop", gone, "no longer wanted; its data is kept"))
    return activations, changes


def _is_new(database: DatabaseWanted, rendered: Rendered, seen: Mapping[str, Any]) -> bool:
    """Say whether no deploy made this database's app run yet: then whoever uses it by now has its password, not we."""
    apps = rendered.declaration.apps
    owners = {name for name, app in apps.items() if app.database and (app.database.name or name) == database.name}
    units = [unit.unit for unit in rendered.wanted.units if unit.taker in owners]
    return bool(units) and not any(seen["units"].get(unit, {}).get("restart_hash") for unit in units)


def how_it_is_tried(candidate: Mapping[str, Any]) -> str:
    """Say for people where a new release answers before it takes visitors."""
    if candidate["holds"]:
        return f"in the place of {candidate['holds']}: there is no memory for two; only if it answers it takes visitors"
    return "beside the old one; only if it answers it takes visitors"


def unwanted_units(gone: Iterable[str], owned: Iterable[str]) -> list[str]:
    """Name the units that go with files of ours: by their own file, or by our drop-in beside a package's.

    A package's service that we made run is stopped too: its memory is given to others, and its limit is gone. A process
    of several goes with its own drop-in, and with it the socket of that process; the template alone runs nothing.
    Sockets and timers come first, so that nothing starts a service again.

    Args:
        gone: Paths that are taken away.
        owned: All paths that earlier deploys put on the host.
    """
    ours = set(owned)
    found: dict[str, None] = {}
    for path in gone:
        name, _, inside = path.removeprefix(UNIT_FOLDER).partition("/")
        unit = name.removesuffix(".d")
        is_candidate = "@candidate." in unit  # it runs while a deploy asks it, and not otherwise
        if not path.startswith(UNIT_FOLDER) or (inside and unit == name) or is_candidate:
            continue
        if "@." in unit:
            template = unit.removesuffix(".socket")
            if template != unit:  # the processes may stay, and listen on ports from now on
                found |= dict.fromkeys(_sockets_of(template, ours))
            continue
        found[unit] = None
        process, is_one_of_several, instance = unit.removesuffix(".service").partition("@")
        if is_one_of_several and f"{UNIT_FOLDER}{process}@.socket" in ours:
            found[f"{process}@{instance}.socket"] = None
    return sorted(found, key=lambda unit: (not unit.endswith((".socket", ".timer")), unit))


def _sockets_of(template: str, ours: Iterable[str]) -> Iterator[str]:
    """Name the sockets of the processes that have a drop-in of ours."""
    for path in ours:
        unit = path.removeprefix(UNIT_FOLDER).partition("/")[0]
        if unit.startswith(template) and unit.endswith(".service.d"):
            yield unit.removesuffix(".service.d") + ".socket"


def _is_to_stop(unit: str, moved: Sequence[Item], seen: Mapping[str, Any]) -> bool:
    """Say whether a masked unit runs, or is masked by this deploy: a package may have enabled it, or be about to."""
    path = UNIT_FOLDER + unit
    return any(item.path == path for item in moved) or seen["units"].get(unit, {}).get("active") in RUNS


def served_by(unit: str) -> str:
    """Name the service that a socket starts."""
    return unit.removesuffix(".socket") + ".service"


def started_by(unit: str) -> str:
    """Name the service that a timer starts; a deploy does not."""
    return unit.removesuffix(".timer") + ".service" if unit.endswith(".timer") else unit


def _verb(
    unit: str, moved: Sequence[Item], hashes: Mapping[str, str], seen: Mapping[str, Any], *, is_socket: bool
) -> tuple[Verb | None, str]:
    state = seen["units"].get(unit, {})
    because = _because(unit, moved)
    if state.get("active") not in RUNS:
        verb = "start" if is_socket or state.get("active") != "failed" else "restart"
        return cast("Verb", verb), "does not run"
    if any(unit in item.restarts for item in moved):
        return "restart", because
    if state.get("restart_hash") != hashes["restart_hash"]:
        return "restart", "runs with other settings than its files have"
    if any(unit in item.reloads for item in moved):
        return "reload", because
    if state.get("reload_hash") != hashes["reload_hash"]:
        return "reload", "has not read its files since they changed"
    if state.get("enabled") not in ENABLED:
        return "enable", "would not start at boot"
    return None, ""


def _because(unit: str, moved: Sequence[Item]) -> str:
    paths = [item.path for item in moved if unit in item.restarts or unit in item.reloads]
    return f"for {paths[0]}" + (f" and {len(paths) - 1} more" if len(paths) > 1 else "") if paths else ""


def _is_due(command: CommandWanted, rendered: Rendered, moved: Sequence[Item], seen: Mapping[str, Any]) -> bool:
    if command.once is not None:
        return command.once not in seen.get("done", ())
    links = {
        path
        for release in rendered.wanted.releases
        if release.app == command.app
        for path in (release.current, release.environment or release.current)
    }
    return any(item.path in links for item in moved)


def _command(command: CommandWanted, rendered: Rendered, work_mib: int) -> dict[str, Any]:
    chain = rendered.budget.chain
    room_mib = work_mib - ceil(sum(chain.migration_parts(command.app).values()))
    limits = chain.runner_of(command.app).environment_within(room_mib)
    store = next((one for one in rendered.wanted.stores if one.app == command.app), None)
    return {
        "kind": "command",
        "name": command.name,
        "once": command.once,
        "argv": list(command.argv),
        "user": command.user,
        "cwd": command.cwd,
        "environment": {**limits, **command.environment},
        "environment_file": command.environment_file,
        "credentials": dict(command.credentials),
        "groups": list(command.groups),
        "timeout_s": COMMAND_TIMEOUT_S,
        **({} if store is None else {"database": _database(store, rendered)}),
    }


def _database(store: StoreWanted, rendered: Rendered) -> dict[str, Any]:
    """Say how an app's database is kept from a failed migration, and which units use it."""
    app = rendered.declaration.apps[store.app]
    said = app.database or AppDatabase()
    timed = [AppPlaces(store.app).timed_unit(name) for name in app.timers]
    return {
        **asdict(store),
        "policy": said.before_migration,
        "room_mib": said.dump_room_mib,
        "units": [*rendered.budget.chain.units_of(store.app), *timed],
    }

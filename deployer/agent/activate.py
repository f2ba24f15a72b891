"""The plan's activations, in order: units restarted, reloaded, started or stopped, databases, commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Sequence

from . import boot, candidate, copysqlite, database, migrations, probes, swaps, systemctl, unitstate
from .refusal import Refusal
from .work import Work, failure

if TYPE_CHECKING:
    from .journal import Journal
    from .progress import Progress

UNIT_TIMEOUT_S = 120.0
ACTIONS = ("restart", "reload", "start")
#: Kinds of activations that change what a unit does.
TOUCHING = ("unit", "stop", "candidate")


def run(
    activations: Sequence[dict[str, Any]],
    done: Sequence[str],
    journal: Journal,
    work: Work,
    progress: Progress,
) -> None:
    """Do them in order. Each is noted in the journal before it begins, so that a return knows what to undo.

    Args:
        activations: The plan's list.
        done: The keys of `once` commands that an earlier transaction committed; those are left out.
        journal: The transaction's record.
        work: Where commands run.
        progress: Looked at between and during activations.

    Raises:
        Refusal: Kind `activation`, at the first that fails; kind `probe`, at the first that does not get ready.
    """
    for number, entry in enumerate(activations):
        kind = entry["kind"]
        if kind == "command" and entry.get("once") in done and entry.get("once") is not None:
            continue
        progress.check()
        progress.enter("candidate" if kind == "candidate" else "activate", describe(entry))
        journal.doc["activated"].append(number)
        journal.save()
        if kind == "unit":
            _unit(entry, progress)
        elif kind == "candidate":
            candidate.prove(entry, progress)
        elif kind == "stop":
            _stop(entry["unit"], progress)
        elif kind == "database":
            database.ensure(entry, journal)
        elif kind == "copy":
            copysqlite.copy(entry, work)
        elif kind == "command":
            with migrations.noted(entry, journal, work, progress):
                if progress.step != "activate":
                    progress.enter("activate", describe(entry))
                _command(entry, work)
            database.count_filled(entry, journal)
        else:
            raise Refusal("fault", f"no such activation: {kind!r}")


def describe(entry: dict[str, Any]) -> str:
    """Say an activation in a few words."""
    if entry["kind"] == "unit":
        return f"{entry['action']} {entry['unit']}"
    if entry["kind"] == "stop":
        return f"stop {entry['unit']}"
    if entry["kind"] == "candidate":
        return f"{entry['name']}: its new release, " + (f"instead of {entry['holds']}" if entry["holds"] else "beside")
    return f"{entry['kind']} {entry['name']}"


def units_of(activations: Sequence[dict[str, Any]]) -> list[str]:
    """Return the units that a plan's activations touch, in order, each once."""
    touched = (
        (entry.get("holds") if entry["kind"] == "candidate" else entry.get("unit"), entry) for entry in activations
    )
    return list(dict.fromkeys(unit for unit, entry in touched if unit and entry["kind"] in TOUCHING))


def servers_of(activations: Sequence[dict[str, Any]]) -> list[str]:
    """Return the units of the database servers that a plan makes databases on, or migrates those of, each once."""
    # a journal of before there was a choice of servers has the unit where the server's kind stands now
    units = [entry.get("unit") or entry.get("server") for entry in activations if entry["kind"] == "database"]
    units += [entry["database"]["unit"] for entry in activations if entry.get("database")]
    return [unit for unit in dict.fromkeys(units) if unit]


def _unit(entry: dict[str, Any], progress: Progress) -> None:
    unit, action = entry["unit"], entry["action"]
    if action not in ACTIONS:
        raise Refusal("fault", f"no such action for a unit: {action!r}")
    if entry.get("enable"):
        boot.on(unit)
    verb = "reload-or-restart" if action == "reload" else action  # it may have died since the plan was made
    if candidate.is_held(unit):
        candidate.let_go(unit)
        verb = "start"  # it was stopped for the candidate, and its start is under way
    elif action == "start" and _is_starting(unit):
        verb = "restart"  # a start that is under way, with what was there before, would be taken for this one
    systemctl.order(verb, unit, timeout_s=progress.left_s(UNIT_TIMEOUT_S), check=progress.check)
    if entry.get("ready"):
        probes.gate(entry["ready"], 0.0, progress)


def _is_starting(unit: str) -> bool:
    """Say whether a service is on its way, or fails again and again; a job in the middle of its work is left to it."""
    state = unitstate.show([unit])[unit]
    return bool(state["active"] == "activating" and state["type"] != "oneshot")


def _stop(unit: str, progress: Progress) -> None:
    """Stop a unit and keep it from starting at boot. Its file may be gone, and somebody may have done so before."""
    state = unitstate.show([unit])[unit]
    if state["active"] not in ("inactive", "failed") or state["sub"] == "auto-restart":
        swaps.stop(unit, timeout_s=progress.left_s(UNIT_TIMEOUT_S))
    systemctl.forget_failures(unit)
    boot.off(unit)


def _command(entry: dict[str, Any], work: Work) -> None:
    result = work.run(
        entry["argv"],
        timeout_s=float(entry["timeout_s"]),
        user=entry["user"],
        cwd=entry["cwd"],
        environment=entry.get("environment") or {},
        environment_file=entry.get("environment_file") or "",
        credentials=entry.get("credentials") or {},
        groups=entry.get("groups") or (),
    )
    if not result.ok:
        raise failure("activation", entry["name"], result)

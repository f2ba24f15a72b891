"""Units, on the way back: stopped and disabled, or enabled and run again, as they were before."""

from __future__ import annotations

import time
from functools import partial
from typing import Any, Callable

from . import boot, candidate, swaps, systemctl, unitstate
from .journal import Journal
from .outcome import Attempt
from .refusal import Refusal

HEALTHY_WITHIN_S = 30.0
STEADY_S = 1.0
ENABLED = ("enabled", "enabled-runtime", "linked", "linked-runtime")
RUNNING = ("active", "reloading", "activating")


def ran(state: dict[str, Any]) -> bool:
    """Say whether a unit is to run again. A job in the middle of its work is not: it would begin a second time."""
    return state["active"] in RUNNING and not (state["active"] == "activating" and state.get("type") == "oneshot")


def is_to_run(state: dict[str, Any]) -> bool:
    """Say whether a unit has to run after a return: one that was starting, or failing again and again, ran not yet."""
    return state["active"] != "activating" and ran(state)


def stop_what_did_not_run(
    touched: list[str], before: dict[str, Any], attempt: Attempt, say: Callable[[str], None]
) -> None:
    """Stop, last started first, what did not run before."""
    for unit in reversed(touched):
        was = before[unit]
        now = unitstate.show([unit])[unit]
        if was["active"] not in RUNNING and (
            now["active"] not in ("inactive", "failed") or now["sub"] == "auto-restart"
        ):
            say(f"stopping {unit}")
            attempt(
                partial(swaps.stop, unit),
                f"{unit} cannot be stopped",
                f"systemctl stop {unit}",
            )


def disable_what_packages_enabled(journal: Journal, attempt: Attempt) -> None:
    """Disable units that were not enabled before, be it by an activation or by a package that came."""
    units: dict[str, Any] = journal.doc["units"]
    for unit, now in unitstate.show(units).items():
        if now["enabled"] in (*ENABLED, "masked") and units[unit]["enabled"] not in (*ENABLED, "masked"):
            attempt(
                partial(boot.off, unit),
                f"{unit} cannot be disabled",
                f"systemctl disable {unit}",
            )


def start_what_ran(
    journal: Journal,
    touched: list[str],
    before: dict[str, Any],
    attempt: Attempt,
    say: Callable[[str], None],
) -> None:
    """Enable and run again what was enabled and ran, with the same reloads and restarts, in the same order."""
    begun = [journal.doc["activations"][number] for number in journal.doc["activated"]]
    actions = {entry["holds"]: "restart" for entry in begun if entry.get("holds")}
    actions.update(
        (entry["unit"], entry.get("action", "start")) for entry in begun if entry["kind"] in ("unit", "stop")
    )
    for unit in touched:
        was, now = before[unit], unitstate.show([unit])[unit]
        if was["enabled"] in ENABLED and now["enabled"] not in ENABLED:
            attempt(
                partial(boot.on, unit),
                f"{unit} cannot be enabled",
                f"systemctl enable {unit}",
            )
        systemctl.forget_failures(unit)
        if ran(was):
            verb = "reload-or-restart" if actions[unit] == "reload" else actions[unit]
            if candidate.is_held(unit):
                candidate.let_go(unit)
                verb = "start"  # what it reads is the old again; a restart would cut visitors whom it has just taken
            say(f"{verb} {unit}")
            served = _in_its_way(unit)
            if served:  # a service that runs with addresses of its own
                attempt(partial(swaps.stop, served), f"{served} cannot be stopped", f"systemctl stop {served}")
            if not is_to_run(was):
                try:
                    systemctl.order(verb, unit)
                except Refusal:
                    say(f"{unit} does not start, as before")
                continue
            attempt(
                partial(systemctl.order, verb, unit),
                f"{unit} cannot be started",
                f"systemctl {verb} {unit}",
            )
            if served:
                attempt(
                    partial(systemctl.order, "start", served),
                    f"{served} cannot be started",
                    f"systemctl start {served}",
                )


def _in_its_way(unit: str) -> str:
    """Name the service for which a socket cannot start: systemd starts none for a service that runs."""
    if not unit.endswith(".socket"):
        return ""
    served = unit[: -len(".socket")] + ".service"
    states = unitstate.show([unit, served])
    return served if states[unit]["active"] not in RUNNING and states[served]["active"] in RUNNING else ""


def unhealthy(units: list[str]) -> list[str]:
    """Return the units that do not become active, or do not stay it for a moment."""
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    steady_since: float | None = None
    pids: dict[str, int] = {}
    while True:
        states = unitstate.show(units) if units else {}
        bad = [unit for unit, state in states.items() if state["active"] not in ("active", "reloading")]
        now = {unit: state["main_pid"] for unit, state in states.items()}
        if bad or now != pids:
            pids, steady_since = now, time.monotonic()
        if not bad and steady_since is not None and time.monotonic() - steady_since >= STEADY_S:
            return []
        if not units:
            return []
        if time.monotonic() > deadline:
            return bad or units
        time.sleep(0.2)

"""Services of theirs that run now: which are stopped, which stay, and when in the deploy they stop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import ceil
from typing import Any

from deployer.adoption.fates import Choices, Lacking, UnitFate
from deployer.adoption.found import Found, is_of_the_system
from deployer.budget import DEPLOY
from deployer.plan import Change, Plan
from deployer.render import Rendered

NGINX = "nginx.service"
#: Less than this is in the reserve for the system, MiB.
NOTEWORTHY_MIB = 4.0


def conflicts(rendered: Rendered, found: Found) -> Mapping[str, str]:
    """Name units that serve what an app takes over, or hold a port that is needed, each with the reason."""
    needed: dict[str, str] = {}
    for wanted in rendered.wanted.ports:
        for one in found.told["ports"]:
            if one["port"] == wanted.port and one["process"] not in ("", "systemd", *wanted.programs):
                needed[str(one["unit"] or one["process"])] = f"holds port {wanted.port}, which {wanted.service} needs"
    names = {name for app in rendered.declaration.apps.values() for name in app.server_names}
    ours = _ours(rendered)
    for site in found.told["sites"]:
        served = [name for name in site["names"] if name in names]
        for place in site["passes"] if served else ():
            unit, process = found.listener(place) or ("", "")
            if (unit or process) and unit not in ours:
                needed.setdefault(unit or process, f"serves {served[0]} until now, on {place}")
    return needed


def unit_fates(rendered: Rendered, found: Found, choices: Choices) -> tuple[UnitFate, ...]:
    """Say of each service what becomes of it."""
    ours, needed = _ours(rendered), conflicts(rendered, found)
    fates = [
        UnitFate(str(one["unit"]), one["memory_mib"], found.listens(str(one["unit"])), "ours", "as the inventory says")
        for one in found.told["units"]
        if one["runs"] and (one["unit"] in ours or one["is_ours"])
    ]
    for one in found.foreign_units(ours):
        unit = str(one["unit"])
        because = needed.get(unit, "written by hand" if one["by_hand"] else "")
        if unit in choices.stop:
            starters = tuple(str(starter) for starter in one["started_by"])
            fate = UnitFate(unit, one["memory_mib"], found.listens(unit), "stopped", because, starters)
        elif unit in needed and unit not in choices.leave:
            fate = UnitFate(unit, one["memory_mib"], found.listens(unit), "undecided", because)
        else:
            fate = UnitFate(unit, one["memory_mib"], found.listens(unit), "stays", because)
        fates.append(fate)
    return tuple(fates)


def lacking(rendered: Rendered, found: Found, choices: Choices, fates: tuple[UnitFate, ...]) -> Iterator[Lacking]:
    """Say which units nobody decided about, and which cannot be stopped."""
    for fate in fates:
        if fate.fate == "undecided":
            both = f"--stop {fate.unit} (it comes back if the takeover fails), or --leave {fate.unit}"
            yield Lacking(f"{fate.unit} {fate.because}: shall it be stopped?", both)
    known = {fate.unit for fate in fates}
    for name, because in conflicts(rendered, found).items():
        if name not in known:
            yield Lacking(f"{name} {because}, and is no service that could be stopped and brought back", f"end {name}")
        elif name in choices.leave and because.startswith("holds port"):
            yield Lacking(f"{name} {because}: it cannot be left", f"--stop {name}, or let it listen elsewhere")
    fate_of = {fate.unit: fate.fate for fate in fates}
    for unit in choices.stop:
        if is_of_the_system(unit) or fate_of.get(unit) == "ours":
            yield Lacking(f"{unit} is the system's or the inventory's own", f"leave out --stop {unit}")
        elif unit not in fate_of:
            yield Lacking(f"there is no service {unit} that runs", f"leave out --stop {unit}, or write its full name")


def advice(rendered: Rendered, fates: tuple[UnitFate, ...]) -> Iterator[str]:
    """Give the memory of what stays, which the budget has to leave."""
    staying = [one for one in fates if one.fate == "stays" and (one.memory_mib or 0) >= NOTEWORTHY_MIB]
    measured_mib = ceil(sum(one.memory_mib or 0 for one in staying))
    declared_mib = rendered.declaration.unmanaged_mib
    if measured_mib > declared_mib:
        names = ", ".join(f"{one.unit} {one.memory_mib:.0f} MiB" for one in staying)
        holds = f"what stays holds {measured_mib} MiB now ({names})"
        yield f"{holds}, the budget leaves {declared_mib}: write unmanaged_mib: {measured_mib}"


def with_stops(
    plan: Plan,
    rendered: Rendered,
    fates: tuple[UnitFate, ...],
    copies: Sequence[Mapping[str, Any]] = (),
    copied: Sequence[Change] = (),
) -> Plan:
    """Put the stops of foreign units into a deploy, and the copies of what they leave.

    With copies all of them stop before anything of the inventory starts. Else one that holds a port stops just before
    nginx starts. Another one stops once nginx has turned to the new app, or, if the budget has no room for both at the
    same time, before anything of the inventory starts.
    """
    stopped = [one for one in fates if one.fate == "stopped"]
    if not stopped:
        return plan
    both_mib = sum(one.memory_mib or 0.0 for one in stopped)
    activations = list(plan.document["activations"])
    at_nginx = next((at for at, one in enumerate(activations) if one.get("unit") == NGINX), len(activations))
    holders = _stops(one for one in stopped if one.because.startswith("holds port"))
    others = _stops(one for one in stopped if not one.because.startswith("holds port"))
    if copies or both_mib > _room_mib(plan, rendered):
        activations = [*holders, *others, *copies, *activations]
    else:
        activations = [*activations[:at_nginx], *holders, *activations[at_nginx : at_nginx + 1], *others]
        activations += plan.document["activations"][at_nginx + 1 :]
    changes = [
        Change("unit", "stop", unit, f"and disabled: {one.unit} {one.because or 'was named'}")
        for one in stopped
        for unit in (*one.started_by, one.unit)
    ]
    document: dict[str, Any] = {**plan.document, "activations": activations}
    return Plan(plan.host, (*plan.changes, *changes, *copied), document, plan.blobs, plan.environments, plan.warnings)


def _stops(fates: Iterable[UnitFate]) -> list[dict[str, Any]]:
    """Stop what starts a service before the service itself."""
    return [{"kind": "stop", "unit": unit} for one in fates for unit in (*one.started_by, one.unit)]


def _room_mib(plan: Plan, rendered: Rendered) -> int:
    """Say what the old site may hold while the new one starts, MiB: work on packages is over then, and has its grant.

    A migration would use that grant; and the old site is not to see tables that are half way.
    """
    migrates = any(one["kind"] == "command" for one in plan.document["activations"])
    work_mib = 0 if migrates else rendered.budget.grants[DEPLOY].memory_mib
    return rendered.budget.spare_mib + rendered.declaration.unmanaged_mib + work_mib


def _ours(rendered: Rendered) -> frozenset[str]:
    return frozenset(unit.unit for unit in rendered.wanted.units)

"""The line of a verdict for what ended a load early: whose doing it was. Pure.

A load that was ended is a failure only if its cause is on the host; else nothing is known.
"""

from __future__ import annotations

from typing import Final

from deployer.verify.bottleneck import GENERATOR_ERRORS, generator_doubt, neighbour, starved
from deployer.verify.ceiling import full_link
from deployer.verify.criteria import objective
from deployer.verify.lines import Evidence, decide
from deployer.verify.safety import Stop, shown
from deployer.verify.verdict import Line, Objective

#: What is seen of a host, and is not its own doing.
NOT_ITS_DOING: Final = {
    "steal": "the hypervisor gave the host's CPU to others",
    "neighbour": "other work on this machine took the host's processors",
    "silent": "a host that is not heard may be well",
}


def ended_line(stop: Stop, seen: Evidence) -> Line | None:
    """Judge the line that ended the load; None where none did, as the host could no longer be watched."""
    criterion = stop.criterion
    if criterion is None:
        return None
    wanted = objective(criterion, "must")
    about = Objective(
        name=f"{wanted.name}, no abort",
        metric=f"abort_{wanted.metric}",
        wanted=f"not {wanted.wanted}",
        wanted_value=wanted.wanted_value,
        at_least=not wanted.at_least,
    )
    outcome, why = decide(good=False, doubts=[_not_the_host(stop, seen)])
    measured = "" if stop.value is None else shown(criterion, stop.value)
    return about.line(outcome, measured, stop.value, why=why or stop.why)


def _not_the_host(stop: Stop, seen: Evidence) -> str:
    criterion = stop.criterion
    if criterion is None or criterion.metric in NOT_ITS_DOING:
        return NOT_ITS_DOING[criterion.metric] if criterion else "not known"
    if criterion.scope == "host" or criterion.scope.startswith("service."):
        return ""
    phase = seen.phases.get(stop.phase)
    if phase is None:
        return f"{stop.phase} is no part of the result, so nothing more is known of it"
    limit_ms = criterion.value if criterion.unit == "ms" else float("inf")
    only_own = criterion.metric != "errors" or set(phase.errors) <= GENERATOR_ERRORS
    own = generator_doubt(phase, limit_ms) if only_own else ""
    return own or starved(phase) or neighbour(phase, seen.host) or full_link(phase, seen.target)

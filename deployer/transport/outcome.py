"""What the agent's ``error`` answer means here: its kind and the host's state choose the exception."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployer.errors import (
    AgentError,
    DeployerError,
    FactsMismatch,
    HostUnknown,
    LockHeld,
    PlanOutdated,
    PreparationFailed,
    RolledBack,
    ValidationFailed,
)
from deployer.transport.startup import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNTOUCHED: Mapping[str, type[DeployerError]] = {
    "lock": LockHeld,
    "outdated": PlanOutdated,
    "validation": ValidationFailed,
    "preparation": PreparationFailed,
    "activation": PreparationFailed,
    "probe": PreparationFailed,
    "disk_full": PreparationFailed,
    "unsupported": FactsMismatch,
    "fault": AgentError,
}

LOOK = "`deployer plan` for this host shows how it stands; the next `deployer deploy` first settles what was left open"


def error_from(document: Mapping[str, Any], *, op: str, place: str) -> DeployerError:
    """Turn an ``error`` document into the exception to raise.

    Nothing in it is trusted: a state that the protocol does not know is "unknown" for an apply, and for what
    changes nothing a fault of the agent.

    Args:
        document: From the host: kind, message, state, step, detail, next.
        op: The operation that it answers.
        place: The host, for people.
    """
    state, kind = _text(document, "state"), _text(document, "kind")
    message = _text(document, "message") or "the agent gave no reason"
    detail = _text(document, "detail").strip("\n")
    if detail and detail not in message:
        message += "\n" + "\n".join(f"  | {line}" for line in detail.splitlines()[-40:])
    step = _text(document, "step")
    where = f"{place}, step {step}" if step else place
    next_step = _text(document, "next")
    if state == "restored":
        return RolledBack(message, where=where, next_step=next_step)
    if state == "untouched":
        return _UNTOUCHED.get(kind, AgentError)(message, where=where, next_step=next_step)
    if state == "unknown" or op == "apply":
        return HostUnknown(message, where=where, next_step=next_step or LOOK)
    return AgentError(message, where=where, next_step=next_step)


def link_lost(reason: str, *, return_after_s: float, place: str) -> HostUnknown:
    """Say what a link lost during an apply means: the host returns by itself, unless it had committed."""
    return HostUnknown(
        f"{reason} while the deploy was under way; its outcome is not known here. Unless it was just being "
        f"committed, the host returns by itself to what it was, in {return_after_s:.0f} s at the latest",
        where=place,
        next_step=f"wait {return_after_s:.0f} s, then {LOOK}",
    )


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return harmless(value) if isinstance(value, str) else ""

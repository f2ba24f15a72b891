"""What a committed transaction left standing: all that is needed to come back to it from a later one.

Kept in its journal, so that a host can be rolled back from any machine, without the inventory of then.
"""

from __future__ import annotations

from typing import Any, Mapping

#: The parts of a plan that describe the host as it is to be, whatever had to be changed for it.
_PARTS = ("units", "validators", "probes", "gate_s", "return_after_s", "work")


def of_plan(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Give what stands once this plan is committed; None for a part that an older control machine did not tell."""
    return {part: plan.get(part) for part in _PARTS}


def of_nothing(later: Mapping[str, Any]) -> dict[str, Any]:
    """Give what stood before the first transaction: nothing of ours, reached within the bounds of a later one."""
    return {**later, "units": [], "validators": [], "probes": []}


def is_whole(standing: Mapping[str, Any] | None) -> bool:
    """Say whether there is enough to come back to it."""
    return standing is not None and all(standing.get(part) is not None for part in _PARTS)

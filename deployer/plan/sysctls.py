"""The kernel's settings: what a host does not have yet is changed; what its kernel refuses is said, not tried again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from deployer.plan.changes import Change
from deployer.wanted import SysctlWanted


def sysctl_changes(
    wanted: Iterable[SysctlWanted], seen: Mapping[str, Any], ours: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[list[dict[str, Any]], list[Change], list[str]]:
    """Choose the settings that have to be written.

    Args:
        wanted: What the services want; of several that want the least of one setting, the largest counts.
        seen: The host's answer, by name: running ``value``, ``writable``, the value that it ``refused`` before.
        ours: Settings that deploys made, by name: their ``value``, and the ``former`` one. What is no longer wanted
            gets that back, unless somebody else has changed it since.

    Returns:
        The protocol's ``sysctls``, the same as changes for people, and warnings.
    """
    documents: list[dict[str, Any]] = []
    changes: list[Change] = []
    warnings: list[str] = []
    asked = list(_together(wanted))
    for one in asked:
        state = seen.get(one.name, {})
        running = state.get("value")
        if running is not None and is_enough(running, one):
            continue
        if running is None or not state.get("writable") or state.get("refused") == one.value:
            why = "has no such setting" if running is None else f"does not let it be changed; it stays {running}"
            warnings.append(f"{one.name} should be {one.value}, but this host's kernel {why}")
            continue
        documents.append({"name": one.name, "value": one.value, "least": one.least})
        changes.append(Change("sysctl", "change", one.name, f"{running} becomes {one.value}: {one.because}"))
    for name, made in sorted((ours or {}).items()):
        running, former = seen.get(name, {}).get("value"), made["former"]
        if running in (None, former) or name in {one.name for one in asked}:
            continue
        if running != made["value"] or not seen[name].get("writable"):
            why = (
                f"a deploy made it {made['value']}" if running != made["value"] else "this kernel lets nobody change it"
            )
            warnings.append(f"{name} is no longer wanted, but stays {running}: {why}; before it was {former}")
            continue
        documents.append({"name": name, "value": former, "least": False})
        because = f"{running} becomes {former} again, as it was before deployer: no longer wanted"
        changes.append(Change("sysctl", "change", name, because))
    return documents, changes, warnings


def is_enough(running: str, wanted: SysctlWanted) -> bool:
    """Say whether a running value needs no change: it is the same, or a number that is more where that is fine."""
    if wanted.least and running.isdigit() and wanted.value.isdigit():
        return int(running) >= int(wanted.value)
    return running == wanted.value


def _together(wanted: Iterable[SysctlWanted]) -> Iterable[SysctlWanted]:
    found: dict[str, SysctlWanted] = {}
    for one in wanted:
        if one.name not in found or not is_enough(found[one.name].value, one):
            found[one.name] = one
    return found.values()

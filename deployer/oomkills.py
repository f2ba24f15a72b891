"""What was killed on a host for want of memory, put together from what its logs and counters tell. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

#: systemd and the kernel tell of the same kill within so many seconds.
SAME_S: Final = 10.0

#: Whose limit was reached: the unit's own, that of a group above it (all services together), or none: the host is full.
Cause = Literal["unit", "group", "host", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill.

    Attributes:
        at_s: When, since 1970; 0: not known.
        unit: The unit that the process belonged to; empty for one of a login.
        process: Its name; empty where only systemd told of it.
        anonymous_mib: What it held itself, MiB; None: not known.
        held_mib: What the group held whose limit was reached, MiB.
        limit_mib: That limit, MiB.
        cause: Whose limit it was.
        group: The group whose limit was reached, where it is not the unit's own.
        certain: Somebody said that it was for want of memory; else a process was killed and nobody said why.
    """

    at_s: float
    unit: str
    process: str = ""
    anonymous_mib: float | None = None
    held_mib: float | None = None
    limit_mib: float | None = None
    cause: Cause = "unknown"
    group: str = ""
    certain: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All that is known.

    Attributes:
        kills: The oldest first.
        uncounted: Units whose counters know of more kills since they were started than logs tell, and of how many.
        has_kernel_log: The kernel's own log could be read.
    """

    kills: tuple[Kill, ...]
    uncounted: Mapping[str, int]
    has_kernel_log: bool


def put_together(told: Mapping[str, Any]) -> Found:
    """Put the agent's answer to ``oom`` together (docs/agent-protocol.md)."""
    kills = [_of_kernel(one) for one in told["kills"]]
    has_kernel_log = bool(told["kernel_log"])
    kills += _of_systemd(told["told_by_systemd"], kills, told["units"], has_kernel_log=has_kernel_log)
    counted = Counter(kill.unit for kill in kills if kill.certain or not has_kernel_log)
    uncounted = {
        unit: missing
        for unit, state in told["units"].items()
        if (missing := int(state.get("kills_since_start") or 0) - counted[unit]) > 0
    }
    return Found(
        kills=tuple(sorted(kills, key=lambda kill: kill.at_s)), uncounted=uncounted, has_kernel_log=has_kernel_log
    )


def _of_kernel(told: Mapping[str, Any]) -> Kill:
    unit, full = _unit_of(str(told["group"])), told["full_group"]
    cause: Cause = "host"
    if full is not None:
        cause = "unit" if unit and _unit_of(str(full)) == unit else "group"
    return Kill(
        at_s=float(told["at_s"]),
        unit=unit,
        process=str(told["process"]),
        anonymous_mib=told["anonymous_mib"],
        held_mib=told["held_mib"],
        limit_mib=told["limit_mib"],
        cause=cause,
        group=str(full).rpartition("/")[2] if cause == "group" else "",
    )


def _of_systemd(
    told: Sequence[Mapping[str, Any]],
    known: Sequence[Kill],
    units: Mapping[str, Mapping[str, Any]],
    *,
    has_kernel_log: bool,
) -> Iterator[Kill]:
    """Give the kills that only systemd tells of; it speaks up to three times of the same."""
    given: list[Kill] = []
    for one in sorted(told, key=lambda one: one["how"] != "oom-kill"):
        unit, at_s, certain = str(one["unit"]), float(one["at_s"]), one["how"] == "oom-kill"
        if any(kill.unit == unit and abs(kill.at_s - at_s) < SAME_S for kill in (*known, *given)):
            continue
        if not certain and has_kernel_log:
            continue  # the kernel would have said so: somebody else sent the signal
        state = units.get(unit, {})
        given.append(Kill(at_s=at_s, unit=unit, limit_mib=state.get("limit_mib"), certain=certain))
    yield from given


def _unit_of(group: str) -> str:
    """Find the unit in the path of a control group: its last part that names a service."""
    return next((part for part in reversed(group.split("/")) if part.endswith(".service")), "")

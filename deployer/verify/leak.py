"""Whether units gave their memory back after the load. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from deployer.verify.measured import HostSamples

#: A unit may hold so much more in any case: allocators keep what they had, MiB.
ALLOWED_MIB: Final = 8.0


@dataclass(frozen=True, slots=True)
class Rest:
    """A time without load, on this machine's monotonic clock, s."""

    began_s: float
    ended_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A unit's memory without page cache, at rest before and after the load.

    Attributes:
        unit: Its name.
        before_mib: After the warm-up, before the load.
        after_mib: After the load and the cool-down.
        limit_mib: Its memory limit; None where there is none.
    """

    unit: str
    before_mib: float
    after_mib: float
    limit_mib: float | None

    @property
    def more_mib(self) -> float:
        """By how much it grew, MiB."""
        return self.after_mib - self.before_mib

    def allowed_mib(self, share: float) -> float:
        """Give by how much it may grow: 8 MiB, or ``share`` of its limit."""
        return max(ALLOWED_MIB, share * (self.limit_mib or 0.0))


def kept_by_units(host: HostSamples, before: Rest, after: Rest) -> tuple[Kept, ...]:
    """Compare the last samples of two rests; units that were not seen in both are left out."""
    first, last = _last_of(host, before), _last_of(host, after)
    limits = (host.summary or {}).get("units", {})
    return tuple(
        Kept(unit=unit, before_mib=first[unit], after_mib=last[unit], limit_mib=limits.get(unit, {}).get("limit_mib"))
        for unit in first
        if unit in last
    )


def _last_of(host: HostSamples, rest: Rest) -> dict[str, float]:
    # a sample speaks of what was before it arrived, and may arrive a little late
    units: Mapping[str, Any] = {}
    for sample in host.samples:
        if rest.began_s <= sample.at_s <= rest.ended_s + 0.5:
            units = sample.values.get("units") or units
    return {name: float(unit["anonymous_mib"]) for name, unit in units.items() if unit.get("anonymous_mib") is not None}

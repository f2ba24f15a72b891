"""Running the fill test: limits lifted or not, every driver at once, each unit's memory watched."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer import transport
from deployer.access import login_of
from deployer.deploy import desired
from deployer.errors import UsageError
from deployer.fill import failures
from deployer.fill.drive import drive, timed_units
from deployer.fill.visit import Seen
from deployer.inventory import Entry
from deployer.render import Rendered
from deployer.sandbox import SandboxHost
from deployer.verify import AgentSampler

INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one taker of the ledger needed.

    Attributes:
        taker: Its name.
        predicted_mib: Its MemoryMax, for all its units.
        peak_mib: The most that its units needed at once: anonymous and shared memory, MiB.
        sockets_mib: Part of the prediction that is the kernel's memory for sockets, which the peak does not count.
        failures: Processes that the kernel killed in its units, or times that it found nothing left for them.
        restarts: Times that one of its units was started again.
    """

    taker: str
    predicted_mib: int
    peak_mib: float
    sockets_mib: float = 0.0
    failures: int = 0
    restarts: int = 0

    def ratio_to(self, peak_mib: float) -> float:
        """Give predicted over measured, the kernel's part left out."""
        return (self.predicted_mib - self.sockets_mib) / peak_mib if peak_mib else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a fill test showed.

    Attributes:
        taken: By taker.
        together_mib: The most that all needed at once.
        oom_kills: Processes that the kernel killed on the host, whatever they belonged to.
        visitors: What the slow readers saw, and those who had their page and stayed.
        eager: What those saw who asked for one page after the other.
        long_lived: What those with a WebSocket saw.
        uploads: What those who uploaded saw.
        said: What each driver said at its end.
    """

    taken: tuple[Taken, ...]
    together_mib: float
    oom_kills: int
    visitors: Seen
    eager: Seen
    long_lived: Seen
    uploads: Seen
    said: Mapping[str, str]


def fill(
    entry: Entry, host: SandboxHost, *, limits: bool, seconds: float, say: Callable[[str], None] = lambda _line: None
) -> Filled:
    """Drive every service of a deployed local VPS to its worst case.

    Args:
        entry: The host's inventory entry.
        host: The local VPS.
        limits: Keep every MemoryMax; else they are lifted meanwhile.
        seconds: How long all are at it together, s.
        say: Gets a line when something begins.

    Raises:
        UsageError: There is no app to visit.
        SandboxError: A driver failed.
    """
    rendered = desired(entry).rendered
    if not entry.host.apps:
        raise UsageError("a host without an app cannot be filled", where=f"hosts.{entry.name}.apps")
    units, timed = _units(rendered), timed_units(rendered)
    names = [unit for found in units.values() for unit in found]
    _set_limits(host, rendered, units, lifted=not limits)
    before = failures.counted(host, names)
    try:
        with (
            transport.connect(login_of(entry)) as remote,
            remote.agent() as agent,
            AgentSampler(agent, names, interval_s=INTERVAL_S) as sampler,
        ):
            driven = drive(entry, host, rendered, seconds, say)
            samples = sampler.finish()
            failed = failures.between(before, failures.counted(host, names))
    finally:
        _set_limits(host, rendered, units, lifted=False)
    peaks = dict.fromkeys(units, 0.0)
    together = 0.0
    for sample in samples.samples:
        used = {taker: _used_mib(sample.values["units"], found) for taker, found in units.items()}
        together = max(together, sum(used.values()))
        peaks = {taker: max(peaks[taker], mib) for taker, mib in used.items()}
    summary = samples.summary or {}
    restarts = {unit: int(one.get("restarts") or 0) for unit, one in dict(summary.get("units", {})).items()}
    return Filled(
        taken=tuple(
            Taken(
                taker=taker,
                predicted_mib=rendered.budget.grants[taker].memory_mib,
                peak_mib=peaks[taker],
                sockets_mib=sum(mib for name, mib in rendered.budget.claims[taker].parts.items() if "sockets" in name),
                failures=sum(failed.get(unit, 0) for unit in found),
                restarts=sum(restarts.get(unit, 0) for unit in found if unit not in timed),
            )
            for taker, found in units.items()
        ),
        together_mib=together,
        oom_kills=int(summary.get("oom_kills") or 0),
        visitors=driven.visitors,
        eager=driven.eager,
        long_lived=driven.long_lived,
        uploads=driven.uploads,
        said=driven.said,
    )


def _units(rendered: Rendered) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for unit in rendered.wanted.units:
        if unit.unit.endswith(".service"):
            found.setdefault(unit.taker, []).append(unit.unit)
    for name, taker in timed_units(rendered).items():
        found.setdefault(taker, []).append(name)
    return found


def _set_limits(host: SandboxHost, rendered: Rendered, units: Mapping[str, Sequence[str]], *, lifted: bool) -> None:
    for taker, names in units.items():
        limit = "infinity" if lifted else f"{rendered.budget.count(taker, 'MemoryMax')}M"
        host.sh("; ".join(f"systemctl set-property --runtime {shlex.quote(n)} MemoryMax={limit}" for n in names))
    whole = "infinity" if lifted else f"{rendered.budget.count('systemd', 'MemoryMax')}M"
    host.sh(f"systemctl set-property --runtime deployer.slice MemoryMax={whole}")


def _used_mib(sampled: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> float:
    return sum(float(sampled.get(name, {}).get("anonymous_mib") or 0.0) for name in names)

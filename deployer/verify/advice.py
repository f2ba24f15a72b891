"""What would lift the limit that a load test met, and by how much. Pure.

Each change is made to the declaration and the whole budget is worked out anew: one that does not fit is said not to.
Rates are scaled from what was measured, and are the most that the change can bring: something else may end first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from deployer.budget import HostBudget
from deployer.compare import Column, Size, compare, sizes_of
from deployer.declaration import Declaration
from deployer.verify.ceiling import link_ceiling_req_per_s
from deployer.verify.judge import CACHED, capacity_phase
from deployer.verify.measured import Measured
from deployer.verify.verdict import Advice, Capacity, Verdict
from deployer.verify.waitadvice import WaitAdviser

#: Sizes that are sold, the smaller first.
LADDER: Final = "1c1g,1c2g,2c2g,2c4g,4c4g,4c8g,8c16g,16c32g"


def advise(declaration: Declaration, budget: HostBudget, verdict: Verdict, app: str) -> tuple[Advice, ...]:
    """Find what would lift each page's limit.

    Args:
        declaration: The host as it was tested.
        budget: Its budget.
        verdict: What the test showed.
        app: The app whose pages these are.
    """
    adviser = _Adviser(declaration, budget, verdict, app)
    return tuple(one for capacity in verdict.capacity for one in adviser.of(capacity))


@dataclass(frozen=True)
class _Adviser:
    declaration: Declaration
    budget: HostBudget
    verdict: Verdict
    app: str

    def of(self, capacity: Capacity) -> Iterator[Advice]:
        """Advise on a page; nothing where the limit was none of the host's."""
        if capacity.binding == "host cpu":
            return self._more_cores(capacity)
        if capacity.binding == "host memory":
            return self._more_memory(capacity)
        if capacity.binding == "link":
            return self._wider_link(capacity)
        memory_mib = self.declaration.hardware.memory_mib
        waits = WaitAdviser(
            self.declaration,
            self.budget,
            self.verdict,
            self.app,
            lambda: self._first_larger(lambda size: size.memory_mib > memory_mib),
        )
        return waits.of(capacity)

    def _more_cores(self, capacity: Capacity) -> Iterator[Advice]:
        cores = self.declaration.hardware.cpu_cores
        larger = self._first_larger(lambda size: size.cpu_cores > cores)
        if larger is None or larger.budget is None:
            return
        more = larger.size.cpu_cores
        filled = "its one core" if cores == 1 else f"its {cores} cores"
        yield Advice(
            path=capacity.path,
            change=f"a VPS of {larger.size.name}",
            req_per_s=capacity.req_per_s * more / cores,
            because=f"{capacity.req_per_s:.0f} requests/s filled {filled}, that one has {more}"
            + ("" if capacity.cached else self._workers_then(larger.budget)),
        )

    def _more_memory(self, capacity: Capacity) -> Iterator[Advice]:
        memory_mib = self.declaration.hardware.memory_mib
        larger = self._first_larger(lambda size: size.memory_mib > memory_mib)
        if larger is not None and larger.binds is not None:
            resource, visitors = larger.binds
            because = f"its budget carries {visitors} visitors, ended by {resource}"
            yield Advice(path=capacity.path, change=f"a VPS of {larger.size.name}", req_per_s=None, because=because)

    def _wider_link(self, capacity: Capacity) -> Iterator[Advice]:
        phase, link = self._phase(capacity), self.verdict.target.bandwidth_mbit_per_s
        ceiling = None if phase is None else link_ceiling_req_per_s(phase, self.verdict.target)
        if phase is None or ceiling is None or link is None:
            return
        wire_bytes = link * 1e6 / 8 / ceiling
        yield Advice(
            path=capacity.path,
            change=f"a link of {2 * link:g} Mbit/s, or answers of half as many bytes",
            req_per_s=2 * ceiling,
            because=f"an answer takes {wire_bytes:.0f} bytes of the link, which carries {ceiling:.0f} of them a second",
        )

    def _first_larger(self, wanted: Callable[[Size], bool]) -> Column | None:
        """Give the smallest size that is less in nothing, is as wanted, and that the host's mix fits."""
        hardware = self.declaration.hardware
        for size in sizes_of(LADDER):
            if size.cpu_cores >= hardware.cpu_cores and size.memory_mib >= hardware.memory_mib and wanted(size):
                [column] = compare(self.declaration, (size,))
                if column.budget is not None:
                    return column
        return None

    def _workers_then(self, larger: HostBudget) -> str:
        """Say how many workers there are then; a pinned number may not use the cores."""
        before, after = (one.numbers.get(self.app, {}).get("workers") for one in (self.budget, larger))
        if before is None or after is None:
            return ""
        return f"; {after.value} workers of {self.app} instead of {before.value}"

    def _phase(self, capacity: Capacity) -> Measured | None:
        name = CACHED if capacity.cached else capacity_phase(capacity.path)
        return next((phase for phase in self.verdict.phases if phase.name == name), None)

"""What would shorten what requests waited for, and by how much; or that no setting and no larger host would. Pure.

What stands in the inventory is changed there and the whole budget worked out anew, so what does not fit is said not to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final

from deployer.allocate import allocate
from deployer.budget import HostBudget
from deployer.compare import Column
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.verify.bottleneck import HOST_FULL_SHARE
from deployer.verify.judge import capacity_phase, open_phase
from deployer.verify.measured import Measured
from deployer.verify.verdict import Advice, Capacity, Verdict
from deployer.verify.waits import Waits

#: What each database keeps its pages in, by service and the number of its budget.
_PAGES: Final = {"mysql": "innodb_buffer_pool_size", "postgresql": "shared_buffers"}
#: Of the pages that a database wanted, so many not in its memory, and more memory would help.
_MISSED_PAGES_SHARE: Final = 0.01


@dataclass(frozen=True, slots=True)
class WaitAdviser:
    """Advice on uncached pages that waited.

    Attributes:
        declaration: The host as it was tested.
        budget: Its budget.
        verdict: What the test showed.
        app: The app whose pages these are.
        larger: Gives the next size that has more memory and that the host's mix fits.
    """

    declaration: Declaration
    budget: HostBudget
    verdict: Verdict
    app: str
    larger: Callable[[], Column | None]

    def of(self, capacity: Capacity) -> Iterator[Advice]:
        """Advise on a page; nothing where it is not known what was waited for."""
        phase = next((one for one in self.verdict.phases if one.name == capacity_phase(capacity.path)), None)
        if phase is None or capacity.cached:
            return
        if capacity.binding == "pool":
            yield from self._places(capacity, phase, "pool_size" if self._waits(phase).pool() else "threads")
        elif capacity.binding == "slow outside service":
            yield from self._outside(capacity, phase)
        elif capacity.binding in ("slow database", "disk"):
            yield from self._database(capacity, phase)
        elif capacity.binding == "lock":
            yield Advice(
                path=capacity.path,
                change=f"shorter transactions in {self.app}: no setting and no larger VPS shortens a wait for a lock",
                req_per_s=None,
                because=capacity.evidence,
            )
        elif capacity.binding == "limit":
            yield from self._limit(capacity, phase)

    def _waits(self, phase: Measured) -> Waits:
        # by its name: the cached page of a whole test may have the same path, and is asked for at rates of its own
        relaxed = next((one for one in self.verdict.phases if one.name == open_phase(phase.path)), None)
        return Waits(phase, self.verdict.host, self.verdict.target, relaxed)

    def _places(self, capacity: Capacity, phase: Measured, name: str) -> Iterator[Advice]:
        """Let more requests be in progress, as far as processor and memory go."""
        runner = self.declaration.apps[self.app].runners[0]
        form = self.declaration.apps[self.app].run_by(runner)
        now, processes = self._number(name), self._number("workers") or 1
        busy = self.verdict.host.during(phase, "cpu_busy_share")
        if form is None or busy is None or not now or name not in type(form).model_fields:
            return
        # a processor that was idle sets no end: then those who asked do
        as_cpu_allows = HOST_FULL_SHARE / max(busy, 0.01)
        wanted = ceil(now * min(as_cpu_allows, capacity.connections / (now * processes)))
        if wanted <= now:
            return
        most = self._most_that_fits(runner, name, now, wanted)
        too_many = "" if most == wanted else f"; {self.declaration.hardware.memory_mib} MiB have no room for {wanted}"
        because = (
            f"{now * processes} could be in progress, {capacity.connections} were asked for, "
            f"and the host's CPU was {busy:.0%} busy{too_many}"
        )
        if most > now:
            gain = capacity.req_per_s * most / now
            yield Advice(
                path=capacity.path, change=f"apps.{self.app}.{runner}.{name}: {most}", req_per_s=gain, because=because
            )
            return
        larger = self.larger()
        if larger is not None:
            yield Advice(path=capacity.path, change=f"a VPS of {larger.size.name}", req_per_s=None, because=because)

    def _outside(self, capacity: Capacity, phase: Measured) -> Iterator[Advice]:
        """Say what helps against an answer that another host owes; more places for those who wait, if they are few."""
        at_once = self.verdict.target.limits.at_once
        if at_once and at_once < capacity.connections:
            yield from self._places(capacity, phase, "threads")
        yield Advice(
            path=capacity.path,
            change=f"answer at once and call the service in apps.{self.app}.background, or keep what it said",
            req_per_s=None,
            because=f"{capacity.evidence}; a larger VPS would serve nobody sooner",
        )

    def _database(self, capacity: Capacity, phase: Measured) -> Iterator[Advice]:
        """Advise more memory for pages that were read from the disk; what is slow in memory is the statements' own."""
        server = self.verdict.target.limits.database
        reads, asked = (
            self.verdict.host.rise(phase, "servers", server, name) for name in ("pool_reads", "pool_read_requests")
        )
        missed = reads / asked if reads and asked else 0.0
        if missed < _MISSED_PAGES_SHARE and capacity.binding == "slow database":
            yield Advice(
                path=capacity.path,
                change=f"the statements of {self.app}: indexes, and fewer or shorter ones",
                req_per_s=None,
                because=f"{capacity.evidence}; what they read was in memory, so a larger VPS would not shorten them",
            )
            return
        larger = self.larger()
        service = "postgresql" if server == "postgresql" else "mysql"
        if larger is None or larger.budget is None or service not in self.budget.numbers:
            return
        now, then = (one.numbers.get(service, {}).get(_PAGES[service]) for one in (self.budget, larger.budget))
        if now is not None and then is not None:
            yield Advice(
                path=capacity.path,
                change=f"a VPS of {larger.size.name}",
                req_per_s=None,
                because=f"{missed:.0%} of the pages were read from the disk; {_PAGES[service]} is {now.value} "
                f"{now.unit} here and {then.value} {then.unit} there",
            )

    def _limit(self, capacity: Capacity, phase: Measured) -> Iterator[Advice]:
        """Name the number that sent visitors away."""
        if phase.first_errors.get("status") == "status 429":
            now = self.budget.numbers.get("nginx", {}).get("requests_per_s")
            if now is not None:
                yield Advice(
                    path=capacity.path,
                    change="load_from: the addresses that the load comes from, which have no limit",
                    req_per_s=None,
                    because=f"one address may ask {now.value} times a second (services.nginx.requests_per_s)",
                )

    def _number(self, name: str) -> int:
        found = self.budget.numbers.get(self.app, {}).get(name)
        return 0 if found is None else int(found.value)

    def _most_that_fits(self, runner: str, name: str, now: int, wanted: int) -> int:
        """Find the largest number up to the wanted one that the whole host's budget has room for."""
        if self._fits(runner, name, wanted):
            return wanted
        low, high = now, wanted
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._fits(runner, name, middle) else (low, middle)
        return low

    def _fits(self, runner: str, name: str, number: int) -> bool:
        app = self.declaration.apps[self.app]
        form = app.run_by(runner)
        if form is None:
            return False
        changed = app.model_copy(update={runner: form.model_copy(update={name: number})})
        try:
            allocate(self.declaration.model_copy(update={"apps": {**self.declaration.apps, self.app: changed}}))
        except BudgetError:
            return False
        return True

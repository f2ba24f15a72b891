"""Who asks a host for pages during a calibration, and who looks at it meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from deployer.calibration.observed import Load, Usage
from deployer.errors import Inconclusive
from deployer.measured import PageKind
from deployer.transport import Agent
from deployer.verify.generator import generate
from deployer.verify.measured import Measured
from deployer.verify.target import VerifyTarget

#: A host that says nothing for so long while it is loaded may suffer: the load ends, s.
SILENCE_S = 3.0
#: Less memory than this share ends a load.
LEAST_AVAILABLE_SHARE = 0.05
OPENED_PER_S = 250

Say = Callable[[str, str], None]


@dataclass(frozen=True)
class Bursts:
    """Who asks, and who looks.

    Attributes:
        agent: The agent on the host.
        target: The site.
        units: Units that are looked at.
        cores: Cores of the host.
        cpus: Cores of this machine for the generator; none: anywhere.
        say: Gets what is done, and what came of it.
    """

    agent: Agent = field(repr=False)
    target: VerifyTarget
    units: tuple[str, ...]
    cores: int
    cpus: tuple[int, ...] = ()
    say: Say = field(repr=False, default=lambda _what, _message: None)

    @contextmanager
    def awake(self) -> Iterator[bool]:
        """Keep the host's processors awake meanwhile, as they are under full load; what that takes is not counted.

        Yields:
            Whether all of them are; else a light load shows a request dearer than it is.
        """
        told = self.agent.call({"op": "awake", "on": True}, timeout_s=30)
        yield int(told["cores"]) >= self.cores
        # where this is not reached it ends with the agent
        self.agent.call({"op": "awake", "on": False}, timeout_s=30)

    def look(self, *, database: bool = False) -> Usage:
        """Look at the host once; asking the database costs it a process."""
        return Usage.of(self.agent.call({"op": "usage", "units": list(self.units), "database": database}, timeout_s=30))

    def load(self, path: str, kind: PageKind, *, gentle: bool = False, **job: Any) -> Load:
        """Ask for a page between two looks.

        Args:
            path: The page.
            kind: Whether it may come from the cache.
            gentle: An answer that is an error ends the calibration.
            job: Mode, connections, rate and duration, as the generator takes them.

        Raises:
            Inconclusive: Of a gentle load not every answer was good, or the host ran out of memory.
        """
        before = self.look()
        measured = self._generate(path, kind, job, gentle=gentle)
        if gentle and (measured.error_count or not measured.done):
            first = ", ".join(measured.first_errors.values()) or "no answer"
            raise Inconclusive(f"{path} answers with errors under a light load: {first}", where=path)
        kib = measured.bytes_per_answer / 1024
        return Load(before, self.look(), measured.done, measured.req_per_s, kib, measured.p50_ms or 0.0)

    def _generate(self, path: str, kind: PageKind, job: Mapping[str, Any], *, gentle: bool) -> Measured:
        headers = self.target.uncached_headers if kind == "uncached" else {}
        whole = self.target.job(path=path, headers=headers, opened_per_s=OPENED_PER_S, timeout_s=10.0, **job)
        low = ""

        def watch(second: Mapping[str, Any]) -> str:
            nonlocal low
            if gentle and second["errors"]:
                return "errors"
            seen = self.agent.call({"op": "usage"}, timeout_s=SILENCE_S)
            if seen["memory_available_mib"] < LEAST_AVAILABLE_SHARE * seen["memory_total_mib"]:
                low = f"only {seen['memory_available_mib']:.0f} MiB of the host's memory are left"
            return low

        measured = generate(f"{kind} {path}", whole, cpus=self.cpus, progress=watch)
        if low:
            raise Inconclusive(f"ended, as {low}", where=path)
        return measured

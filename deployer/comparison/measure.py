"""One contender, measured once: the same phases for all, by the project's own generator."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from deployer import sandbox, transport
from deployer.access import login_of
from deployer.comparison.contenders import Contender, Field
from deployer.comparison.ground import Ground
from deployer.comparison.processor import each_ms, processor_s
from deployer.fill.drive import ON_HOST
from deployer.sandbox import SandboxError, SandboxHost
from deployer.verify import AgentSampler, Measured
from deployer.verify.generator import generate

INTERVAL_S: Final = 0.25
WARMUP_S: Final = 2.0
#: Making the rows that fill a buffer pool takes as long as it takes, at most so many seconds.
FILLING_S: Final = 600


@dataclass(frozen=True, slots=True)
class Pace:
    """How long each part takes.

    Attributes:
        hold_s: The connections are held, s.
        load_s: Each of the other loads, s.
        worst_s: The database is at its worst, s; 0 leaves that out.
    """

    hold_s: float = 30.0
    load_s: float = 10.0
    worst_s: float = 60.0

    @classmethod
    def of(cls, hold_s: float) -> Pace:
        """Derive all from how long the connections are held."""
        return cls(hold_s=hold_s, load_s=max(1.0, hold_s / 3), worst_s=max(5.0, hold_s * 2))


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run of one contender showed.

    Attributes:
        phases: What the generator measured: ``held``, ``cached``, ``uncached``, ``steady``, ``worst``.
        memory_mib: Anonymous and shared memory of each unit at its peak, before the worst; ``together`` at once.
        worst_mib: The same with the worst.
        oom_kills: Processes that the kernel killed for want of memory, the worst included; None: not known.
        kills_before: Of those, before the worst.
        restarts: Units that were started again.
        processor_ms: What each part takes of the processor for an uncached page, ms.
        cpus: Processors of this machine that the host was pinned to.
        said: What came of the worst, in words.
    """

    phases: Mapping[str, Measured]
    memory_mib: Mapping[str, float]
    worst_mib: Mapping[str, float]
    oom_kills: int | None
    kills_before: int | None
    restarts: int | None
    processor_ms: Mapping[str, float]
    cpus: tuple[int, ...]
    said: str = ""


def measure(field: Field, contender: Contender, pace: Pace) -> Figures:
    """Start a contender's host, put it under load, and take it away.

    Args:
        field: All who take part.
        contender: Who is measured.
        pace: How long each part takes.

    Raises:
        SandboxError: It does not come up.
        Inconclusive: The generator could not run.
    """
    ground = field.ground
    with ground.host(contender.snapshot) as host:
        ground.await_service()
        with transport.connect(login_of(ground.entry)) as remote, remote.agent() as agent:
            sampler = AgentSampler(agent, list(contender.units.values()), interval_s=INTERVAL_S, host_cpus=host.cpus)
            with sampler:
                phases, processor_ms = _loads(ground, host, contender, pace, field.rate_per_s)
                before_s, said = time.monotonic(), ""
                if pace.worst_s:
                    phases["worst"], said = _worst(ground, host, pace)
                samples = sampler.finish()
    before = [each.values for each in samples.samples if each.at_s <= before_s]
    return Figures(
        phases=phases,
        memory_mib=peaks_mib(before, contender.units),
        worst_mib=peaks_mib([each.values for each in samples.samples], contender.units),
        oom_kills=samples.oom_kills,
        kills_before=before[-1].get("oom_kills") if before else None,
        restarts=samples.restarts,
        processor_ms=processor_ms,
        cpus=host.cpus,
        said=said,
    )


def peaks_mib(samples: Sequence[Mapping[str, Any]], units: Mapping[str, str]) -> dict[str, float]:
    """Give each part's most anonymous and shared memory, and the most of all at the same time, MiB."""
    peaks = dict.fromkeys([*units, "together"], 0.0)
    for sample in samples:
        used = {part: float(sample["units"].get(name, {}).get("anonymous_mib") or 0.0) for part, name in units.items()}
        used["together"] = sum(used.values())
        peaks = {part: max(most, used[part]) for part, most in peaks.items()}
    return peaks


def _loads(
    ground: Ground, host: SandboxHost, contender: Contender, pace: Pace, rate_per_s: float
) -> tuple[dict[str, Measured], dict[str, float]]:
    """Put all loads but the worst on it; gives them by name, and the processor that an uncached page takes, ms."""
    target, phases = ground.target, ground.entry.host.slo.phases
    cpus = sandbox.generator_cpus(host)
    uncached = {"path": target.uncached_paths[0], "headers": target.uncached_headers}
    many, few = target.connections, phases.capacity_connections

    def load(name: str, **job: Any) -> Measured:
        ground.say(f"{name}: {job['connections']} connections for {job['duration_s']:g} s")
        whole = target.job(opened_per_s=phases.opened_per_s, timeout_s=phases.timeout_s, **job)
        return generate(name, whole, cpus=cpus)

    for path, headers in ((target.cached_path, {}), (uncached["path"], target.uncached_headers)):
        load("warm-up", path=path, headers=headers, mode="closed", connections=8, duration_s=WARMUP_S)
    cached = {"path": target.cached_path, "connections": many}
    found = {
        "held": load("held", **cached, mode="hold", duration_s=pace.hold_s, request_every_s=phases.request_every_s),
        "cached": load("cached", **cached, mode="closed", duration_s=pace.load_s),
    }
    before_s = processor_s(host, contender.units)
    found["uncached"] = load("uncached", **uncached, mode="closed", connections=few, duration_s=pace.load_s)
    processor_ms = each_ms(before_s, processor_s(host, contender.units), found["uncached"].done)
    open_load = {"mode": "open", "rate_per_s": rate_per_s, "connections": 8 * few, "duration_s": pace.load_s}
    found["steady"] = load("steady", **uncached, **open_load)
    return found, processor_ms


def _worst(ground: Ground, host: SandboxHost, pace: Pace) -> tuple[Measured, str]:
    """Fill the buffer pool of this host, and let every connection that it allows sort, while visitors are held."""
    pool_mib = int(host.sh("mariadb -NBe 'SELECT @@innodb_buffer_pool_size'")) >> 20
    driver = (ON_HOST / "mysql.py").read_text(encoding="utf-8")
    command = f"python3 -I - {pool_mib} {pace.worst_s:g} mariadb <<'END_OF_DRIVER'\n{driver}\nEND_OF_DRIVER"
    said: list[str] = []

    def drive() -> None:
        try:
            said.append(host.sh(command, timeout_s=FILLING_S + pace.worst_s).strip())
        except SandboxError as error:
            said.append(f"ended: {error.message.splitlines()[-1].strip()[:120]}")

    # a daemon: Ctrl-C takes the host away, and the driver's connection ends with it
    driving = threading.Thread(target=drive, name="worst", daemon=True)
    driving.start()
    target, phases = ground.target, ground.entry.host.slo.phases
    ground.say(f"worst: a pool of {pool_mib} MiB, every connection sorts, {target.connections} visitors")
    job = target.job(
        path=target.cached_path,
        mode="hold",
        connections=target.connections,
        duration_s=FILLING_S + pace.worst_s,
        request_every_s=phases.request_every_s,
        opened_per_s=phases.opened_per_s,
        timeout_s=phases.timeout_s,
    )

    def over(_second: Mapping[str, Any]) -> str:
        return "" if driving.is_alive() else "the worst is over"

    measured = generate("worst", job, cpus=sandbox.generator_cpus(host), progress=over)
    driving.join(timeout=1.0)
    return measured, "; ".join(said)

"""Who was the limit: generator, neighbour, link, the host's CPU or memory, or what requests waited for. Pure."""

from __future__ import annotations

from typing import Final

from deployer.verify.ceiling import link_ceiling_req_per_s
from deployer.verify.defaults import sound
from deployer.verify.measured import HostSamples, Measured
from deployer.verify.target import VerifyTarget
from deployer.verify.waits import Bottleneck, Waits

#: An open model's generator may be late by what ``defaults.SOUND`` says, or by this share of the limit that it judges.
LATE_LIMIT_SHARE: Final = 0.05
HOST_FULL_SHARE: Final = 0.90
#: Errors that are the generator's own.
GENERATOR_ERRORS: Final = frozenset({"generator_sockets", "dropped"})


def of_closed(phase: Measured, host: HostSamples, target: VerifyTarget, relaxed: Measured | None = None) -> Bottleneck:
    """Say what ended a closed phase where it did.

    A limit that sends visitors away counts first: they were not served. Then what is seen to wait for another host or
    for a lock: no processor could make that shorter. What a full processor, a neighbour or the link may be the cause of
    is believed only when they are not.

    Args:
        phase: What was measured.
        host: What was seen on the host.
        target: What was under load.
        relaxed: The same page with less to do, where that was measured.
    """
    waits = Waits(phase, host, target, relaxed)
    limit = waits.limit()
    if limit is not None:
        return limit
    busy, taken = host.during(phase, "cpu_busy_share"), neighbour(phase, host)
    ceiling = link_ceiling_req_per_s(phase, target)
    memory = host.during(phase, "memory_share")
    is_full = busy is not None and busy >= HOST_FULL_SHARE
    waited_for = None if is_full else waits.elsewhere()
    if waited_for is not None:
        return waited_for
    if taken:
        return Bottleneck(resource="neighbour", evidence=taken)
    if is_full:
        return Bottleneck(resource="host cpu", evidence=f"the host's CPU was {busy:.0%} busy")
    if ceiling is not None and not sound("net.util").holds(phase.req_per_s / ceiling):
        return Bottleneck(resource="link", evidence=f"the link carries {ceiling:.0f} such answers a second")
    if starved(phase):
        return Bottleneck(resource="generator", evidence=generator_load(phase))
    if memory is not None and memory >= 0.95:
        return Bottleneck(resource="host memory", evidence=f"{memory:.0%} of the host's memory was in use")
    waited_for = waits.here()
    if waited_for is not None:
        return waited_for
    seen = "not known" if busy is None else f"{busy:.0%} busy"
    evidence = f"no CPU was full, so a limit, a pool or another service was: the host's was {seen}"
    return Bottleneck(resource="waiting for something else", evidence=f"{evidence}, {generator_load(phase)}")


def generator_doubt(phase: Measured, limit_ms: float) -> str:
    """Say why the generator's own state makes a latency doubtful; nothing when it does not.

    Args:
        phase: What was measured.
        limit_ms: The latency that is judged, ms.
    """
    own = {kind: count for kind, count in phase.errors.items() if kind in GENERATOR_ERRORS}
    if not sound("gen.errors").holds(sum(own.values())):
        return f"the generator failed by itself ({', '.join(own)})"
    allowed_ms = max(sound("gen.late.p99").value, LATE_LIMIT_SHARE * limit_ms)
    if phase.mode != "closed" and phase.late_p99_ms is not None and phase.late_p99_ms > allowed_ms:
        return f"the generator was late by {phase.late_p99_ms:.0f} ms (P99; {allowed_ms:.0f} ms would do)"
    return ""


def neighbour(phase: Measured, host: HostSamples) -> str:
    """Say that others took the host's processors from it; then a miss may be theirs."""
    steal, others = host.during(phase, "cpu_steal_share"), host.during(phase, "cpu_neighbour_share")
    if steal is not None and not sound("host.steal").holds(steal):
        return f"the hypervisor took {steal:.0%} of the host's CPU"
    # the kernel's own work for the host (interrupts of its link) is some percent of this too
    if others is not None and not sound("host.neighbour").holds(others):
        return f"other work on this machine took {others:.0%} of the processors that the local VPS runs on"
    return ""


def starved(phase: Measured) -> str:
    """Say that the generator had no core to itself or filled it; then a miss may be its own."""
    return "" if sound("gen.cpu").holds(wants(phase)) else generator_load(phase)


def generator_load(phase: Measured) -> str:
    """Say how busy the generator was."""
    waited = phase.cpu_wait_share or 0.0
    text = f"the generator used {phase.cpu_share:.0%} of its core"
    return text + (f" and waited for it {waited:.0%} of the time" if waited >= 0.05 else "")


def wants(phase: Measured) -> float:
    """Give the share of its core that the busiest generator used or waited for."""
    return phase.cpu_share + (phase.cpu_wait_share or 0.0)

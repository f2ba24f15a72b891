"""The task that holds the load generator against wrk, its own bounds and a server that stands still."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from typing import Any, Final

from invoke.context import Context

from deployer.binaries.generators import wrk
from deployer.binaries.onepage import MARK, OnePage, one_page
from deployer.errors import UsageError
from deployer.report.benchmark import Row
from deployer.report.terminal import Steps
from deployer.sandbox import debian_tree
from deployer.tasks.bench import publish
from deployer.tasks.shell import task
from deployer.verify import Measured
from deployer.verify.generator import generate

CONNECTIONS: Final = 1000
SATURATED_S: Final = 8
OPEN_REQ_PER_S: Final = 5000.0
OPEN_S: Final = 20.0
STALLED_REQ_PER_S: Final = 1000.0
STALLED_S: Final = 20.0
#: What is to be reached.
LEAST_SHARE_OF_WRK: Final = 0.6
MOST_LATE_MS: Final = 5.0
MOST_CPU_PERCENT: Final = 25.0
MOST_MEMORY_MB: Final = 40.0
STALLED_P95_MS: Final = 500.0
STALLED_P99_MS: Final = 900.0
TOLERANCE: Final = 0.05
_MB_PER_MIB: Final = 1.048576


@task
def generator(_context: Context, *, runs: int = 3, write: bool = False) -> int:
    """Hold the load generator against wrk, its own bounds and a server that stands still; a minute for each run."""
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise UsageError("the generator and the server need a processor each, and this machine has one")
    found: dict[str, list[float]] = {}
    with Steps() as steps, debian_tree("bookworm", steps.say) as tree, one_page(tree, cpu=cpus[0]) as server:
        for number in range(1, runs + 1):
            steps.step("generator", f"run {number} of {runs}")
            for name, value in _measured(server, cpus[-1]).items():
                found.setdefault(name, []).append(value)
    about = (
        f"machine: {os.cpu_count()} processors, Linux {platform.release().partition('-')[0]}; nginx with one worker "
        f"and a page of 1 KiB on one of them, the generator on another; {CONNECTIONS} connections; bodies are checked."
    )
    return publish("bench.generator", about, _rows(found), write=write)


def _measured(server: OnePage, cpu: int) -> dict[str, float]:
    """Measure everything once."""
    theirs = wrk(f"http://127.0.0.1:{server.port}/", connections=CONNECTIONS, duration_s=SATURATED_S, cpu=cpu)
    ours = _load(server, cpu, mode="closed", duration_s=float(SATURATED_S))
    steady = _load(server, cpu, mode="open", rate_per_s=OPEN_REQ_PER_S, duration_s=OPEN_S)
    with server.freezing(for_s=1.0, every_s=10.0):
        stalled = _load(server, cpu, mode="open", rate_per_s=STALLED_REQ_PER_S, duration_s=STALLED_S)
    per_cpu_s = ours.req_per_s / max(ours.cpu_share, 1e-6)
    return {
        "theirs": theirs.req_per_cpu_s,
        "ours": per_cpu_s,
        "share": per_cpu_s / theirs.req_per_cpu_s,
        "rate": steady.req_per_s,
        "errors": float(ours.error_count + steady.error_count + stalled.error_count),
        "late": steady.late_p99_ms or 0.0,
        "cpu": steady.cpu_share * 100,
        "memory": steady.rss_mib * _MB_PER_MIB,
        "waited": (steady.cpu_wait_share or 0.0) * 100,
        "p95": stalled.p95_ms or 0.0,
        "p99": stalled.p99_ms or 0.0,
    }


def _load(server: OnePage, cpu: int, **job: Any) -> Measured:
    whole = {"address": "127.0.0.1", "port": server.port, "path": "/", "connections": CONNECTIONS, **job}
    return generate(job["mode"], {"opened_per_s": 2000, "expect": {"body": MARK}, **whole}, cpus=[cpu])


def _rows(found: dict[str, list[float]]) -> list[Row]:
    at_rate = f"{OPEN_REQ_PER_S:.0f} requests/s, open"
    stall = f"frozen 1 s in 10, {STALLED_REQ_PER_S:.0f} requests/s, open"

    def row(
        key: str, name: str, unit: str, bound: str = "", keeps: Callable[[float], bool] | None = None, **how: Any
    ) -> Row:
        values: Sequence[float] = found[key]
        missed = sum(not keeps(value) for value in values) if keeps else 0
        return Row(name=name, unit=unit, runs=tuple(values), wanted=bound, missed=missed, **how)

    def near(wanted_ms: float) -> Callable[[float], bool]:
        return lambda value: abs(value - wanted_ms) <= TOLERANCE * wanted_ms

    return [
        row("theirs", "wrk, saturated", "requests / CPU s"),
        row("ours", "ours, saturated", "requests / CPU s"),
        row("share", "ours / wrk", "", f">= {LEAST_SHARE_OF_WRK:g}", lambda v: v >= LEAST_SHARE_OF_WRK, decimals=2),
        row("errors", "errors of all", "", "0", lambda v: v == 0),
        row(
            "rate",
            f"{at_rate}: answered",
            "requests/s",
            f">= {OPEN_REQ_PER_S * 0.99:.0f}",
            lambda v: v >= OPEN_REQ_PER_S * 0.99,
        ),
        row(
            "late",
            f"{at_rate}: own lateness, P99",
            "ms",
            f"< {MOST_LATE_MS:g} ms",
            lambda v: v < MOST_LATE_MS,
            decimals=2,
        ),
        row(
            "cpu",
            f"{at_rate}: own processor",
            "% of a core",
            f"< {MOST_CPU_PERCENT:g} %",
            lambda v: v < MOST_CPU_PERCENT,
            decimals=1,
        ),
        row(
            "memory",
            f"{at_rate}: own memory",
            "MB",
            f"< {MOST_MEMORY_MB:g} MB",
            lambda v: v < MOST_MEMORY_MB,
            decimals=1,
        ),
        row("waited", f"{at_rate}: waited for a processor", "% of the time", decimals=1),
        row("p95", f"{stall}: P95", "ms", f"{STALLED_P95_MS:g} ms +- 5 %", near(STALLED_P95_MS)),
        row("p99", f"{stall}: P99", "ms", f"{STALLED_P99_MS:g} ms +- 5 %", near(STALLED_P99_MS)),
    ]

"""What contenders measured, made up."""

from __future__ import annotations

from deployer.comparison.measure import Figures
from deployer.verify.measured import Measured

LOADS = ("held", "cached", "uncached", "steady", "worst")


def phase(name="cached", **over):
    base = {
        "name": name,
        "path": "/",
        "mode": "closed",
        "duration_s": 3.0,
        "planned": 3000,
        "done": 3000,
        "req_per_s": 1000.0,
        "errors": {},
        "first_errors": {},
        "connections_wanted": 1000,
        "established": 1000,
        "alive_min": 1000,
        "reopened": 0,
        "p50_ms": 10.0,
        "p95_ms": 20.0,
        "p99_ms": 30.0,
        "max_ms": 40.0,
        "service_p95_ms": 20.0,
        "late_p99_ms": None,
        "cpu_share": 0.3,
        "cpu_wait_share": None,
        "rss_mib": 20.0,
        "bytes_per_answer": 3000.0,
        "cache": {},
        "tls": "TLSv1.3",
        "stopped": False,
        "rate_per_s": None,
        "began_s": 0.0,
        "seconds": (),
        "latency": {},
    }
    return Measured(**(base | over))


def run(kills=0, memory_mib=300.0, app_ms=1.0, cpus=(1,), **phases):
    """One run; `cached={"req_per_s": 2000.0}` changes a load."""
    memory = {"nginx": 20.0, "app": 60.0, "database": memory_mib - 80.0, "together": memory_mib}
    return Figures(
        phases={name: phase(name, **phases.get(name, {})) for name in LOADS},
        memory_mib=memory,
        worst_mib={part: mib * 2 for part, mib in memory.items()},
        oom_kills=kills,
        kills_before=0,
        restarts=kills,
        cpus=cpus,
        processor_ms={"nginx": 0.2, "app": app_ms, "database": 0.3},
    )

"""Made-up measurements for the pure parts."""

from __future__ import annotations

from deployer.slo import Slo
from deployer.verify import HostSamples, Measured, Timed, VerifyTarget

SLO = Slo(cached_req_per_s=5000, uncached_paths=("/post",))
TARGET = VerifyTarget.of(SLO, address="127.0.0.1", server_name="blog.example")

SUMMARY = {
    "memory_peak_share": 0.61,
    "memory_peak_mib": 620.0,
    "memory_total_mib": 1024.0,
    "oom_kills": 0,
    "restarts": 0,
    "listen_overflows": 0,
    "units": {"nginx.service": {"peak_mib": 20.0, "limit_mib": 64.0, "oom_kills": 0, "restarts": 0}},
}


def measured(name, **over):
    mode = {"hold": "hold", "cached": "closed"}.get(name, "open" if name.startswith("open") else "closed")
    values = {
        "name": name,
        "path": "/",
        "mode": mode,
        "duration_s": 6.0,
        "planned": 60_000,
        "done": 60_000,
        "req_per_s": 10_000.0,
        "errors": {},
        "first_errors": {},
        "connections_wanted": 1000,
        "established": 1000,
        "alive_min": 1000,
        "reopened": 0,
        "p50_ms": 40.0,
        "p95_ms": 100.0,
        "p99_ms": 120.0,
        "max_ms": 180.0,
        "service_p95_ms": 99.0,
        "late_p99_ms": None if mode == "closed" else 1.0,
        "cpu_share": 0.4,
        "cpu_wait_share": 0.01,
        "rss_mib": 40.0,
        "bytes_per_answer": 5000.0,
        "cache": {},
        "tls": "TLSv1.3",
        "stopped": False,
        "rate_per_s": 200.0 if mode == "open" else None,
        "began_s": 100.0,
        "seconds": (),
        "latency": {},
    }
    return Measured(**{**values, **over})


def all_phases(**over):
    """All phases as they should be; ``over`` replaces values of one by its name, with _ for anything but a letter."""
    names = ("hold", "cached", "capacity /post", "open /post")
    return [measured(name, **over.get(name.split(" ")[0], {})) for name in names]


def host(*, busy=0.97, summary=None, fault="", **values):
    seen = {"cpu_busy_share": busy, "cpu_steal_share": 0.0, "memory_share": 0.5, "oom_kills": 0, **values}
    samples = tuple(Timed(at_s=100.0 + second, values={"t_s": float(second), **seen}) for second in range(8))
    return HostSamples(samples=samples, summary=None if fault else {**SUMMARY, **(summary or {})}, fault=fault)

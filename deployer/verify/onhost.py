"""Lines about what was seen on the host: memory, OOM kills, restarts, and memory that does not come back. Pure."""

from __future__ import annotations

from deployer.verify.leak import ALLOWED_MIB, Kept, kept_by_units
from deployer.verify.lines import Evidence, decide
from deployer.verify.verdict import Line, Objective


def memory(seen: Evidence) -> Line:
    """Judge the most memory that was in use."""
    host, peak, limit = seen.host, seen.host.memory_peak_share, seen.slo.max_memory_share
    about = Objective("host memory, peak", "memory_peak_share", f"<= {limit:.0%}", limit)
    if peak is None:
        return about.line("inconclusive", why=host.fault or "not measured")
    good = peak <= limit
    # half a watch can show a miss, never that it was kept
    spoilt = (seen.partly or (host.fault or "not measured" if host.summary is None else "")) if good else ""
    outcome, why = decide(good=good, doubts=[], spoilt=spoilt)
    return about.line(outcome, f"{peak:.1%}", peak, why=why)


def oom(seen: Evidence) -> Line:
    """Judge whether anything was killed for want of memory."""
    host = seen.host
    sampled = max((int(each.values.get("oom_kills") or 0) for each in host.samples), default=0)
    kills = host.oom_kills if host.oom_kills is not None else (sampled or None)
    return _none_wanted("OOM kills", "oom_kills", kills, seen)


def restarts(seen: Evidence) -> Line:
    """Judge whether a service began anew."""
    return _none_wanted("service restarts", "restarts", seen.host.restarts, seen)


def _none_wanted(name: str, metric: str, number: int | None, seen: Evidence) -> Line:
    about, host = Objective(name, metric, "0", 0.0), seen.host
    if number is None:
        return about.line("inconclusive", why=host.fault or "this kernel does not say")
    if not number and seen.partly:
        return about.line("inconclusive", str(number), 0.0, why=seen.partly)
    units = (host.summary or {}).get("units", {})
    named = ", ".join(unit for unit, values in units.items() if values.get(metric))
    return about.line("missed" if number else "kept", str(number), float(number), why=named)


def leak(seen: Evidence) -> Line:
    """Judge by the unit that is nearest to what it may keep, or furthest beyond."""
    share, host, rests = seen.slo.leak_share, seen.host, seen.findings.rests
    wanted = f"<= {ALLOWED_MIB:.0f} MiB or {share:.0%} of its limit more"
    units = kept_by_units(host, *rests) if rests else ()
    if not units:
        about = Objective("memory back after the load", "leaked_mib", wanted, 0.0)
        return about.line("inconclusive", why=host.fault or "not measured")

    def used(unit: Kept) -> float:
        return unit.more_mib / unit.allowed_mib(share)

    worst = max(units, key=used)
    about = Objective("memory back after the load", "leaked_mib", wanted, worst.allowed_mib(share))
    good = used(worst) <= 1
    outcome, doubt = decide(good=good, doubts=[], spoilt=seen.partly if good else "")
    why = doubt or f"{worst.unit}: {worst.before_mib:.0f} MiB before, {worst.after_mib:.0f} MiB after"
    return about.line(outcome, f"{worst.more_mib:+.1f} MiB", worst.more_mib, why=why)

"""From what was measured to the verdict, line by line. Pure.

A line is kept or missed only where nobody but the host can have made it so. A doubt never turns a miss into
kept: at best into inconclusive. A figure that a doubt can only have made worse, and that is good all the same,
is kept: a full generator cannot make a server look faster than it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployer.slo import Slo
from deployer.verify.bottleneck import (
    GENERATOR_ERRORS,
    Bottleneck,
    generator_doubt,
    link_ceiling_req_per_s,
    neighbour,
    of_closed,
    starved,
)
from deployer.verify.measured import HostSamples, Measured
from deployer.verify.target import VerifyTarget
from deployer.verify.verdict import Capacity, Line, Objective, Outcome, Verdict

HOLD, CACHED = "hold", "cached"
#: More answers from the cache than this are no measurement of an uncached page.
CACHED_LIMIT_SHARE = 0.02


def capacity_phase(path: str) -> str:
    """Name the phase that measures what an uncached page can carry."""
    return f"capacity {path}"


def open_phase(path: str) -> str:
    """Name the phase that measures an uncached page's latency."""
    return f"open {path}"


def judge(
    phases: Sequence[Measured],
    host: HostSamples,
    target: VerifyTarget,
    slo: Slo,
    *,
    stopped: str = "",
    duration_s: float = 0.0,
) -> Verdict:
    """Judge a run.

    Args:
        phases: What was measured; a phase that was not run is missing.
        host: What was seen on the host.
        target: What was under load.
        slo: What it is held to.
        stopped: Why the load was ended early.
        duration_s: Of the whole run, s.
    """
    found = {phase.name: phase for phase in phases}
    lines = [_held(found.get(HOLD), host, target, slo), *_cached(found.get(CACHED), host, target, slo)]
    for path in target.uncached_paths:
        lines += _uncached(path, found, host, target, slo)
    partly = _partly(found, target, stopped)
    lines += [_errors(found, host, partly), _memory(host, slo, partly), _oom(host, partly), _restarts(host, partly)]
    return Verdict(
        lines=tuple(lines),
        capacity=tuple(_capacities(found, host, target)),
        phases=tuple(phases),
        host=host,
        target=target,
        stopped=stopped,
        notes=tuple(_notes(phases, host, target)),
        duration_s=duration_s,
    )


def _partly(found: Mapping[str, Measured], target: VerifyTarget, stopped: str) -> str:
    """Say why a whole run's figure was not put to the test, though it be good; nothing when all phases went through."""
    wanted = [HOLD, CACHED, *(name(path) for path in target.uncached_paths for name in (capacity_phase, open_phase))]
    missing = [name for name in wanted if name not in found]
    if stopped or any(phase.stopped for phase in found.values()):
        return f"the load was ended early: {stopped}" if stopped else "the load was ended early"
    return f"not all was measured: {', '.join(missing)}" if missing else ""


def _held(phase: Measured | None, host: HostSamples, target: VerifyTarget, slo: Slo) -> Line:
    wanted = f"{target.connections} for {slo.phases.hold_s:g} s, {slo.held_errors} errors"
    about = Objective("connections held", "connections_held", wanted, float(target.connections))
    if phase is None:
        return about.line("inconclusive", why="not measured")
    held = min(phase.alive_min, phase.connections_wanted)
    good = held >= target.connections and phase.error_count <= slo.held_errors
    doubts = [generator_doubt(phase, float("inf")), starved(phase), _early(phase), neighbour(phase, host)]
    measured = f"{held}, {phase.error_count} errors"
    if _early(phase):
        good = False  # held for less than the time is not held
    outcome, why = _outcome(good=good, doubts=doubts)
    return about.line(outcome, measured, float(held), why=why or ("" if good else _kinds(phase)))


def _cached(phase: Measured | None, host: HostSamples, target: VerifyTarget, slo: Slo) -> list[Line]:
    about = f"cached {target.cached_path}"
    lines = [_latency(f"{about} P95, full load", "cached_p95_ms", phase, host, slo.cached_p95_ms)]
    if slo.cached_req_per_s is not None:
        least = slo.cached_req_per_s
        rate = Objective(f"{about} throughput", "cached_req_per_s", f">= {least} req/s", float(least))
        lines.append(_rate(rate, phase, host, target))
    return lines


def _uncached(
    path: str, found: Mapping[str, Measured], host: HostSamples, target: VerifyTarget, slo: Slo
) -> list[Line]:
    about = f"uncached {path}"
    phase, capacity = found.get(open_phase(path)), found.get(capacity_phase(path))
    share = slo.phases.open_share
    at = f", {phase.rate_per_s:.0f} req/s" if phase is not None and phase.rate_per_s else ""
    name = f"{about} P95 at {share:.0%} of capacity{at}"
    cached = _from_cache(phase) or _from_cache(capacity)
    lines = [_latency(name, "uncached_p95_ms", phase, host, slo.uncached_p95_ms, spoilt=cached)]
    if slo.uncached_req_per_s is not None:
        least = slo.uncached_req_per_s
        rate = Objective(f"{about} throughput", "uncached_req_per_s", f">= {least} req/s", float(least))
        lines.append(_rate(rate, capacity, host, target, spoilt=cached))
    return lines


def _latency(
    name: str, metric: str, phase: Measured | None, host: HostSamples, limit_ms: float, *, spoilt: str = ""
) -> Line:
    about = Objective(name, metric, f"<= {limit_ms:g} ms", limit_ms)
    if phase is None:
        return about.line("inconclusive", why="not measured")
    if phase.p95_ms is None or not phase.done:
        # a host that gives no good answer at all has missed it; one that was not asked has not
        doubts = (_early(phase), generator_doubt(phase, limit_ms), starved(phase), neighbour(phase, host))
        asked = phase.planned and not any(doubts)
        return about.line("missed" if asked else "inconclusive", why=f"no good answer: {_kinds(phase)}")
    good = phase.p95_ms <= limit_ms
    spoilt = spoilt or generator_doubt(phase, limit_ms) or _early(phase)
    outcome, why = _outcome(good=good, doubts=[starved(phase), neighbour(phase, host)], spoilt=spoilt)
    return about.line(outcome, f"{phase.p95_ms:.1f} ms", phase.p95_ms, why=why)


def _rate(
    about: Objective, phase: Measured | None, host: HostSamples, target: VerifyTarget, *, spoilt: str = ""
) -> Line:
    if phase is None:
        return about.line("inconclusive", why="not measured")
    limit = of_closed(phase, host, target)
    good = phase.req_per_s >= about.wanted_value
    elsewhere = limit.evidence if limit.resource in {"generator", "neighbour", "link"} else ""
    outcome, why = _outcome(good=good, doubts=[elsewhere], spoilt=spoilt or _early(phase))
    measured = f"{'at least ' if good and elsewhere else ''}{phase.req_per_s:.0f} req/s"
    return about.line(
        outcome, measured, phase.req_per_s, why=why or ("" if good else f"{limit.resource}: {limit.evidence}")
    )


def _errors(found: Mapping[str, Measured], host: HostSamples, partly: str) -> Line:
    phases = [phase for name, phase in found.items() if name != HOLD]
    about = Objective("errors, all other phases", "errors", "0", 0.0)
    if not phases:
        return about.line("inconclusive", why="not measured")
    count = sum(phase.error_count for phase in phases)
    bad = [phase for phase in phases if phase.errors]
    doubts = [_doubt_of_errors(phase, host) for phase in bad]
    # errors of one phase that are the host's beyond doubt are enough
    outcome, why = _outcome(good=not bad, doubts=doubts if all(doubts) else [], spoilt="" if bad else partly)
    kinds = "; ".join(f"{phase.name}: {_kinds(phase)}" for phase in bad)
    return about.line(outcome, str(count), float(count), why="; ".join(part for part in (why, kinds) if part))


def _doubt_of_errors(phase: Measured, host: HostSamples) -> str:
    if set(phase.errors) <= GENERATOR_ERRORS:
        return generator_doubt(phase, float("inf"))
    return starved(phase) or neighbour(phase, host)


def _memory(host: HostSamples, slo: Slo, partly: str) -> Line:
    peak, limit = host.memory_peak_share, slo.max_memory_share
    about = Objective("host memory, peak", "memory_peak_share", f"<= {limit:.0%}", limit)
    if peak is None:
        return about.line("inconclusive", why=host.fault or "not measured")
    good = peak <= limit
    # half a watch can show a miss, never that it was kept
    spoilt = (partly or (host.fault or "not measured" if host.summary is None else "")) if good else ""
    outcome, why = _outcome(good=good, doubts=[], spoilt=spoilt)
    return about.line(outcome, f"{peak:.1%}", peak, why=why)


def _oom(host: HostSamples, partly: str) -> Line:
    seen = max((int(each.values.get("oom_kills") or 0) for each in host.samples), default=0)
    kills = host.oom_kills if host.oom_kills is not None else (seen or None)
    return _none_wanted("OOM kills", "oom_kills", kills, host, partly)


def _restarts(host: HostSamples, partly: str) -> Line:
    return _none_wanted("service restarts", "restarts", host.restarts, host, partly)


def _none_wanted(name: str, metric: str, count: int | None, host: HostSamples, partly: str) -> Line:
    about = Objective(name, metric, "0", 0.0)
    if count is None:
        return about.line("inconclusive", why=host.fault or "this kernel does not say")
    if not count and partly:
        return about.line("inconclusive", str(count), 0.0, why=partly)
    units = (host.summary or {}).get("units", {})
    named = ", ".join(unit for unit, values in units.items() if values.get(metric))
    return about.line("missed" if count else "kept", str(count), float(count), why=named)


def _outcome(*, good: bool, doubts: Sequence[str], spoilt: str = "") -> tuple[Outcome, str]:
    """Decide.

    Args:
        good: The figure is within its limit.
        doubts: What can only have made the figure worse.
        spoilt: What makes the figure worthless either way.
    """
    if spoilt:
        return "inconclusive", spoilt
    doubt = next((each for each in doubts if each), "")
    if good:
        return "kept", ""
    return ("inconclusive", doubt) if doubt else ("missed", "")


def _early(phase: Measured) -> str:
    return "the load was ended early" if phase.stopped else ""


def _from_cache(phase: Measured | None) -> str:
    share = None if phase is None else phase.cache_hit_share
    if share is None or share <= CACHED_LIMIT_SHARE:
        return ""
    return f"{share:.0%} of the answers came from the cache: name a session cookie in slo.uncached_headers"


def _kinds(phase: Measured) -> str:
    kinds = [f"{count} {kind}" for kind, count in sorted(phase.errors.items(), key=lambda pair: -pair[1])]
    first = next((text for text in phase.first_errors.values() if text), "")
    return ", ".join(kinds) + (f" ({first})" if first else "")


def _capacities(found: Mapping[str, Measured], host: HostSamples, target: VerifyTarget) -> list[Capacity]:
    named = [(CACHED, target.cached_path, True)]
    named += [(capacity_phase(path), path, False) for path in target.uncached_paths]
    capacities = []
    for name, path, cached in named:
        phase = found.get(name)
        if phase is not None and phase.done:
            limit: Bottleneck = of_closed(phase, host, target)
            capacities.append(
                Capacity(
                    path=path,
                    cached=cached,
                    req_per_s=phase.req_per_s,
                    connections=phase.connections_wanted,
                    binding=limit.resource,
                    evidence=limit.evidence,
                )
            )
    return capacities


def _notes(phases: Sequence[Measured], host: HostSamples, target: VerifyTarget) -> list[str]:
    notes = []
    if target.tls and not target.verify_certificate:
        notes.append("the server's certificate was not checked")
    for phase in phases:
        if phase.name == CACHED:
            hits = phase.cache_hit_share
            if hits is not None and hits < 0.9:
                notes.append(f"only {hits:.0%} of the answers for {phase.path} came from the cache")
            ceiling = link_ceiling_req_per_s(phase, target)
            if ceiling is not None:
                notes.append(f"the link carries at most {ceiling:.0f} answers a second for {phase.path}")
    overflows = (host.summary or {}).get("listen_overflows")
    if overflows:
        notes.append(f"the host's listen queues overflowed {overflows} times")
    return notes

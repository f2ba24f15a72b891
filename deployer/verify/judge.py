"""From what was measured to the verdict: which objectives a test has, and what each rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from deployer.slo import Slo
from deployer.verify.bottleneck import GENERATOR_ERRORS, generator_doubt, neighbour, of_closed, starved
from deployer.verify.ceiling import full_link, link_ceiling_req_per_s
from deployer.verify.criteria import criteria, lines_of
from deployer.verify.ended import ended_line
from deployer.verify.lines import (
    NOT_THE_HOST,
    Evidence,
    count,
    decide,
    early,
    held,
    kinds,
    latency,
    throughput,
    unasked,
)
from deployer.verify.measured import HostSamples, Measured
from deployer.verify.onhost import leak, memory, oom, restarts
from deployer.verify.safety import Stop
from deployer.verify.target import VerifyTarget
from deployer.verify.validity import with_validity
from deployer.verify.verdict import Capacity, Findings, Line, Objective, Verdict
from deployer.verify.waits import Bottleneck

HOLD, CACHED, KNEE, JOURNEYS = "hold", "cached", "knee", "journeys"
#: What a reader has to know of the figures of journeys.
CLOSED_NOTE: Final = (
    "journeys are a closed model: a user asks again only once it has its answer, so a host that stalls is asked less, "
    "and its percentiles look better than visitors find them (coordinated omission); promises of latency belong to "
    "the rates of `verify` without journeys"
)
#: More answers from the cache than this are no measurement of an uncached page.
CACHED_LIMIT_SHARE: Final = 0.02
#: A prediction may be wrong by so much.
PREDICTED_WITHIN_SHARE: Final = 0.25


def capacity_phase(path: str) -> str:
    """Name the phase that measures what an uncached page can carry."""
    return f"capacity {path}"


def open_phase(path: str) -> str:
    """Name the phase that measures an uncached page's latency."""
    return f"open {path}"


def rate_phase(rate_per_s: int) -> str:
    """Name the phase in which the cached page is asked for at a rate."""
    return f"r{rate_per_s}"


def judge(
    phases: Sequence[Measured],
    host: HostSamples,
    target: VerifyTarget,
    slo: Slo,
    *,
    stop: Stop | None = None,
    duration_s: float = 0.0,
    findings: Findings | None = None,
) -> Verdict:
    """Judge a run.

    Args:
        phases: What was measured; a phase that was not run is missing.
        host: What was seen on the host.
        target: What was under load.
        slo: What it is held to.
        stop: Why the load was ended early; None when it was not.
        duration_s: Of the whole run, s.
        findings: What a whole test found besides; None: it was a quick one.
    """
    found = {phase.name: phase for phase in phases}
    seen = Evidence(phases=found, host=host, target=target, slo=slo, findings=findings or Findings())
    stopped = stop.why if stop else ""
    seen = replace(seen, partly=_partly(seen, stopped))
    whole = seen.findings.whole
    lines = [] if seen.findings.journeys else list(_of_pages(seen))
    lines += [_errors(seen), memory(seen), oom(seen), restarts(seen)]
    lines += [leak(seen), *_predicted(seen)] if whole else []
    lines += lines_of(seen)
    ended = ended_line(stop, seen) if stop else None
    lines += [ended] if ended else []
    return Verdict(
        lines=tuple(with_validity(lines, seen)),
        capacity=tuple(_capacities(found, host, target)),
        phases=tuple(phases),
        host=host,
        target=target,
        stopped=stopped,
        notes=tuple(_notes(seen)),
        duration_s=duration_s,
        findings=seen.findings,
    )


def _of_pages(seen: Evidence) -> Iterator[Line]:
    yield held(seen.phases.get(HOLD), seen.host, seen.target, seen.slo)
    if seen.findings.whole:
        yield from (_rate(rate, seen) for rate in seen.slo.rates_per_s)
    yield from _cached(seen)
    for path in seen.target.uncached_paths:
        yield from _uncached(path, seen)


def _partly(seen: Evidence, stopped: str) -> str:
    """Say why a whole run's figure was not put to the test, though it be good; nothing when all phases went through."""
    paths, findings = seen.target.uncached_paths, seen.findings
    wanted = [HOLD, CACHED, *(name(path) for path in paths for name in (capacity_phase, open_phase))]
    if findings.journeys:
        wanted = [JOURNEYS]
    if findings.whole:
        not_asked = findings.over_link | findings.over_capacity
        wanted += [rate_phase(rate) for rate in seen.slo.rates_per_s if rate not in not_asked]
    missing = [name for name in wanted if name not in seen.phases]
    if stopped or any(phase.stopped for phase in seen.phases.values()):
        return f"the load was ended early: {stopped}" if stopped else "the load was ended early"
    return findings.cut or (f"not all was measured: {', '.join(missing)}" if missing else "")


def _rate(rate_per_s: int, seen: Evidence) -> Line:
    """Judge one of the rates; one that the link cannot carry is named, and is no failure of the host."""
    name, path, limit_ms = rate_phase(rate_per_s), seen.target.cached_path, seen.slo.cached_p95_ms
    predicted = seen.target.predicted(path, cached=True)
    # what the budget does not promise is told, and is no reason to call the test missed
    promised = predicted is None or rate_per_s <= (1 - PREDICTED_WITHIN_SHARE) * predicted.req_per_s
    about = Objective(
        f"{name}: cached {path} P95 at {rate_per_s} requests/s",
        f"{name}_p95_ms",
        f"<= {limit_ms:g} ms, 0 errors",
        limit_ms,
        severity="must" if promised else "should",
    )
    not_asked = unasked(about, rate_per_s, seen.phases.get(CACHED), seen)
    if not_asked is not None:
        return not_asked
    phase = seen.phases.get(name)
    line = latency(about, phase, seen.host, slowed=_slowed(phase, path, seen, cached=True))
    if phase is None or not phase.errors or line.outcome != "kept":
        return line
    outcome, why = decide(good=False, doubts=[_doubt_of_errors(phase, seen)])
    return replace(line, outcome=outcome, why="; ".join(part for part in (why, kinds(phase)) if part))


def _cached(seen: Evidence) -> Iterator[Line]:
    path, limit_ms, phase = seen.target.cached_path, seen.slo.cached_p95_ms, seen.phases.get(CACHED)
    name = f"cached {path}"
    about = Objective(f"{name} P95, full load", "cached_p95_ms", f"<= {limit_ms:g} ms", limit_ms)
    yield latency(about, phase, seen.host, slowed=_slowed(phase, path, seen, cached=True))
    if seen.slo.cached_req_per_s is not None:
        yield throughput(_least(name, "cached_req_per_s", seen.slo.cached_req_per_s), phase, seen.host, seen.target)


def _uncached(path: str, seen: Evidence) -> Iterator[Line]:
    name = f"uncached {path}"
    phase, capacity = seen.phases.get(open_phase(path)), seen.phases.get(capacity_phase(path))
    share, limit_ms = seen.slo.phases.open_share, seen.slo.uncached_p95_ms
    at = f", {phase.rate_per_s:.0f} req/s" if phase is not None and phase.rate_per_s else ""
    cached = _from_cache(phase) or _from_cache(capacity)
    words = f"{name} P95 at {share:.0%} of capacity{at}"
    about = Objective(words, "uncached_p95_ms", f"<= {limit_ms:g} ms", limit_ms)
    yield latency(about, phase, seen.host, spoilt=cached, slowed=_slowed(phase, path, seen, cached=False))
    if seen.slo.uncached_req_per_s is not None:
        rate = _least(name, "uncached_req_per_s", seen.slo.uncached_req_per_s)
        yield throughput(rate, capacity, seen.host, seen.target, relaxed=phase, spoilt=cached)


def _least(name: str, metric: str, least: int) -> Objective:
    return Objective(f"{name} throughput", metric, f">= {least} req/s", float(least), at_least=True)


def _errors(seen: Evidence) -> Line:
    # the rates have lines of their own, and a search for the knee goes beyond it on purpose
    phases = [
        phase for name, phase in seen.phases.items() if name.split(" ")[0] in (CACHED, "capacity", "open", JOURNEYS)
    ]
    name = "errors" if seen.findings.journeys else "errors, all other phases"
    about = Objective(name, "errors", "0", 0.0)
    if not phases:
        return about.line("inconclusive", why="not measured")
    bad = [phase for phase in phases if phase.errors]
    doubts = [_doubt_of_errors(phase, seen) for phase in bad]
    return count(
        about,
        sum(phase.error_count for phase in phases),
        sum(phase.planned for phase in phases),
        # errors of one phase that are the host's beyond doubt are enough
        doubts=doubts if all(doubts) else [],
        spoilt="" if bad else seen.partly,
        told="; ".join(f"{phase.name}: {kinds(phase)}" for phase in bad),
    )


def _doubt_of_errors(phase: Measured, seen: Evidence) -> str:
    if set(phase.errors) <= GENERATOR_ERRORS:
        return generator_doubt(phase, float("inf"))
    return starved(phase) or neighbour(phase, seen.host) or full_link(phase, seen.target)


def _slowed(phase: Measured | None, path: str, seen: Evidence, *, cached: bool) -> str:
    """Say what else than the host may have made a page late: a full link, or that it was not warm yet."""
    link = "" if phase is None else full_link(phase, seen.target)
    return link or seen.findings.warming.get((path, cached), "")


def _predicted(seen: Evidence) -> Iterator[Line]:
    """Hold what was measured against what was known before: the budget's figure, or the link's where that is less."""
    for each in seen.target.predictions:
        phase = seen.phases.get(CACHED if each.cached else capacity_phase(each.path))
        ceiling = seen.findings.ceiling_req_per_s if each.cached else None
        by_link = ceiling is not None and ceiling < each.req_per_s
        expected, because = (
            (ceiling, "what the link carries") if ceiling and by_link else (each.req_per_s, each.because)
        )
        kind = "cached" if each.cached else "uncached"
        about = Objective(
            f"{kind} {each.path} against the prediction",
            f"predicted_{kind}_req_per_s",
            f"{expected:.0f} req/s within {PREDICTED_WITHIN_SHARE:.0%}",
            expected,
            at_least=True,
            severity="should",
        )
        if phase is None or not phase.done:
            yield about.line("inconclusive", why="not measured")
            continue
        off, limit = phase.req_per_s / expected - 1, of_closed(phase, seen.host, seen.target)
        elsewhere = limit.evidence if limit.resource in NOT_THE_HOST and off < 0 and not by_link else ""
        outcome, doubt = decide(good=abs(off) <= PREDICTED_WITHIN_SHARE, doubts=[elsewhere], spoilt=early(phase))
        why = doubt or f"{off:+.0%} of what was predicted: {because}"
        yield about.line(outcome, f"{phase.req_per_s:.0f} req/s", phase.req_per_s, why=why)


def _from_cache(phase: Measured | None) -> str:
    share = None if phase is None else phase.cache_hit_share
    if share is None or share <= CACHED_LIMIT_SHARE:
        return ""
    return f"{share:.0%} of the answers came from the cache: name a session cookie in slo.uncached_headers"


def _capacities(found: Mapping[str, Measured], host: HostSamples, target: VerifyTarget) -> list[Capacity]:
    named = [(CACHED, target.cached_path, True)]
    named += [(capacity_phase(path), path, False) for path in target.uncached_paths]
    capacities = []
    for name, path, cached in named:
        phase = found.get(name)
        # one without an answer says the more about who was waited for
        if phase is not None and (phase.done or phase.planned):
            limit: Bottleneck = of_closed(phase, host, target, None if cached else found.get(open_phase(path)))
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


def _notes(seen: Evidence) -> list[str]:
    target, host, findings = seen.target, seen.host, seen.findings
    notes = []
    if target.tls and not target.verify_certificate:
        notes.append("the server's certificate was not checked")
    for phase in seen.phases.values():
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
    _, aside = criteria(seen.slo, findings)
    if aside:
        notes.append(f"this kind of test has no phase for: {'; '.join(aside)}")
    if findings.journeys:
        notes.append(CLOSED_NOTE)
    if findings.cut:
        notes.append(findings.cut)
    notes += findings.warming.values()
    return notes

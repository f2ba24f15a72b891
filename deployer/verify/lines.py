"""One objective, one line: how a figure, its doubts and its confidence become kept, missed or inconclusive. Pure.

A line is kept or missed only where nobody but the host can have made it so. A doubt never turns a miss into
kept: at best into inconclusive. A figure that a doubt can only have made worse, and that is good all the same,
is kept: a full generator cannot make a server look faster than it is. A limit inside the figure's 95 % interval
decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deployer.slo import Slo
from deployer.verify.bottleneck import generator_doubt, neighbour, of_closed, starved
from deployer.verify.ceiling import ASKED_SHARE, full_link
from deployer.verify.confidence import Interval, most_share, of_percentile, of_rate
from deployer.verify.measured import HostSamples, Measured
from deployer.verify.target import VerifyTarget
from deployer.verify.verdict import Findings, Line, Objective, Outcome

#: Who ends a phase without the host being at fault.
NOT_THE_HOST = frozenset({"generator", "neighbour", "link"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a test has to go by.

    Attributes:
        phases: What was measured, by name, in order.
        host: What was seen on the host.
        target: What was under load.
        slo: What it is held to.
        findings: What a whole test found besides.
        partly: Why a good figure of the whole run proves nothing; empty when all phases went through.
    """

    phases: Mapping[str, Measured]
    host: HostSamples
    target: VerifyTarget
    slo: Slo
    findings: Findings
    partly: str = ""


def held(phase: Measured | None, host: HostSamples, target: VerifyTarget, slo: Slo) -> Line:
    """Judge whether the connections stayed open."""
    wanted = f"{target.connections} for {slo.phases.hold_s:g} s, {slo.held_errors} errors"
    about = Objective("connections held", "connections_held", wanted, float(target.connections), at_least=True)
    if phase is None:
        return about.line("inconclusive", why="not measured")
    alive = min(phase.alive_min, phase.connections_wanted)
    lost = phase.error_count > slo.held_errors
    good = alive >= target.connections and not lost
    # held for less than the time is not held; lost within less than the time is lost
    doubts = [generator_doubt(phase, float("inf")), starved(phase), neighbour(phase, host), full_link(phase, target)]
    doubts += [] if lost else [early(phase)]
    outcome, why = decide(good=good and not phase.stopped, doubts=doubts)
    measured = f"{alive}, {phase.error_count} errors"
    return about.line(outcome, measured, float(alive), why=why or ("" if good else kinds(phase)))


def latency(
    about: Objective,
    phase: Measured | None,
    host: HostSamples,
    share: float = 0.95,
    *,
    spoilt: str = "",
    slowed: str = "",
) -> Line:
    """Judge a percentile of a phase's latencies.

    Args:
        about: What is wanted, ms.
        phase: What was measured.
        host: What was seen on the host meanwhile.
        share: Which percentile.
        spoilt: What makes the figure worthless either way.
        slowed: What else than the host may have made it slower.
    """
    limit_ms = about.wanted_value
    if phase is None:
        return about.line("inconclusive", why="not measured")
    value_ms = percentile_ms(phase, share)
    if value_ms is None or not phase.done:
        # a host that gives no good answer at all has missed it; one that was not asked has not
        doubts = (early(phase), generator_doubt(phase, limit_ms), starved(phase), neighbour(phase, host), slowed)
        doubt = next((each for each in doubts if each), "")
        why = "; ".join(part for part in (f"no good answer: {kinds(phase)}", doubt) if part)
        return about.line("missed" if phase.planned and not doubt else "inconclusive", why=why)
    interval = of_percentile(phase, share)
    spoilt = spoilt or generator_doubt(phase, limit_ms) or early(phase)
    doubts_of_miss = [starved(phase), neighbour(phase, host), slowed]
    unsure = between(interval, limit_ms, "ms")
    outcome, why = decide(good=value_ms <= limit_ms, doubts=doubts_of_miss, spoilt=spoilt, unsure=unsure)
    only_unsure = bool(unsure) and not spoilt and not any(doubts_of_miss)
    return about.line(outcome, f"{value_ms:.1f} ms", value_ms, why=why, interval=interval, unsure=only_unsure)


def throughput(
    about: Objective,
    phase: Measured | None,
    host: HostSamples,
    target: VerifyTarget,
    *,
    relaxed: Measured | None = None,
    spoilt: str = "",
) -> Line:
    """Judge how many answers a second a closed phase brought."""
    if phase is None:
        return about.line("inconclusive", why="not measured")
    limit, interval = of_closed(phase, host, target, relaxed), of_rate(phase)
    good = phase.req_per_s >= about.wanted_value
    elsewhere = limit.evidence if limit.resource in NOT_THE_HOST else ""
    unsure = between(interval, about.wanted_value, "requests/s")
    spoilt = spoilt or early(phase)
    outcome, why = decide(good=good, doubts=[elsewhere], spoilt=spoilt, unsure=unsure)
    only_unsure = bool(unsure) and not spoilt and not elsewhere
    measured = f"{'at least ' if good and elsewhere else ''}{phase.req_per_s:.0f} req/s"
    why = why or ("" if good else f"{limit.resource}: {limit.evidence}")
    return about.line(outcome, measured, phase.req_per_s, why=why, interval=interval, unsure=only_unsure)


def unasked(about: Objective, rate_per_s: int, full: Measured | None, seen: Evidence) -> Line | None:
    """Judge a rate that was not asked for; None when it was.

    Above what the link carries no host could serve it, so that is no failure. Above what the page brought at full load
    it is missed without being tried, unless something else than the host was the limit there.

    Args:
        about: What is wanted of the rate.
        rate_per_s: The rate.
        full: The cached page at full load.
        seen: With the reason that it was not asked for.
    """
    findings = seen.findings
    if rate_per_s in findings.over_link and findings.ceiling_req_per_s is not None:
        ceiling = findings.ceiling_req_per_s
        why = f"the link carries {ceiling:.0f} such answers a second, and up to {ASKED_SHARE:.0%} of them are asked for"
        return replace(about, severity="should").line("inconclusive", why=why)
    if rate_per_s in findings.over_capacity and full is not None:
        limit = of_closed(full, seen.host, seen.target)
        outcome: Outcome = "inconclusive" if limit.resource in NOT_THE_HOST else "missed"
        brought = f"at full load the page brought {full.req_per_s:.0f} requests/s"
        return about.line(outcome, why=f"not tried: {brought} ({limit.resource}: {limit.evidence})")
    return None


def count(about: Objective, value: int, tried: int, *, doubts: Sequence[str], spoilt: str, told: str) -> Line:
    """Judge how often something happened that is allowed ``about.wanted_value`` times; ``told``: what happened."""
    good = value <= about.wanted_value
    outcome, why = decide(good=good, doubts=doubts, spoilt=spoilt)
    # of nothing that happened is told how seldom it can be
    rare = Interval(0.0, most_share(tried) * tried) if not value and tried else None
    return about.line(
        outcome, str(value), float(value), why="; ".join(part for part in (why, told) if part), interval=rare
    )


def percentile_ms(phase: Measured, share: float) -> float | None:
    """Give a percentile that a phase tells, ms."""
    return {0.5: phase.p50_ms, 0.95: phase.p95_ms, 0.99: phase.p99_ms, 1.0: phase.max_ms}[share]


def between(interval: Interval | None, limit: float, unit: str) -> str:
    """Say that a limit lies inside an interval; nothing when it does not."""
    if interval is None or not interval.spans(limit):
        return ""
    return f"{limit:g} lies between {interval.low:.1f} and {interval.high:.1f} {unit}, where it is with 95 % confidence"


def decide(*, good: bool, doubts: Sequence[str], spoilt: str = "", unsure: str = "") -> tuple[Outcome, str]:
    """Decide.

    Args:
        good: The figure is within its limit.
        doubts: What can only have made the figure worse.
        spoilt: What makes the figure worthless either way.
        unsure: The limit is too near to the figure for the number of answers.
    """
    if spoilt:
        return "inconclusive", spoilt
    doubt = next((each for each in doubts if each), "")
    if good and not unsure:
        return "kept", ""
    if unsure or doubt:
        return "inconclusive", unsure or doubt
    return "missed", ""


def early(phase: Measured) -> str:
    """Say that a phase did not last."""
    return "the load was ended early" if phase.stopped else ""


def kinds(phase: Measured) -> str:
    """Name a phase's errors, the most frequent first, and what was said at the first."""
    counted = [f"{number} {kind}" for kind, number in sorted(phase.errors.items(), key=lambda pair: -pair[1])]
    first = next((text for text in phase.first_errors.values() if text), "")
    return ", ".join(counted) + (f" ({first})" if first else "")

"""The comparisons of `slo.must`, `slo.should` and `slo.valid`, held against what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from deployer.objectives import PHASES, Criterion, Unit, parse, rate_of
from deployer.slo import Slo
from deployer.verify.bottleneck import GENERATOR_ERRORS, generator_doubt, neighbour, starved
from deployer.verify.ceiling import full_link
from deployer.verify.lines import Evidence, count, decide, early, kinds, latency, percentile_ms, throughput, unasked
from deployer.verify.measured import HostSamples, Measured
from deployer.verify.safety import shown
from deployer.verify.series import (
    COUNTERS,
    is_about,
    of_host,
    of_seconds,
    of_unit,
    over_window,
    risen,
    together,
    units_of,
)
from deployer.verify.verdict import Findings, Line, Objective, Severity

SHARES: Final = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
#: What a metric's name ends with, so that programs know its unit.
_SUFFIX: Final[dict[Unit, str]] = {
    "ms": "_ms",
    "req_per_s": "_req_per_s",
    "share": "_share",
    "mib": "_mib",
    "count": "",
}


def criteria(slo: Slo, findings: Findings) -> tuple[list[tuple[Criterion, Severity]], list[str]]:
    """Read them, and set those aside that this kind of test has no phase for: the judged, and the others' texts."""
    written: list[tuple[str, Severity]] = [(text, "must") for text in slo.must]
    written += [(text, "should") for text in slo.should]
    read = [(parse(text), severity) for text, severity in written]
    of_validity: Severity = "valid"
    read += [(parse(text, "valid"), of_validity) for text in slo.valid]
    judged = [(each, severity) for each, severity in read if _has_phase(each, findings)]
    return judged, [each.text for each, _ in read if not _has_phase(each, findings)]


def _has_phase(criterion: Criterion, findings: Findings) -> bool:
    scope = criterion.scope
    if scope == "journeys":
        return findings.journeys
    if scope == "knee" or rate_of(scope) is not None:
        return findings.whole
    return scope not in PHASES or not findings.journeys


def lines_of(seen: Evidence) -> Iterator[Line]:
    """Judge each; one that is about several phases or units by the worst of them."""
    judged, _ = criteria(seen.slo, seen.findings)
    for criterion, severity in judged:
        if severity != "valid":
            yield line_of(criterion, objective(criterion, severity), seen)


def line_of(criterion: Criterion, about: Objective, seen: Evidence) -> Line:
    """Judge one."""
    if criterion.scope == "host":
        return _of_host(criterion, about, seen)
    if criterion.scope.startswith("service."):
        return _of_services(criterion, about, seen)
    if criterion.scope == "knee":
        return _of_knee(criterion, about, seen.findings)
    if (rate_per_s := rate_of(criterion.scope)) is not None:
        not_asked = unasked(about, rate_per_s, seen.phases.get("cached"), seen)
        if not_asked is not None:
            return not_asked
    chosen = [phase for phase in seen.phases.values() if _is_judged(criterion, phase)]
    if not chosen:
        return about.line("inconclusive", why="not measured")
    lines = [_of_phase(criterion, about, phase, seen) for phase in chosen]
    order = ("missed", "inconclusive", "kept")
    return min(lines, key=lambda line: (order.index(line.outcome), -(line.measured_value or 0.0)))


def objective(criterion: Criterion, severity: Severity) -> Objective:
    """Name what a comparison wants."""
    left, _, wanted = criterion.text.partition(" ")
    words = [criterion.scope or "every_phase", "" if criterion.metric == "rps" else criterion.metric]
    metric = ".".join(word for word in words if word).replace(".", "_").replace("*", "every")
    return Objective(
        name=left,
        metric=metric + _SUFFIX[criterion.unit],
        wanted=wanted,
        wanted_value=criterion.value,
        at_least=criterion.at_least,
        severity=severity,
    )


def _is_judged(criterion: Criterion, phase: Measured) -> bool:
    # a search for the knee goes beyond it on purpose
    return is_about(criterion, phase.name, phase.mode) and not phase.name.startswith("knee")


def _of_phase(criterion: Criterion, about: Objective, phase: Measured, seen: Evidence) -> Line:
    host = seen.host
    if criterion.window:
        return _of_window(criterion, about, phase, seen)
    if criterion.metric in SHARES and criterion.comparison in ("<", "<="):
        return latency(about, phase, host, SHARES[criterion.metric], slowed=full_link(phase, seen.target))
    if criterion.metric == "rps" and criterion.at_least and phase.mode == "closed":
        return throughput(about, phase, host, seen.target)
    none = criterion.comparison == "==" and not criterion.value
    if criterion.metric == "errors" and criterion.unit == "count" and (none or criterion.comparison == "<="):
        own = generator_doubt(phase, float("inf")) if set(phase.errors) <= GENERATOR_ERRORS else ""
        doubts = [own, starved(phase), neighbour(phase, host), full_link(phase, seen.target)]
        spoilt = early(phase) if not phase.errors else ""
        return count(about, phase.error_count, phase.planned, doubts=doubts, spoilt=spoilt, told=kinds(phase))
    value = _value(criterion, phase)
    if value is None:
        return about.line("inconclusive", why="not measured")
    outcome, why = decide(good=criterion.holds(value), doubts=_doubts(phase, seen), spoilt=early(phase))
    return about.line(outcome, shown(criterion, value), value, why=why)


def _of_window(criterion: Criterion, about: Objective, phase: Measured, seen: Evidence) -> Line:
    value = over_window(criterion, phase.seconds, partial(of_seconds, criterion))
    if value is None:
        why = f"{phase.name} has {len(phase.seconds)} seconds that tell it"
        return about.line("inconclusive", why=f"{early(phase)}: {why}" if early(phase) else why)
    good, window = criterion.holds(value), criterion.window
    # what held for so long has held, whatever came then; of seconds taken together each stretch counts
    spoilt = "" if good and window and window.kind == "for" else early(phase)
    outcome, why = decide(good=good, doubts=_doubts(phase, seen), spoilt=spoilt)
    return about.line(outcome, shown(criterion, value), value, why=why)


def _doubts(phase: Measured, seen: Evidence) -> list[str]:
    others = [starved(phase), neighbour(phase, seen.host), full_link(phase, seen.target)]
    return [*others, generator_doubt(phase, float("inf"))]


def _value(criterion: Criterion, phase: Measured) -> float | None:
    if criterion.metric in SHARES:
        return percentile_ms(phase, SHARES[criterion.metric])
    if criterion.metric == "rps":
        return phase.req_per_s
    if criterion.metric == "connections":
        return float(min(phase.alive_min, phase.connections_wanted))
    if criterion.unit == "share":
        return phase.error_count / phase.planned if phase.planned else None
    return float(phase.error_count)


def _of_host(criterion: Criterion, about: Objective, seen: Evidence) -> Line:
    return _watched(criterion, about, host_value(criterion, seen.host), seen)


def host_value(criterion: Criterion, host: HostSamples) -> float | None:
    """Give what was seen of the host: the highest second, how often in all, or what decides about a window."""
    samples = [each.values for each in host.samples]
    if criterion.window:
        return _over_samples(criterion, of_host(criterion, samples))
    if criterion.metric == "mem":
        return host.memory_peak_share
    if criterion.metric in ("cpu", "steal", "neighbour"):
        return max((share for share in of_host(criterion, samples) if share is not None), default=None)
    counted: float | None = (host.summary or {}).get(criterion.metric)
    return counted


def _over_samples(criterion: Criterion, values: list[float | None]) -> float | None:
    steps = risen(values) if criterion.metric in COUNTERS else values
    return over_window(criterion, steps, partial(together, criterion))


def _of_services(criterion: Criterion, about: Objective, seen: Evidence) -> Line:
    host, wanted = seen.host, criterion.scope.partition(".")[2]
    samples = [each.values for each in host.samples]
    summary = host.summary or {}
    units: Mapping[str, Any] = {name: summary["units"][name] for name in units_of(criterion, [summary])}
    values = {name: value for name, unit in units.items() if (value := _of_unit(criterion, unit)) is not None}
    if criterion.window:
        over = {name: _over_samples(criterion, of_unit(criterion, samples, name)) for name in units}
        values = {name: value for name, value in over.items() if value is not None}
    if len(values) < len(units) or not units:
        unknown = ", ".join(name for name in units if name not in values)
        return about.line(
            "inconclusive", why=host.fault or (f"not known of {unknown}" if units else f"no unit {wanted} was watched")
        )
    worst = (min if criterion.at_least else max)(values, key=lambda name: values[name])
    line = _watched(criterion, about, values[worst], seen)
    return about.line(line.outcome, line.measured, line.measured_value, why=line.why or worst)


def _of_unit(criterion: Criterion, unit: Mapping[str, float | None]) -> float | None:
    if criterion.metric != "mem":
        return unit.get(criterion.metric)
    own, limit = unit.get("own_peak_mib"), unit.get("limit_mib")
    peak = unit.get("peak_mib") if own is None else own  # page cache goes as soon as somebody needs the memory
    if criterion.unit == "mib" or peak is None:
        return peak
    return peak / limit if limit else None


def _watched(criterion: Criterion, about: Objective, value: float | None, seen: Evidence) -> Line:
    """Judge what was watched on the host; half a watch can show a miss, never that it was kept."""
    host = seen.host
    if value is None:
        return about.line("inconclusive", why=host.fault or "this kernel does not say")
    good = criterion.holds(value)
    incomplete = seen.partly or (host.fault or "not measured" if host.summary is None else "")
    outcome, why = decide(good=good, doubts=[], spoilt=incomplete if good else "")
    return about.line(outcome, shown(criterion, value), float(value), why=why)


def _of_knee(criterion: Criterion, about: Objective, findings: Findings) -> Line:
    knee = findings.knee
    too_much = None if knee is None or knee.kept_per_s is not None else knee.failed_per_s
    if knee is not None and too_much is not None and criterion.at_least and too_much <= criterion.value:
        outcome, why = decide(good=False, doubts=[knee.doubt])
        return about.line(outcome, f"< {too_much:.0f} req/s", too_much, why=why or knee.why)
    if knee is None or knee.kept_per_s is None:
        return about.line("inconclusive", why="not measured" if knee is None else knee.why)
    good = criterion.holds(knee.kept_per_s)
    unknown = knee.doubt if knee.failed_per_s is not None else "the search ended before it found the knee"
    outcome, why = decide(good=good, doubts=[unknown])
    return about.line(outcome, f"{knee.kept_per_s:.0f} req/s", knee.kept_per_s, why=why or ("" if good else knee.why))

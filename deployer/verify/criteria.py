"""The comparisons of `slo.must` and `slo.should`, held against what was measured. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from deployer.objectives import Criterion, Unit, parse, rate_of
from deployer.slo import Slo
from deployer.verify.bottleneck import GENERATOR_ERRORS, generator_doubt, neighbour, starved
from deployer.verify.ceiling import full_link
from deployer.verify.lines import Evidence, count, decide, early, kinds, latency, percentile_ms, throughput, unasked
from deployer.verify.measured import Measured
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


def criteria(slo: Slo, *, whole: bool) -> tuple[list[tuple[Criterion, Severity]], list[str]]:
    """Read them, and set those aside that a quick test has no phase for: the judged, and the others' texts."""
    written: list[tuple[str, Severity]] = [(text, "must") for text in slo.must]
    written += [(text, "should") for text in slo.should]
    read = [(parse(text), severity) for text, severity in written]
    judged = [(each, severity) for each, severity in read if whole or not _only_whole(each)]
    return judged, [each.text for each, _ in read if not whole and _only_whole(each)]


def _only_whole(criterion: Criterion) -> bool:
    return criterion.scope == "knee" or rate_of(criterion.scope) is not None


def lines_of(seen: Evidence) -> Iterator[Line]:
    """Judge each; one that is about several phases or units by the worst of them."""
    judged, _ = criteria(seen.slo, whole=seen.findings.whole)
    for criterion, severity in judged:
        yield _line(criterion, _objective(criterion, severity), seen)


def _line(criterion: Criterion, about: Objective, seen: Evidence) -> Line:
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
    chosen = [phase for phase in seen.phases.values() if _is_about(criterion, phase)]
    if not chosen:
        return about.line("inconclusive", why="not measured")
    lines = [_of_phase(criterion, about, phase, seen) for phase in chosen]
    order = ("missed", "inconclusive", "kept")
    return min(lines, key=lambda line: (order.index(line.outcome), -(line.measured_value or 0.0)))


def _objective(criterion: Criterion, severity: Severity) -> Objective:
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


def _is_about(criterion: Criterion, phase: Measured) -> bool:
    kind = phase.name.split(" ")[0]
    if criterion.scope:
        return kind == criterion.scope
    if criterion.metric == "errors":
        return kind != "knee"
    return phase.mode != "closed" and kind != "knee"  # the latency of a full house is no promise to visitors


def _of_phase(criterion: Criterion, about: Objective, phase: Measured, seen: Evidence) -> Line:
    host = seen.host
    if criterion.metric in SHARES and criterion.comparison in ("<", "<="):
        return latency(about, phase, host, SHARES[criterion.metric], slowed=full_link(phase, seen.target))
    if criterion.metric == "rps" and criterion.at_least and phase.mode == "closed":
        return throughput(about, phase, host, seen.target)
    if criterion.metric == "errors" and criterion.unit == "count" and criterion.comparison in ("<=", "=="):
        own = generator_doubt(phase, float("inf")) if set(phase.errors) <= GENERATOR_ERRORS else ""
        doubts = [own, starved(phase), neighbour(phase, host), full_link(phase, seen.target)]
        spoilt = early(phase) if not phase.errors else ""
        return count(about, phase.error_count, phase.planned, doubts=doubts, spoilt=spoilt, told=kinds(phase))
    value = _value(criterion, phase)
    if value is None:
        return about.line("inconclusive", why="not measured")
    doubts = [starved(phase), neighbour(phase, host), full_link(phase, seen.target)]
    doubts.append(generator_doubt(phase, float("inf")))
    outcome, why = decide(good=criterion.holds(value), doubts=doubts, spoilt=early(phase))
    return about.line(outcome, _shown(criterion.unit, value), value, why=why)


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
    host, summary = seen.host, seen.host.summary or {}
    sampled = {"cpu": "cpu_busy_share", "steal": "cpu_steal_share"}
    value: float | None
    if criterion.metric == "mem":
        value = host.memory_peak_share
    elif criterion.metric in sampled:
        shares = [each.values.get(sampled[criterion.metric]) for each in host.samples]
        value = max((float(share) for share in shares if share is not None), default=None)
    else:
        value = summary.get(criterion.metric)
    return _watched(criterion, about, value, seen)


def _of_services(criterion: Criterion, about: Objective, seen: Evidence) -> Line:
    host, wanted = seen.host, criterion.scope.partition(".")[2]
    units = {
        name: unit
        for name, unit in (host.summary or {}).get("units", {}).items()
        if wanted in ("*", name.removesuffix(".service"))
    }
    values = {name: value for name, unit in units.items() if (value := _of_unit(criterion, unit)) is not None}
    if len(values) < len(units) or not units:
        unknown = ", ".join(name for name in units if name not in values)
        return about.line(
            "inconclusive", why=host.fault or (f"not known of {unknown}" if units else f"no unit {wanted} was watched")
        )
    worst = (min if criterion.at_least else max)(values, key=lambda name: values[name])
    line = _watched(criterion, about, values[worst], seen)
    return about.line(line.outcome, line.measured, line.measured_value, why=line.why or worst)


def _of_unit(criterion: Criterion, unit: dict[str, float | None]) -> float | None:
    if criterion.metric != "mem":
        return unit.get(criterion.metric)
    peak, limit = unit.get("peak_mib"), unit.get("limit_mib")
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
    return about.line(outcome, _shown(criterion.unit, value), float(value), why=why)


def _of_knee(criterion: Criterion, about: Objective, findings: Findings) -> Line:
    knee = findings.knee
    if knee is None or knee.kept_per_s is None:
        return about.line("inconclusive", why="not measured" if knee is None else knee.why)
    good = criterion.holds(knee.kept_per_s)
    unknown = knee.doubt if knee.failed_per_s is not None else "the search ended before it found the knee"
    outcome, why = decide(good=good, doubts=[unknown])
    return about.line(outcome, f"{knee.kept_per_s:.0f} req/s", knee.kept_per_s, why=why or ("" if good else knee.why))


def _shown(unit: Unit, value: float) -> str:
    return {
        "ms": f"{value:.1f} ms",
        "req_per_s": f"{value:.0f} req/s",
        "share": f"{value:.1%}",
        "mib": f"{value:.0f} MiB",
        "count": f"{value:g}",
    }[unit]

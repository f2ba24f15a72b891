"""The verdict for programs: one document. Pure: what time it was is passed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from deployer.verify.measured import Measured
from deployer.verify.verdict import Findings, Line, Verdict

SCHEMA: Final = "deployer/verify/1"


def document(
    verdict: Verdict, *, started_at: str = "", host: str = "", load_from: Sequence[str] = ("here",)
) -> dict[str, Any]:
    """Give the verdict as data; every quantity carries its unit in its name.

    Args:
        verdict: What to give.
        started_at: When the test began, ISO 8601.
        host: The host's name in the inventory.
        load_from: Where the load came from: ``here``, ``loopback``, names of other hosts.
    """
    target = verdict.target
    zero_s = _zero_s(verdict)
    return {
        "schema": SCHEMA,
        "host": host,
        "started_at": started_at,
        "duration_s": verdict.duration_s,
        "load_from": list(load_from),
        "outcome": verdict.outcome,
        "stopped": verdict.stopped or None,
        "binding": verdict.binding,
        "target": {
            "address": target.address,
            "port": target.port,
            "tls": target.tls,
            "certificate_checked": target.tls and target.verify_certificate,
            "server_name": target.server_name,
            "connections": target.connections,
            "bandwidth_mbit_per_s": target.bandwidth_mbit_per_s,
            # a header may be a session: its name says enough
            "uncached_header_names": sorted(target.uncached_headers),
        },
        "lines": [_line(line) for line in verdict.lines],
        "runs": [
            {"outcome": run.outcome, "duration_s": run.duration_s, "stopped": run.stopped or None}
            for run in verdict.runs
        ],
        "capacity": [
            {
                "path": each.path,
                "cached": each.cached,
                "req_per_s": round(each.req_per_s, 1),
                "connections": each.connections,
                "binding": each.binding,
                "evidence": each.evidence,
            }
            for each in verdict.capacity
        ],
        **_findings(verdict.findings),
        "advice": [
            {
                "path": one.path,
                "change": one.change,
                "req_per_s": None if one.req_per_s is None else round(one.req_per_s, 1),
                "because": one.because,
            }
            for one in verdict.advice
        ],
        "phases": [_phase(phase, verdict, zero_s) for phase in verdict.phases],
        "host_summary": dict(verdict.host.summary) if verdict.host.summary is not None else None,
        "host_fault": verdict.host.fault or None,
        "host_samples": [{**each.values, "at_s": round(each.at_s - zero_s, 3)} for each in verdict.host.samples],
        "notes": list(verdict.notes),
    }


def _zero_s(verdict: Verdict) -> float:
    """Find what phases and samples are counted from: the first of them, on this machine's monotonic clock."""
    begun = [phase.began_s for phase in verdict.phases] + [each.at_s for each in verdict.host.samples]
    return min(begun, default=0.0)


def _line(line: Line) -> dict[str, Any]:
    interval, margin = line.interval, line.margin_share
    return {
        "name": line.objective.name,
        "metric": line.objective.metric,
        "severity": line.objective.severity,
        "at_least": line.objective.at_least,
        "wanted": line.objective.wanted_value,
        "measured": line.measured_value,
        "interval": None if interval is None else [round(interval.low, 4), round(interval.high, 4)],
        "runs": list(line.runs),
        "margin_share": None if margin is None else round(margin, 4),
        "outcome": line.outcome,
        "why": line.why,
    }


def _findings(findings: Findings) -> dict[str, Any]:
    """Give what only a whole test finds; a quick one has the same keys."""
    knee = findings.knee
    return {
        "whole": findings.whole,
        "link_ceiling_req_per_s": None if findings.ceiling_req_per_s is None else round(findings.ceiling_req_per_s, 1),
        "knee": None
        if knee is None
        else {
            "path": knee.path,
            "kept_per_s": None if knee.kept_per_s is None else round(knee.kept_per_s, 1),
            "failed_per_s": None if knee.failed_per_s is None else round(knee.failed_per_s, 1),
            "why": knee.why,
            "doubt": knee.doubt,
            "rule": knee.rule,
            "trials": [
                {
                    "rate_per_s": round(trial.rate_per_s, 1),
                    "p95_ms": trial.p95_ms,
                    "refusal": trial.refusal,
                    "doubt": trial.doubt,
                }
                for trial in knee.trials
            ],
        },
    }


def _phase(phase: Measured, verdict: Verdict, zero_s: float) -> dict[str, Any]:
    names = (
        "name path mode duration_s planned done req_per_s rate_per_s connections_wanted established alive_min reopened "
        "p50_ms p95_ms p99_ms max_ms service_p95_ms late_p99_ms cpu_share cpu_wait_share rss_mib "
        "bytes_per_answer tls stopped"
    )
    document_ = {name: getattr(phase, name) for name in names.split()}
    for own in ("late_p99_ms", "cpu_share", "cpu_wait_share", "rss_mib"):
        document_["generator_" + own] = document_.pop(own)
    host_cpu = verdict.host.during(phase, "cpu_busy_share")
    return {
        **document_,
        "began_s": round(phase.began_s - zero_s, 3),
        "errors": dict(phase.errors),
        "first_errors": dict(phase.first_errors),
        "cache": dict(phase.cache),
        "host_cpu_busy_share": None if host_cpu is None else round(host_cpu, 3),
        "seconds": [dict(second) for second in phase.seconds],
        "latency_histogram_us": dict(phase.latency),
        **({"steps": [asdict(step) for step in phase.steps]} if phase.steps else {}),
    }

"""The verdict for people and for programs. Pure: what time it was is passed in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from deployer.verify.measured import Measured
from deployer.verify.verdict import Line, Verdict

SCHEMA: Final = "deployer/verify/1"
_COLOURS: Final = {"kept": "\x1b[32m", "missed": "\x1b[31m", "inconclusive": "\x1b[33m"}
_PLAIN: Final = "\x1b[0m"


def text(verdict: Verdict, *, colour: bool = False) -> str:
    """Give the verdict as a table.

    Args:
        verdict: What to show.
        colour: Colour the outcomes; for a terminal.
    """
    lines = [_painted(_headline(verdict), verdict.outcome, colour=colour), ""]
    head = ("", "objective", "wanted", "measured")
    rows = [
        (line.outcome, short(line.objective.name), line.objective.wanted, line.measured or "-")
        for line in verdict.lines
    ]
    widths = _widths([head, *rows])
    lines.append(_row(head, widths, numbers=False))
    for line, row in zip(verdict.lines, rows, strict=True):
        outcome = line.outcome if line.outcome != "kept" else ""
        lines.append(_painted(_row(row, widths, numbers=False), outcome, colour=colour))
        if line.why:
            lines.append(" " * (widths[0] + 2) + line.why)
    lines += ["", *_capacity(verdict), "", *_phases(verdict.phases), "", *_host(verdict)]
    lines += [f"note: {note}" for note in verdict.notes]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def document(verdict: Verdict, *, started_at: str = "", host: str = "") -> dict[str, Any]:
    """Give the verdict as data; every quantity carries its unit in its name.

    Args:
        verdict: What to give.
        started_at: When the test began, ISO 8601.
        host: The host's name in the inventory.
    """
    target = verdict.target
    return {
        "schema": SCHEMA,
        "host": host,
        "started_at": started_at,
        "duration_s": verdict.duration_s,
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
        "phases": [_phase(phase, verdict) for phase in verdict.phases],
        "host_summary": dict(verdict.host.summary) if verdict.host.summary is not None else None,
        "host_fault": verdict.host.fault or None,
        "host_samples": [dict(each.values) for each in verdict.host.samples],
        "notes": list(verdict.notes),
    }


def _headline(verdict: Verdict) -> str:
    kept = sum(line.outcome == "kept" for line in verdict.lines)
    text_ = f"{verdict.outcome}: {kept} of {len(verdict.lines)} objectives kept in {verdict.duration_s:.0f} s"
    return text_ + (f"; ended early: {verdict.stopped}" if verdict.stopped else "")


def _capacity(verdict: Verdict) -> list[str]:
    head = ("capacity", "req/s", "connections", "ended by", "evidence")
    rows = [
        (
            short(f"{'cached' if each.cached else 'uncached'} {each.path}"),
            f"{each.req_per_s:.0f}",
            str(each.connections),
            each.binding,
            each.evidence,
        )
        for each in verdict.capacity
    ]
    return _table([head, *rows])


def _phases(phases: Sequence[Measured]) -> list[str]:
    head = ("phase", "req/s", "P50 ms", "P95 ms", "P99 ms", "max ms", "errors", "generator", "late P99 ms")
    rows = [
        (
            short(phase.name),
            f"{phase.req_per_s:.0f}",
            *(_ms(value) for value in (phase.p50_ms, phase.p95_ms, phase.p99_ms, phase.max_ms)),
            str(phase.error_count),
            f"{phase.cpu_share:.0%} of a core",
            _ms(phase.late_p99_ms),
        )
        for phase in phases
    ]
    return _table([head, *rows])


def _host(verdict: Verdict) -> list[str]:
    summary = verdict.host.summary
    if summary is None:
        return [f"host: {verdict.host.fault or 'not watched'}"]
    head = ("unit", "memory peak MiB", "limit MiB", "OOM kills", "restarts")
    rows = [
        (
            name,
            _number(unit.get("peak_mib")),
            _number(unit.get("limit_mib")),
            str(unit.get("oom_kills", "-")),
            str(unit.get("restarts", "-")),
        )
        for name, unit in summary.get("units", {}).items()
    ]
    whole = ("whole host", _number(summary.get("memory_peak_mib")), _number(summary.get("memory_total_mib")))
    rows.append((*whole, str(summary.get("oom_kills")), str(summary.get("restarts"))))
    return _table([head, *rows])


def _line(line: Line) -> dict[str, Any]:
    return {
        "name": line.objective.name,
        "metric": line.objective.metric,
        "wanted": line.objective.wanted_value,
        "measured": line.measured_value,
        "outcome": line.outcome,
        "why": line.why,
    }


def _phase(phase: Measured, verdict: Verdict) -> dict[str, Any]:
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
        "errors": dict(phase.errors),
        "first_errors": dict(phase.first_errors),
        "cache": dict(phase.cache),
        "host_cpu_busy_share": None if host_cpu is None else round(host_cpu, 3),
        "seconds": [dict(second) for second in phase.seconds],
        "latency_histogram_us": dict(phase.latency),
    }


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    if len(rows) < 2:
        return []
    widths = _widths(rows)
    return [_row(row, widths) for row in rows]


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]


def _row(cells: Sequence[str], widths: Sequence[int], *, numbers: bool = True) -> str:
    return "  ".join(
        cell.rjust(width) if numbers and _numeric(cell) else cell.ljust(width)
        for cell, width in zip(cells, widths, strict=True)
    )


def short(name: str) -> str:
    """Leave out the middle of a long path; the document has it whole."""
    return re.sub(r"(/\S{15})\S{9,}(\S{6})", r"\1...\2", name)


def _numeric(cell: str) -> bool:
    return cell.replace(".", "", 1).isdigit()


def _painted(line: str, outcome: str, *, colour: bool) -> str:
    return f"{_COLOURS[outcome]}{line.rstrip()}{_PLAIN}" if colour and outcome in _COLOURS else line


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"

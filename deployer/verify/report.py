"""The verdict for people, as a table; and, by ``document``, for programs. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from deployer.verify.document import SCHEMA, document
from deployer.verify.measured import Measured
from deployer.verify.verdict import Findings, Line, Verdict

__all__ = ["SCHEMA", "document", "measured", "short", "text"]
_COLOURS: Final = {"kept": "\x1b[32m", "missed": "\x1b[31m", "inconclusive": "\x1b[33m"}
_PLAIN: Final = "\x1b[0m"


def text(verdict: Verdict, *, colour: bool = False) -> str:
    """Give the verdict as a table.

    Args:
        verdict: What to show.
        colour: Colour the outcomes; for a terminal.
    """
    lines = [_painted(_headline(verdict), verdict.outcome, colour=colour), ""]
    head = ("", "objective", "wanted", "measured", "margin")
    rows = [
        (
            f"({line.outcome})" if line.objective.severity == "should" else line.outcome,
            short(("valid: " if line.objective.severity == "valid" else "") + line.objective.name),
            line.objective.wanted,
            measured(line) or "-",
            "" if line.margin_share is None else f"{line.margin_share:+.0%}",
        )
        for line in verdict.lines
    ]
    widths = _widths([head, *rows])
    lines.append(_row(head, widths, numbers=False))
    for line, row in zip(verdict.lines, rows, strict=True):
        outcome = line.outcome if line.outcome != "kept" else ""
        lines.append(_painted(_row(row, widths, numbers=False), outcome, colour=colour))
        if line.why:
            lines.append(" " * (widths[0] + 2) + line.why)
    lines += ["", *_capacity(verdict), *_knee(verdict.findings), "", *_advice(verdict)]
    lines += ["", *_phases(verdict.phases), "", *_steps(verdict.phases), *_host(verdict)]
    notes = list(verdict.notes)
    if any(line.interval for line in verdict.lines):
        notes.append("in brackets behind a figure: where the true one lies with 95 % confidence")
    if any(line.objective.severity == "valid" for line in verdict.lines):
        notes.append(
            "lines that begin with `valid` say whether the test is worth anything; without them nothing is known"
        )
    if any(line.objective.severity == "should" for line in verdict.lines):
        notes.append("an outcome in brackets is told, and makes no verdict")
    lines += [f"note: {note}" for note in notes]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _headline(verdict: Verdict) -> str:
    must = [line for line in verdict.lines if line.objective.severity == "must"]
    kept = sum(line.outcome == "kept" for line in must)
    runs = f", {len(verdict.runs)} runs" if verdict.runs else ""
    text_ = f"{verdict.outcome}: {kept} of {len(must)} objectives kept in {verdict.duration_s:.0f} s{runs}"
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


def _knee(findings: Findings) -> list[str]:
    knee = findings.knee
    if knee is None:
        return []
    if knee.kept_per_s is None:
        return [f"knee: no rate of {knee.path} was kept: {knee.why or knee.rule}"]
    beyond = (
        "no rate tried above it failed" if knee.failed_per_s is None else f"{knee.failed_per_s:.0f} not: {knee.why}"
    )
    return [
        f"knee: {knee.kept_per_s:.0f} requests/s of {knee.path} are carried, {beyond}",
        f"      after {len(knee.trials)} trials; {knee.rule}",
    ]


def _advice(verdict: Verdict) -> list[str]:
    head = ("what would lift it", "for", "at most req/s", "because")
    rows = [
        (one.change, short(one.path), "-" if one.req_per_s is None else f"{one.req_per_s:.0f}", one.because)
        for one in verdict.advice
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
        if not phase.name.startswith("knee ")  # its trials are summed up
    ]
    return _table([head, *rows])


def _steps(phases: Sequence[Measured]) -> list[str]:
    """Tell what came of each name of journeys."""
    head = ("journeys, closed model", "req/s", "P50 ms", "P95 ms", "P99 ms", "max ms", "errors", "first error")
    rows = [
        (
            short(step.name),
            f"{step.req_per_s:.1f}",
            *(_ms(value) for value in (step.p50_ms, step.p95_ms, step.p99_ms, step.max_ms)),
            str(step.errors),
            step.first_error,
        )
        for phase in phases
        for step in phase.steps
    ]
    return [*_table([head, *rows]), ""] if rows else []


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
    return [*_table([head, *rows]), "", *_servers(verdict), *_watching(summary)]


def _servers(verdict: Verdict) -> list[str]:
    """Tell the most that each server was seen with."""
    head = ("server, at most", "connections", "at work", "waiting for a lock", "refused")
    names = ("connected", "running", "lock_waiting", "refused")
    most: dict[str, dict[str, float]] = {}
    for sample in verdict.host.samples:
        servers = sample.values.get("servers")
        for server, told in servers.items() if isinstance(servers, Mapping) else ():
            if isinstance(told, Mapping):
                # nginx counts other things by other names
                seen = {"connected": told.get("active"), "running": told.get("writing"), **told}
                found = most.setdefault(str(server), {})
                for name in names:
                    if isinstance(seen.get(name), (int, float)):
                        found[name] = max(found.get(name, 0), seen[name])
    rows = [(server, *(_number(found.get(name)) for name in names)) for server, found in most.items()]
    return _table([head, *rows])


def measured(line: Line) -> str:
    """Give what was measured for people, with how far it may be off where that is known."""
    known = [value for value in line.runs if value is not None]
    if known and line.objective.metric.endswith("_share"):
        return f"{line.measured} ({min(known):.1%}-{max(known):.1%} in {len(line.runs)} runs)"
    if known:
        return f"{line.measured} ({min(known):.1f}-{max(known):.1f} in {len(line.runs)} runs)"
    if line.interval is None or line.objective.metric.endswith("errors"):
        return line.measured  # so many errors there were
    low, high = line.interval.low, line.interval.high
    decimals = 0 if high >= 100 else 1
    return f"{line.measured} ({low:.{decimals}f}-{high:.{decimals}f})"


def _watching(summary: Mapping[str, Any]) -> list[str]:
    share = summary.get("sampler_core_share")
    return [f"watching took {share:.1%} of a core"] if isinstance(share, float) else []


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

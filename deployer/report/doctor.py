"""What a host's servers run with, as a table that names what differs, and as a document."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.doctor import Diagnosis, Reading, ServerRelease

SCHEMA = "deployer/doctor/1"
_STYLES = {"ok": "green", "differs": "bold red", "not told": "yellow"}


def print_diagnosis(console: Console, host: str, found: Diagnosis) -> None:
    """Print the releases, every setting that does not agree, and how many do."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for title in ("server", "budget made for", "runs", "registry"):
        table.add_column(title)
    for one in found.releases:
        style = "" if one.agrees else "bold red"
        proven = Text("proven", style="green") if one.proven else Text("not proven", style="yellow")
        declared = f"{one.declared} or newer" if one.server == "systemd" else one.declared
        table.add_row(one.server, declared, Text(one.found or "does not answer", style=style), proven)
    console.print(table)
    for release in found.releases:
        for path, finding in release.findings:
            line = f"  {finding.kind}: {path}:{finding.line} {finding.name}: {finding.message}"
            console.print(Text(line, style="bold red"), soft_wrap=True)
    others = [one for one in found.readings if one.state != "ok"]
    if others:
        console.print(_readings(others))
    counts = Counter(one.state for one in found.readings)
    said = ", ".join(f"{counts[state]} {state}" for state in _STYLES if counts[state])
    mark = Text("agrees", style="green") if found.agrees else Text("does not agree", style="bold red")
    console.print(Text.assemble(f"{host} ", mark, f" with its budget: {said}"))


def _readings(readings: list[Reading]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for title in ("", "server", "setting", "wanted", "found"):
        table.add_column(title, overflow="fold")
    for one in sorted(readings, key=lambda one: one.state):
        setting = Text.assemble((one.setting, "bold"), (f"\n{one.where}", "dim") if one.where else "")
        table.add_row(Text(one.state, style=_STYLES[one.state]), one.server, setting, one.wanted, one.found or "-")
    return table


def diagnosis_document(host: str, found: Diagnosis) -> dict[str, Any]:
    """Give the diagnosis as data; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "host": host,
        "agrees": found.agrees,
        "releases": [_release(one) for one in found.releases],
        "settings": [
            {
                "server": one.server,
                "where": one.where,
                "setting": one.setting,
                "wanted": one.wanted,
                "found": one.found,
                "state": one.state,
            }
            for one in found.readings
        ],
    }


def _release(one: ServerRelease) -> dict[str, Any]:
    return {
        "server": one.server,
        "declared": one.declared,
        "found": one.found or None,
        "proven": one.proven,
        "agrees": one.agrees,
        "findings": [
            {"file": path, "line": item.line, "name": item.name, "kind": str(item.kind), "message": item.message}
            for path, item in one.findings
        ],
    }

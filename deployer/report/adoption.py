"""A takeover as one page, and as a document."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from deployer.adoption import Adoption
from deployer.report.plan import plan_document

SCHEMA = "deployer/adopt/1"

_SITES = {"taken over": "green", "kept": "cyan", "dropped": "yellow", "lost": "bold red"}
_UNITS = {"ours": "green", "stopped": "yellow", "stays": "cyan", "undecided": "bold red"}
_FILES = {"replaced": "yellow", "removed": "red", "not read": "yellow", "shadowed": "yellow"}
#: A new file of ours is in `render`; of theirs, a longer difference than this is cut, lines.
DIFF_LINES = 60


def adoption_document(adoption: Adoption) -> dict[str, Any]:
    """Give the takeover as data; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "host": adoption.host,
        "is_ready": adoption.is_ready,
        "lacking": [asdict(one) for one in adoption.lacking],
        "sites": [asdict(one) for one in adoption.sites],
        "units": [
            {**asdict(one), "ports": list(one.ports), "started_by": list(one.started_by)} for one in adoption.units
        ],
        "files": [asdict(one) for one in adoption.files],
        "data": [asdict(one) for one in adoption.data],
        "cron": list(adoption.found["cron"]),
        "advice": list(adoption.advice),
        "plan": plan_document(adoption.plan),
    }


def print_adoption(console: Console, adoption: Adoption, *, diffs: bool = True) -> None:
    """Print what runs there, what becomes of it, and what is lacking."""
    title = "is ready to be taken over" if adoption.is_ready else "cannot be taken over yet"
    console.print(Text.assemble((adoption.host, "bold"), f": {title}"))
    _head(console, "sites that nginx serves now")
    for site in adoption.sites:
        by = f"   {site.by}" if site.by else ""
        _line(console, site.fate, _SITES[site.fate], site.name, f"{site.file}{by}")
    _head(console, "services that run now")
    for unit in adoption.units:
        memory = "" if unit.memory_mib is None else f"{unit.memory_mib:g} MiB   "
        where = f"{', '.join(unit.ports)}   " if unit.ports else ""
        _line(console, unit.fate, _UNITS[unit.fate], unit.unit, f"{memory}{where}{unit.because}")
    _head(console, "data")
    for one in adoption.data:
        _line(console, "kept", "green", one.name, one.what)
    _head(console, "files of theirs that count no more")
    for file in adoption.files:
        kept = f"kept as {file.kept_as}" if file.kept_as != file.path else "stays where it is"
        _line(console, file.fate, _FILES[file.fate], file.path, "; ".join(filter(None, (kept, file.what))))
        if diffs and file.diff:
            _print_diff(console, file.diff)
    changes = len(adoption.plan.changes)
    console.print(Text(f"{changes} changes in all; `deployer plan` lists those of the inventory alone", style="dim"))
    for warning in (*adoption.plan.warnings, *adoption.advice):
        console.print(Text.assemble(("! ", "yellow"), warning), soft_wrap=True)
    for lack in adoption.lacking:
        console.print(Text.assemble(("lacking: ", "bold red"), lack.what), soft_wrap=True)
        console.print(Text(f"         {lack.next_step}"), soft_wrap=True)


def _head(console: Console, text: str) -> None:
    console.print(Text(text, style="bold"))


def _line(console: Console, fate: str, colour: str, name: str, rest: str) -> None:
    console.print(Text.assemble("  ", (f"{fate:<11}", colour), (name, "bold"), f"   {rest}"), soft_wrap=True)


def _print_diff(console: Console, diff: str) -> None:
    # what is new stands in the rendered file; what is theirs has to be seen
    theirs: Iterable[str] = (line for line in diff.splitlines() if line.startswith(("-", "@@")))
    lines = [line for line in theirs if not line.startswith("---")]
    for line in lines[:DIFF_LINES]:
        console.print(Text("      " + line, style="red" if line.startswith("-") else "cyan"), soft_wrap=True)
    if len(lines) > DIFF_LINES:
        console.print(Text(f"      {len(lines) - DIFF_LINES} more lines; --json has them", style="dim"))

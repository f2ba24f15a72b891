"""What is wrong with a config, as a table that says what to write instead, and as a document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.registry import Finding, Kind, registry, split

SCHEMA = "deployer/lint/1"
#: Findings with which the server does not start, or the host does not carry it.
REFUSED = frozenset({Kind.FATAL, Kind.OVER_BUDGET})
#: From so many characters of a line on, what to write instead has a column of its own.
WIDE = 110

_STYLES = {
    Kind.FATAL: "bold red",
    Kind.OVER_BUDGET: "bold red",
    Kind.MISREAD: "magenta",
    Kind.IGNORED: "magenta",
    Kind.DANGEROUS: "yellow",
    Kind.DEPRECATED: "dim",
    Kind.NOT_READ: "dim",
}


def print_lint(console: Console, host: str, file: str, reader: str, findings: Sequence[Finding]) -> None:
    """Print the findings, the worst first, and what they come to.

    Args:
        console: Where to.
        host: Name of the inventory entry.
        file: The linted file.
        reader: Who reads it: ``mycnf/mariadb/10.11``.
        findings: What is wrong with it.
    """
    console.print(Text.assemble((file, "bold"), f"   as {_spoken(reader)} on {host} would take it"), soft_wrap=True)
    if not findings:
        console.print(Text("  nothing is wrong with it", style="green"))
        return
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    table.add_column("line", justify="right", overflow="fold")
    table.add_column("setting", style="bold", overflow="fold")
    table.add_column("what is wrong", overflow="fold", ratio=3)
    is_wide = console.width >= WIDE
    if is_wide:
        table.add_column("write instead", overflow="fold", ratio=2)
    for one in findings:
        why = Text.assemble(one.message, (f"\n{one.because}", "dim") if one.because else "")
        instead = Text(one.instead, style="green")
        if one.instead and not is_wide:  # half a column would cut what is to be written in the middle of a word
            why.append_text(Text.assemble("\nwrite instead: ", instead))
        line = ":".join([*([one.file] if one.file else []), str(one.line) if one.line else "-"])
        cells: list[Text | str] = [Text(str(one.kind), style=_STYLES[one.kind]), line, one.name, why]
        table.add_row(*cells, *([instead] if is_wide else []))
    console.print(table)
    counts = Counter(one.kind for one in findings)
    console.print("  " + ", ".join(f"{counts[kind]} {kind}" for kind in Kind if counts[kind]))


def _spoken(reader: str) -> str:
    dialect, flavour, version = split(reader)
    known = registry(dialect, flavour)
    return f"{known.flavour} {version or known.versions[-1]}"


def lint_document(host: str, file: str, reader: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Give the findings as data; the form is described in docs/json.md."""
    dialect, flavour, version = split(reader)
    known = registry(dialect, flavour)
    release = version or known.versions[-1]
    return {
        "schema": SCHEMA,
        "host": host,
        "file": file,
        "dialect": dialect,
        "flavour": known.flavour,
        "version": release,
        "proven": known.is_proven(release),
        "findings": [
            {
                "kind": str(one.kind),
                "name": one.name,
                "file": one.file,
                "line": one.line,
                "message": one.message,
                "because": one.because,
                "instead": one.instead,
            }
            for one in findings
        ],
    }

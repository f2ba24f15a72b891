"""Reports of load tests: shown on a terminal, written as JSON, as a page or for build servers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.errors import UsageError
from deployer.report.junit import junit
from deployer.report.page import page, tables
from deployer.report.verdicts import Run

_STYLES = {"kept": "green", "missed": "red", "inconclusive": "yellow"}


def print_reports(console: Console, documents: Sequence[Mapping[str, Any]]) -> None:
    """Print the objectives of one run, or of two beside each other, and what each page carries.

    Raises:
        UsageError: A document is no report of a load test.
    """
    runs = [Run.of(document) for document in documents]
    for number, run in enumerate(runs):
        which = f"{'AB'[number]}  " if len(runs) > 1 else ""
        console.print(Text.assemble(which, (run.outcome, _STYLES.get(run.outcome, "")), f"  {run.title}"))
    for one in (tables.lines(runs), tables.capacity(runs), tables.advice(runs), tables.units(runs)):
        if one.rows:
            console.print(_printed(one))
    for fact in tables.facts(runs):
        console.print(Text(f"note: {fact}"), soft_wrap=True)


def _printed(one: tables.Table) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    for number, name in enumerate(one.head):
        is_outcome = bool(one.classes) and number == 0
        justify: Literal["left", "right"] = "left" if number in one.words else "right"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=is_outcome)
    for number, row in enumerate(one.rows):
        style = _STYLES.get(one.classes[number], "") if one.classes else ""
        table.add_row(Text(row[0], style), *(Text(cell) for cell in row[1:]))
    return table


def write_reports(path: Path, documents: Sequence[Mapping[str, Any]]) -> None:
    """Write one run, or two, in the form that the file's name asks for: a page, JUnit's XML, else JSON.

    Raises:
        UsageError: It cannot be written, or two runs have no such form.
    """
    text = _text(path, documents)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error.strerror}", where=str(path)) from error


def _text(path: Path, documents: Sequence[Mapping[str, Any]]) -> str:
    if path.suffix.lower() in {".html", ".htm"}:
        return page(documents)
    if len(documents) != 1:
        raise UsageError("two runs can only be written as a page", where=str(path), next_step="--out PAGE.html")
    if path.suffix.lower() == ".xml":
        return junit(Run.of(documents[0]))
    return json.dumps(documents[0], indent=2, ensure_ascii=False) + "\n"

"""A benchmark's runs as a table in Markdown: every run, the median, misses as misses. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from deployer.errors import UsageError
from deployer.verify import Verdict
from deployer.verify.report import short


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure over all runs.

    Attributes:
        name: What was measured.
        wanted: Its bound in words; empty when it is only stated.
        unit: Its unit.
        runs: Its value in each run; None where it was not measured.
        missed: How many runs missed the bound or could not tell.
        decimals: Digits after the point.
    """

    name: str
    wanted: str = ""
    unit: str = ""
    runs: tuple[float | None, ...]
    missed: int = 0
    decimals: int = 0

    def cells(self) -> list[str]:
        """Give the cells of the row."""
        known = [value for value in self.runs if value is not None]
        outcome = "stated" if not self.wanted else "kept" if not self.missed else f"MISSED in {self.missed}"
        middle = self._text(median(known)) if known else "-"
        return [self.name, self.wanted, *(self._text(value) for value in self.runs), middle, self.unit, outcome]

    def _text(self, value: float | None) -> str:
        return "-" if value is None else f"{value:.{self.decimals}f}"


def rows_of(verdicts: Sequence[Verdict]) -> list[Row]:
    """Put the verdicts of several runs of one host side by side: objectives first, then what it could carry."""
    rows = []
    for number, line in enumerate(verdicts[0].lines):
        lines = [verdict.lines[number] for verdict in verdicts]
        metric, name = line.objective.metric, re.sub(r", \d+ req/s$", "", line.objective.name)
        scale, unit, decimals = _shown(metric)
        rows.append(
            Row(
                name=short(name),
                wanted=line.objective.wanted,
                unit=unit,
                runs=tuple(None if each.measured_value is None else each.measured_value * scale for each in lines),
                missed=sum(each.outcome != "kept" for each in lines),
                decimals=decimals,
            )
        )
    for number, capacity in enumerate(verdicts[0].capacity):
        kind = "cached" if capacity.cached else "uncached"
        values = [v.capacity[number].req_per_s if number < len(v.capacity) else None for v in verdicts]
        bound = f"{capacity.connections} connections, ended by {capacity.binding}"
        rows.append(Row(name=short(f"capacity, {kind} {capacity.path} ({bound})"), unit="req/s", runs=tuple(values)))
    shares = [max((phase.cpu_share * 100 for phase in verdict.phases), default=None) for verdict in verdicts]
    rows.append(Row(name="generator's busiest phase", unit="% of a core", runs=tuple(shares)))
    return rows


def markdown(rows: Sequence[Row]) -> str:
    """Give the rows as a table; every row has the same number of runs."""
    runs = max(len(row.runs) for row in rows)
    head = ["", "wanted", *(f"run {number}" for number in range(1, runs + 1)), "median", "unit", "outcome"]
    cells = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    right = range(2, 3 + runs)
    lines = [_line(cells[0], widths, right)]
    lines.append(
        "|" + "|".join("-" * (width + 1) + (":" if n in right else "-") for n, width in enumerate(widths)) + "|"
    )
    lines += [_line(line, widths, right) for line in cells[1:]]
    return "\n".join(lines) + "\n"


def put_into(path: Path, block: str, text: str) -> None:
    """Replace the text between ``<!-- block -->`` and ``<!-- end block -->`` in a file.

    Raises:
        UsageError: The file cannot be read or written, or has no such block.
    """
    begin, end = f"<!-- {block} -->\n", f"<!-- end {block} -->"
    try:
        before, found, rest = path.read_text(encoding="utf-8").partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise UsageError(f"there is no block {block!r} in this file", where=str(path))
        path.write_text(before + begin + text + end + after, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the figures cannot be written: {error.strerror}", where=str(path)) from error


def _shown(metric: str) -> tuple[float, str, int]:
    """Say how a metric is shown: factor, unit, digits after the point."""
    if metric.endswith("_ms"):
        return 1.0, "ms", 1
    if metric.endswith("_share"):
        return 100.0, "%", 1
    return 1.0, "req/s" if metric.endswith("_per_s") else "", 0


def _line(cells: Sequence[str], widths: Sequence[int], right: range) -> str:
    padded = [cell.rjust(widths[n]) if n in right else cell.ljust(widths[n]) for n, cell in enumerate(cells)]
    return "| " + " | ".join(padded) + " |"

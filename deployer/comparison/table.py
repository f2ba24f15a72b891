"""The comparison as a table in Markdown: medians with all runs beside them, and how ours stands. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from deployer.comparison.contenders import OURS, Field
from deployer.comparison.lines import Line, lines_of, standing
from deployer.comparison.measure import Figures, Pace
from deployer.comparison.mysqltuner import RULE

Runs = Mapping[str, Sequence[Figures]]


def table(field: Field, runs: Runs, pace: Pace) -> tuple[str, int]:
    """Write the whole text of the comparison; says in how many lines ours is behind and nobody knows why.

    Args:
        field: All who took part.
        runs: Every run of each, by key.
        pace: How long each part took.
    """
    titles = {one.key: one.title for one in field.contenders}
    connections = field.ground.target.connections
    lines = lines_of(field.rate_per_s, connections, with_worst=pace.worst_s > 0)
    standings = [standing(line, runs, titles, OURS) for line in lines]
    rows = [["", *titles.values(), "deployer is"]]
    for line, found in zip(lines, standings, strict=True):
        name = f"{line.name}, {line.unit}" if line.unit else line.name
        rows.append([name, *(cell(line, runs[key]) for key in titles), found.said])
    behind = sum(found.is_behind and not found.is_explained for found in standings)
    return "\n".join([*_about(field, runs, pace), "", *markdown(rows), ""]), behind


def cell(line: Line, runs: Sequence[Figures]) -> str:
    """Write a contender's figure: the median, all runs in brackets, a star where the load was not carried."""
    values = [line.value(figures) for figures in runs]
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    mark = "" if all(line.counts(figures) for figures in runs) else "*"
    texts = ["-" if value is None else f"{value:.{line.decimals}f}" for value in values]
    whole = f" ({', '.join(texts)})" if len(set(texts)) > 1 else ""
    return f"{median(known):.{line.decimals}f}{mark}{whole}"


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align rows, the first of which is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    aligned = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [aligned[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *aligned[1:]]


def _about(field: Field, runs: Runs, pace: Pace) -> list[str]:
    hardware = field.ground.entry.host.hardware
    advice = field.advice
    size = f"{hardware.cpu_cores} core(s), {hardware.memory_mib} MiB"
    worst = f", the database at its worst for {pace.worst_s:g} s" if pace.worst_s else ""
    lasting = f"held for {pace.hold_s:g} s, each other load for {pace.load_s:g} s{worst}"
    left_out = f"; it names no value in: {'; '.join(advice.left_out)}" if advice.left_out else ""
    warned = f"; it warns: {'; '.join(advice.warnings)}" if advice.warnings else ""
    places = sorted({figures.cpus for found in runs.values() for figures in found})
    equal = (
        "all on the same core" if len(places) == 1 else f"NOT EQUAL: not on the same core each time, but on {places}"
    )
    return [
        f"{size}; {equal}; release {field.release}; {lasting}.",
        "",
        *(f"- {one.title}: {one.settings or 'nothing'} set." for one in field.contenders),
        f"- MySQLTuner {advice.version}'s advice by one rule: {RULE}{left_out}{warned}.",
        "",
        "Medians, with all runs in brackets where they differ. A star: connections were lost or requests failed: the",
        "figure is one of less work, and is not ranked.",
    ]

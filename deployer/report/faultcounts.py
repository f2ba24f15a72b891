"""What the fault sweep found: how many cases of each fault, and how the host was afterwards. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

ENDS = ("old", "new", "old, said unknown", "new, said unknown")
"""How a host can be after a case in order."""
WRONG = "wrong"
NOT_RUN = "not run"


def counted(cases: Iterable[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Count cases.

    Args:
        cases: The fault of each, and how the host was: one of `ENDS`, `WRONG` or `NOT_RUN`.

    Returns:
        By fault, in the order in which they come first, how often the host was what.
    """
    found: dict[str, Counter[str]] = {}
    for fault, host_is in cases:
        found.setdefault(fault, Counter())[host_is] += 1
    return found


def sentence(counts: Iterable[Mapping[str, int]]) -> str:
    """Say it in one line."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    told = [end for end in (*ENDS, WRONG, NOT_RUN) if total[end] or end in ("old", "new", WRONG)]
    return f"{total.total()} cases: {', '.join(f'{total[end]} {end}' for end in told)}"


def table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """Give the counts as a table in Markdown, a line for each fault."""
    head = ("fault", "cases", "old", "new", "said unknown, then old or new", "wrong")
    lines: list[tuple[str, ...]] = [head]
    for fault, of in counts.items():
        unknown = sum(count for end, count in of.items() if end.endswith("unknown"))
        figures = (sum(of.values()), of.get("old", 0), of.get("new", 0), unknown, of.get(WRONG, 0))
        lines.append((fault, *(str(figure) for figure in figures)))
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    rule = "|" + "|".join("-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)) + "|"
    shown = [_line(line, widths) for line in lines]
    return "\n".join([shown[0], rule, *shown[1:]]) + "\n"


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = [
        cell.rjust(width) if column else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"

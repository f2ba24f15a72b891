"""One number's way back as a tree that people look at, and as a document."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from deployer.explain import Step

SCHEMA = "deployer/explain/1"
_COLOURS = {"pinned": "magenta", "declared": "green", "prior": "yellow", "measured": "blue"}


def print_explanation(console: Console, host: str, step: Step) -> None:
    """Print the tree; what stands in it already is not spread out a second time."""
    shown: set[str] = set()
    tree = Tree(_line(step, again=False), guide_style="dim")
    shown.add(step.path)
    _grow(tree, step, shown)
    console.print(Text(host, style="bold"))
    console.print(tree)


def _grow(tree: Tree, step: Step, shown: set[str]) -> None:
    for one in step.inputs:
        again = bool(one.inputs) and one.path in shown
        branch = tree.add(_line(one, again=again))
        shown.add(one.path)
        if not again:
            _grow(branch, one, shown)


def _line(step: Step, *, again: bool) -> Text:
    name = step.path.partition(": ")[2] if step.provenance == "part" else step.path
    value = "left out" if step.value is None else f"{step.value} {step.unit}".strip()
    line = Text.assemble((name, "bold"), f" = {value}")
    kind = step.provenance.partition(",")[0]
    if kind in _COLOURS:
        line.append(f"  {step.provenance}", style=_COLOURS[kind])
    if step.where:
        line.append(f"  {step.where}", style="cyan")
    if again:
        line.append("  (see above)", style="dim")
    elif step.because:
        line.append(f"  {step.because}", style="dim")
    return line


def explain_document(host: str, step: Step) -> dict[str, Any]:
    """Give the tree as data; the form is described in docs/json.md."""
    return {"schema": SCHEMA, "host": host, "setting": step.path, "step": _step(step)}


def _step(step: Step) -> dict[str, Any]:
    return {
        "path": step.path,
        "value": step.value,
        "unit": step.unit,
        "provenance": step.provenance,
        "because": step.because,
        "where": step.where,
        "inputs": [_step(one) for one in step.inputs],
    }

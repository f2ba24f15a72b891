"""Sizes of a machine side by side, as a table and as a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.budget import HostBudget
from deployer.compare import Column, bought
from deployer.declaration import Declaration
from deployer.numbers import Derived

SCHEMA = "deployer/comparison/1"


def print_comparison(console: Console, declaration: Declaration, columns: Sequence[Column]) -> None:
    """Print one table: a column for each size, a row for each thing that it buys."""
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("", overflow="fold")
    for column in columns:
        table.add_column(column.size.name, justify="right", overflow="fold")  # a number cut short is another number
    table.add_row("fits", *(_fits(column) for column in columns), style="bold")
    table.add_row("visitors", *(f"{column.binds[1]}" if column.binds else "" for column in columns))
    table.add_row("  ended by", *(column.binds[0] if column.binds else "" for column in columns))
    table.add_section()
    for taker in dict.fromkeys(taker for column in columns if column.budget for taker in column.budget.grants):
        table.add_row(f"{taker} MiB", *(_granted(column.budget, taker) for column in columns))
    for name, attribute in (("kept back MiB", "reserved_mib"), ("left over MiB", "spare_mib")):
        cells = (str(getattr(column.budget, attribute)) if column.budget else "" for column in columns)
        table.add_row(name, *cells, style="dim")
    table.add_section()
    for taker, name in bought(columns):
        numbers = [_number(column.budget, taker, name) for column in columns]
        unit = next(number.unit for number in numbers if number)
        values = (f"{number.value}" if number else "" for number in numbers)
        table.add_row(Text.assemble(f"{taker}.{name} ", (unit, "dim")), *values)
    visitors = f"to hold {declaration.target.connections} visitors at once"
    console.print(
        Text.assemble((declaration.host, "bold"), f"   {', '.join(declaration.apps) or 'no app'}, {visitors}")
    )
    console.print(table)


def _fits(column: Column) -> Text:
    if column.budget is not None:
        return Text("yes", style="green")
    return Text(f"{column.missing_mib} MiB missing" if column.missing_mib else column.reason, style="red")


def _granted(budget: HostBudget | None, taker: str) -> str:
    return f"{budget.grants[taker].memory_mib}" if budget and taker in budget.grants else ""


def _number(budget: HostBudget | None, taker: str, name: str) -> Derived | None:
    return budget.numbers.get(taker, {}).get(name) if budget else None


def comparison_document(declaration: Declaration, columns: Sequence[Column]) -> dict[str, Any]:
    """Give the comparison as data; the form is described in docs/json.md."""
    names = list(bought(columns))
    return {
        "schema": SCHEMA,
        "host": declaration.host,
        "target": declaration.target.model_dump(),
        "sizes": [_column(column, names) for column in columns],
    }


def _column(column: Column, names: Sequence[tuple[str, str]]) -> dict[str, Any]:
    budget = column.budget
    document: dict[str, Any] = {
        "size": column.size.name,
        "cpu_cores": column.size.cpu_cores,
        "memory_mib": column.size.memory_mib,
        "fits": budget is not None,
        "missing_mib": column.missing_mib,
        "reason": column.reason,
        "binds_first": column.binds[0] if column.binds else None,
        "visitors": column.binds[1] if column.binds else None,
        "reserved_mib": budget.reserved_mib if budget else None,
        "spare_mib": budget.spare_mib if budget else None,
        "granted_mib": {taker: grant.memory_mib for taker, grant in budget.grants.items()} if budget else {},
        "numbers": {},
    }
    for taker, name in names if budget else ():
        number = _number(budget, taker, name)
        if number is not None:
            document["numbers"].setdefault(taker, {})[name] = {"value": number.value, "unit": number.unit}
    return document

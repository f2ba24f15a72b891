"""A budget as a table that adds up before the reader's eyes, and as a document."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.measured import Measured
from deployer.numbers import Derived, Numbers

SCHEMA = "deployer/budget/1"


def print_budget(console: Console, declaration: Declaration, budget: HostBudget, *, all_numbers: bool = False) -> None:
    """Print the ledger, the numbers that matter most, and what ends first.

    Args:
        console: Where to.
        declaration: The host.
        budget: Its budget.
        all_numbers: Print every number with its reason.
    """
    hardware = declaration.hardware
    shape = [f"{hardware.cpu_cores} core" + ("s" if hardware.cpu_cores > 1 else ""), f"{hardware.memory_mib} MiB"]
    shape += [f"{hardware.swap_mib} MiB swap"] if hardware.swap_mib else ["no swap"]
    shape += [f"{hardware.disk_gib} GiB {hardware.disk_kind}"]
    if hardware.bandwidth_mbit_per_s is not None:
        shape.append(f"{hardware.bandwidth_mbit_per_s:g} Mbit/s")
    if hardware.traffic_gb_per_month is not None:
        shape.append(f"{hardware.traffic_gb_per_month} GB a month")
    console.print(Text.assemble((budget.host, "bold"), "   " + ", ".join(shape)))
    console.print(Text(f"{'':{len(budget.host)}}   to hold {declaration.target.connections} visitors at once"))
    console.print(_ledger(declaration, budget))
    console.print(_limits(budget))
    if declaration.measured is not None:
        console.print(_measured(declaration.measured))
    console.print(Text.assemble("  ends first   ", (budget.binds_first, "bold")))
    for name, numbers in (*budget.numbers.items(), ("disk", budget.disk)):
        if all_numbers:
            console.print()
            console.print(_numbers(name, numbers))
    if not all_numbers:
        console.print(Text("\n  every number with its reason: --numbers", style="dim"))


def _ledger(declaration: Declaration, budget: HostBudget) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("memory")
    table.add_column("MiB", justify="right")
    table.add_column("share", min_width=20)
    table.add_column("why", style="dim", overflow="fold")
    whole = budget.usable_mib
    table.add_row("usable", f"{whole}", "", f"0.95 of {declaration.hardware.memory_mib}: what the kernel leaves")
    for reserve in budget.reserves:
        table.add_row(f"  kept for {reserve.name}", f"{reserve.mib}", _bar(reserve.mib, whole, "▒"), reserve.because)
    for taker, grant in budget.grants.items():
        claim = budget.claims[taker]
        parts = " + ".join(f"{name} {mib:.0f}" for name, mib in claim.parts.items())
        if grant.elastic_mib:
            parts += f" + share of the rest {grant.elastic_mib} ({claim.because})"
        table.add_row(
            Text("  " + taker, style="bold"), f"{grant.memory_mib}", _bar(grant.memory_mib, whole, "█"), parts
        )
    table.add_row("  left over", f"{budget.spare_mib}", "", "stays page cache")
    table.add_section()
    together = budget.reserved_mib + budget.granted_mib + budget.spare_mib
    table.add_row("together", f"{together}", "", f"sum of MemoryMax {budget.granted_mib} MiB")
    return table


def _limits(budget: HostBudget) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column("resource")
    table.add_column("carries", justify="right")
    table.add_column("why", style="dim", overflow="fold")
    for name, limit in budget.limits.items():
        table.add_row(name, f"{limit.value} {limit.unit}", limit.because)
    return table


def _measured(measured: Measured) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column(measured.provenance)
    table.add_column("value", justify="right")
    table.add_column("why", style="dim", overflow="fold")
    for place, one in measured.values.items():
        table.add_row(place, f"{one.value:g}", one.because)
    return table


def _numbers(taker: str, numbers: Numbers) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column(taker, style="bold", no_wrap=True)
    table.add_column("value", justify="right")
    table.add_column("from")
    table.add_column("because", style="dim", overflow="fold")
    for name, number in numbers.items():
        table.add_row(name, f"{number.value} {number.unit}".strip(), str(number.provenance), number.because)
    return table


def _bar(part: int, whole: int, sign: str) -> str:
    return sign * max(1, round(20 * part / whole))


def budget_document(declaration: Declaration, budget: HostBudget) -> dict[str, Any]:
    """Give the budget as data; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "host": budget.host,
        "hardware": declaration.hardware.model_dump(),
        "target": declaration.target.model_dump(),
        "usable_mib": budget.usable_mib,
        "reserves": [{"name": one.name, "mib": one.mib, "because": one.because} for one in budget.reserves],
        "grants": {
            taker: {
                "memory_mib": grant.memory_mib,
                "fixed_mib": grant.fixed_mib,
                "elastic_mib": grant.elastic_mib,
                "parts_mib": dict(budget.claims[taker].parts),
            }
            for taker, grant in budget.grants.items()
        },
        "granted_mib": budget.granted_mib,
        "spare_mib": budget.spare_mib,
        "numbers": {
            taker: {name: _number(number) for name, number in numbers.items()}
            for taker, numbers in budget.numbers.items()
        },
        "limits": {name: _number(number) for name, number in budget.limits.items()},
        "disk": {name: _number(number) for name, number in budget.disk.items()},
        "binds_first": budget.binds_first,
        "measured": None
        if declaration.measured is None
        else {
            "date": declaration.measured.date,
            "values": {place: one.value for place, one in declaration.measured.values.items()},
        },
    }


def _number(number: Derived) -> dict[str, Any]:
    return {
        "value": number.value,
        "unit": number.unit,
        "provenance": str(number.provenance),
        "because": number.because,
    }

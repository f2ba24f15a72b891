"""A host's predicted capacity and what a calibration learned, for people and as documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from deployer.calibration import Compared, Learned, Prediction
from deployer.measured import Measured

CAPACITY_SCHEMA = "deployer/capacity/1"
CALIBRATION_SCHEMA = "deployer/calibration/1"


def print_calibration(console: Console, learned: Learned, path: str) -> None:
    """Print what was measured, what it changes in the ledger, and where it was written."""
    table = _table(learned.measured.provenance, "value", "why")
    for place, one in learned.measured.values.items():
        table.add_row(place, f"{one.value:g}", one.because)
    for page in learned.measured.pages:
        table.add_row(f"{page.kind} {page.path}", f"{page.cpu_ms:g} ms", f"{page.kib:g} KiB")
    for what, value in learned.measured.seen.items():
        table.add_row(what, f"{value:g}", "seen, not reckoned with")
    console.print(table)
    ledger = _table("memory, MiB", "before", "with it")
    for taker, grant in learned.budget.grants.items():
        ledger.add_row(taker, str(learned.before.grants[taker].memory_mib), str(grant.memory_mib))
    console.print(ledger)
    console.print(f"written: {path}; the next plan or budget reckons with it", soft_wrap=True, markup=False)


def calibration_document(learned: Learned, path: str, doubts: Sequence[str]) -> dict[str, Any]:
    """Give a calibration as data; the form is described in docs/json.md."""
    return {
        "schema": CALIBRATION_SCHEMA,
        "host": learned.measured.host,
        "file": path,
        "measured": learned.measured.model_dump(mode="json"),
        "grants_mib": {
            taker: {"before": learned.before.grants[taker].memory_mib, "after": grant.memory_mib}
            for taker, grant in learned.budget.grants.items()
        },
        "doubts": list(doubts),
    }


def print_capacity(console: Console, predictions: Sequence[Prediction]) -> None:
    """Print what a host should carry."""
    table = _table("page", "requests/s", "ends first", "why")
    for one in predictions:
        why = one.because if one.calibrated else f"{one.because} (not calibrated)"
        table.add_row(f"{one.page.kind} {one.page.path}", f"{one.req_per_s:.0f}", one.binds, why)
    console.print(table)


def capacity_document(measured: Measured, predictions: Sequence[Prediction], predicted_at: str) -> dict[str, Any]:
    """Give predictions as data; the form is described in docs/json.md."""
    return {
        "schema": CAPACITY_SCHEMA,
        "host": measured.host,
        "measured_on": measured.date,
        "predicted_at": predicted_at,
        "pages": [_page(one) for one in predictions],
    }


def with_outcome(document: dict[str, Any], compared: Sequence[Compared]) -> dict[str, Any]:
    """Add what was then measured to a prediction's document; the prediction stays as it was."""
    pages = [
        {
            **page,
            "measured_req_per_s": round(one.measured_req_per_s, 1),
            "processor_share": round(one.processor_share, 4),
            "off_share": round(one.off_share, 4),
            "is_disturbed": one.is_disturbed,
        }
        for page, one in zip(document["pages"], compared, strict=True)
    ]
    return {**document, "pages": pages}


def _page(one: Prediction) -> dict[str, Any]:
    return {
        "path": one.page.path,
        "kind": one.page.kind,
        "kib": round(one.page.kib, 2),
        "cpu_ms": round(one.cpu_ms, 4),
        "req_per_s": round(one.req_per_s, 1),
        "binds": one.binds,
        "calibrated": one.calibrated,
        "because": one.because,
    }


def _table(first: str, *others: str) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, padding=(0, 1))
    table.add_column(first, overflow="fold")
    for name in others:
        numeric = name in ("value", "before", "with it", "requests/s")
        table.add_column(
            name, justify="right" if numeric else "left", style="dim" if name == "why" else "", overflow="fold"
        )
    return table

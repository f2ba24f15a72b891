"""The load test of a host as a task runs it: its verdict printed, and turned into an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deployer.errors import UsageError
from deployer.inventory import Entry


def run_verify(entry: Entry, *, quiet: bool) -> tuple[dict[str, Any], int]:
    """Placeholder until verify lands."""
    raise NotImplementedError


def write_report(path: Path, document: dict[str, Any]) -> None:
    """Write a report.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error.strerror}", where=str(path)) from error

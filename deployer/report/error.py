"""An error as a document, for scripts that asked for one with ``--json``."""

from __future__ import annotations

from typing import Any

from deployer.errors import DeployerError, InventoryError

SCHEMA = "deployer/error/1"


def error_document(error: DeployerError) -> dict[str, Any]:
    """Give an error as data; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "kind": type(error).__name__,
        "exit_code": error.exit_code,
        "message": error.message,
        "problems": list(error.problems) if isinstance(error, InventoryError) else [],
        "where": error.where,
        "host_state": error.host_state,
        "next_step": error.next_step,
    }

"""What the committed transactions left: owned files, the inputs that each unit runs with, commands done once."""

from __future__ import annotations

import json
from typing import Any

from . import durable, places
from .refusal import Refusal


def load() -> dict[str, Any]:
    """Return the manifest: `units`, `owned`, `done`, `last_transaction`; empty before the first commit.

    Raises:
        Refusal: It is there and cannot be read: nothing may be guessed about what is ours.
    """
    try:
        with open(places.at(places.MANIFEST), encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
    except FileNotFoundError:
        return {"units": {}, "owned": {}, "done": [], "last_transaction": None}
    except (OSError, ValueError) as error:
        raise Refusal("fault", f"{places.MANIFEST} cannot be read: {error}") from error
    return found


def after(plan: dict[str, Any], transaction: str) -> dict[str, Any]:
    """Return the manifest as it is once this plan is committed."""
    found = load()
    units, owned, done = dict(found["units"]), dict(found["owned"]), list(found["done"])
    for entry in plan.get("files", ()):
        wanted = entry["after"]
        if wanted["kind"] == "absent":
            owned.pop(entry["path"], None)
        else:
            owned[entry["path"]] = wanted["sha256"] if wanted["kind"] == "file" else f"link:{wanted['target']}"
    for entry in plan.get("activations", ()):
        if entry["kind"] == "stop":
            units.pop(entry["unit"], None)
        if entry["kind"] == "command" and entry.get("once") and entry["once"] not in done:
            done.append(entry["once"])
    units.update(plan.get("record_units") or {})
    return {"units": units, "owned": owned, "done": done, "last_transaction": transaction}


def save(document: dict[str, Any]) -> None:
    """Replace the manifest, durably."""
    durable.write_document(places.at(places.MANIFEST), document)

"""What the committed transactions left: owned files and their modes, what each unit runs with, commands done once."""

from __future__ import annotations

import json
from typing import Any, Sequence

from . import durable, places, secretfiles, treestate
from .refusal import Refusal


def load() -> dict[str, Any]:
    """Return the manifest; empty before any commit.

    Returns:
        `units`, `owned`, `modes`, `done`, `sysctls`, `refused_sysctls` and `last_transaction`.

    Raises:
        Refusal: It is there and cannot be read: nothing may be guessed about what is ours.
    """
    try:
        with open(places.at(places.MANIFEST), encoding="utf-8") as stream:
            found: dict[str, Any] = json.load(stream)
    except FileNotFoundError:
        nothing: dict[str, Any] = {"units": {}, "owned": {}, "modes": {}, "done": [], "sysctls": {}}
        return {**nothing, "refused_sysctls": {}, "last_transaction": None}
    except (OSError, ValueError) as error:
        raise Refusal("fault", f"{places.MANIFEST} cannot be read: {error}") from error
    return found


def compare(plan: dict[str, Any]) -> None:
    """Refuse a plan that was made before the host's last transaction.

    Raises:
        Refusal: Kind `outdated`.
    """
    if "last_transaction" not in plan:
        return
    now = load()["last_transaction"]
    if plan["last_transaction"] != now:
        raise Refusal(
            "outdated",
            f"the plan was made when {plan['last_transaction'] or 'nothing'} was the last deploy; now it is {now}",
            next="make the plan again and look at it",
        )


def after(
    plan: dict[str, Any],
    transaction: str,
    refused_sysctls: dict[str, str],
    back_to: dict[str, Any] | None = None,
    noted_sysctls: Sequence[dict[str, str]] = (),
) -> dict[str, Any]:
    """Return the manifest as it is once this plan is committed.

    Args:
        plan: The plan.
        transaction: Its transaction's id.
        refused_sysctls: Values that the kernel did not take, by name: asked for again only when they change.
        back_to: The manifest of the transaction that the plan goes back to, if it is such a plan.
        noted_sysctls: What the kernel's settings were before the transaction: `name` and `before`.
    """
    found = load()
    if back_to is not None:  # what was done once stays done: no way back runs a migration backwards
        done = [*back_to["done"], *(key for key in found["done"] if key not in back_to["done"])]
        kept = {name: back_to.get(name, {}) for name in ("units", "owned", "modes", "sysctls")}
        return {**found, **kept, "done": done, "last_transaction": transaction}
    units, owned, done = dict(found["units"]), dict(found["owned"]), list(found["done"])
    modes = dict(found.get("modes", {}))
    for entry in plan.get("files", ()):
        path, wanted = entry["path"], entry["after"]
        modes.pop(path, None)
        if wanted["kind"] == "absent":
            owned.pop(path, None)
        else:
            owned[path] = _record(path, wanted)
        if wanted["kind"] == "file":
            modes[path] = mode_of(wanted)
    for entry in plan.get("activations", ()):
        if entry["kind"] == "stop":
            units.pop(entry["unit"], None)
        if entry["kind"] == "command" and entry.get("once") and entry["once"] not in done:
            done.append(entry["once"])
    for entry in plan.get("units") or ():
        units[entry["unit"]] = {name: entry[name] for name in ("restart_hash", "reload_hash")}
    asked = {entry["name"] for entry in plan.get("sysctls", ())}
    refused = {name: value for name, value in found.get("refused_sysctls", {}).items() if name not in asked}
    return {
        "units": units,
        "owned": owned,
        "modes": modes,
        "done": done,
        "sysctls": _sysctls(found.get("sysctls", {}), plan, refused_sysctls, noted_sysctls),
        "refused_sysctls": {**refused, **refused_sysctls},
        "last_transaction": transaction,
    }


def _sysctls(
    kept: dict[str, dict[str, str]],
    plan: dict[str, Any],
    refused: dict[str, str],
    noted: Sequence[dict[str, str]],
) -> dict[str, dict[str, str]]:
    """Record each setting that is ours: its `value`, and the `former` one, before the first deploy that set it."""
    before = {note["name"]: note["before"] for note in noted}
    found = dict(kept)
    for entry in plan.get("sysctls", ()):
        name = entry["name"]
        if name in before and name not in refused:
            former = kept.get(name, {}).get("former", before[name])
            found[name] = {"value": entry["value"], "former": former}
    wanted = plan.get("sysctls_wanted")  # an older control machine does not tell
    return found if wanted is None else {name: found[name] for name in found if name in wanted}


def _record(path: str, wanted: dict[str, Any]) -> str | None:
    """Name the content that a path has from now on; of a secret, which is live by now, by its mark."""
    if wanted["kind"] == "link":
        return f"link:{wanted['target']}"
    if secretfiles.is_secret(path):
        found: str | None = treestate.state_of(path).get("mark")
        return found
    return str(wanted["sha256"])


def mode_of(state: dict[str, Any]) -> str:
    """Give a file's mode and owners in one word: ``0644 root:root``."""
    return f"{treestate.octal(state['mode']):04o} {state['owner']}:{state['group']}"


def save(document: dict[str, Any]) -> None:
    """Replace the manifest, durably."""
    durable.write_document(places.at(places.MANIFEST), document)

"""One path's state on the host against the one that is wanted, and the difference as text."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Mapping
from typing import Any

from deployer.masking import masked
from deployer.plan.changes import Change
from deployer.plan.desired import Item

State = Mapping[str, Any]
#: What is answered for us alone; a proof in a plan that is kept would let a weak secret be guessed.
_TOLD_ONLY = ("content", "proof", "settled")
#: The two lines that name the files; what follows may begin with the same signs.
HEAD_LINES = 2
COMPARED = ("sha256", "mode", "owner", "group", "target")


def is_as_wanted(seen: State, wanted: State) -> bool:
    """Say whether a path is as wanted: kind, content, mode and owner, or the target of a link."""
    if seen.get("kind", "absent") != wanted["kind"]:
        return False
    return all(seen.get(key) == wanted[key] for key in COMPARED if key in wanted)


def stands(item: Item, seen: State) -> bool:
    """Say whether nothing has to be done for a path; a secret must also be the one that the last deploy put there.

    One that was changed since, be it to what is wanted now, was not read yet by who runs with it.
    """
    if not is_as_wanted(seen, item.after):
        return False
    return not item.source or bool(item.proof and seen.get("proof") == item.proof and seen.get("settled"))


def state_before(seen: State) -> dict[str, Any]:
    """Give what the agent compares with before it changes anything: the state that the plan was made for."""
    return {key: value for key, value in seen.items() if key not in _TOLD_ONLY} or {"kind": "absent"}


def difference(item: Item, seen: State) -> Change:
    """Describe one change of a path, with a diff where there is text on both sides."""
    kind = seen.get("kind", "absent")
    if item.source or "mark" in seen:
        return _secret(item, kind)
    if item.after["kind"] == "absent":
        return Change("file", "remove", item.path, "no longer wanted")
    if item.after["kind"] == "link":
        because = f"now {seen.get('target', kind)}" if kind != "absent" else ""
        return Change(
            "file", "change" if kind != "absent" else "add", f"{item.path} -> {item.after['target']}", because
        )
    text = (item.content or b"").decode("utf-8", "replace")
    if kind == "absent":
        return Change("file", "add", item.path, diff=_diff("", text, item.path))
    if kind != "file":
        return Change("file", "change", item.path, f"now a {kind}", diff=_diff("", text, item.path))
    because = ", ".join(
        f"{key} {seen.get(key)} becomes {item.after[key]}"
        for key in ("mode", "owner", "group")
        if seen.get(key) != item.after[key]
    )
    before = text_of(seen)
    return Change("file", "change", item.path, because, diff="" if before is None else _diff(before, text, item.path))


def _secret(item: Item, kind: str) -> Change:
    """Describe the change of a secret, which is all that anybody is told of it."""
    if item.after["kind"] == "absent":
        return Change("secret", "remove", item.path, "no longer wanted")
    because = f"from {item.source}" if item.source else ""
    return Change("secret", "create" if kind == "absent" else "change", item.path, because)


def text_of(seen: State) -> str | None:
    """Give the text that the host told of a file; None if it told none."""
    content = seen.get("content")
    if not isinstance(content, str):
        return None
    return base64.b64decode(content).decode("utf-8", "replace")


def _diff(before: str, after: str, path: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"{path} (host)", f"{path} (plan)"
    )
    # what others wrote by hand may hold a secret; our own lines hold none
    shown = (
        line if number < HEAD_LINES or line.startswith(("+", "@@")) else masked(line)
        for number, line in enumerate(lines)
    )
    return "".join(line if line.endswith("\n") else line + "\n" for line in shown)

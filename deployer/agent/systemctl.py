"""Orders to systemd, each with a time limit and its own words when it fails."""

from __future__ import annotations

from typing import Callable

from . import command
from .refusal import Refusal

ORDER_TIMEOUT_S = 120.0


def order(*words: str, timeout_s: float = ORDER_TIMEOUT_S, check: Callable[[float], None] | None = None) -> None:
    """Run `systemctl` with these words.

    Raises:
        Refusal: Kind `activation`, with what the unit itself said last.
    """
    result = command.run(["systemctl", "--no-ask-password", *words], timeout_s=timeout_s, check=check)
    if result.ok:
        return
    how = "took too long" if result.timed_out else f"ended with status {result.status}"
    unit = words[-1]
    detail = result.output if words[0] == "daemon-reload" else f"{result.output}\n\n{last_words(unit)}"
    raise Refusal("activation", f"systemctl {' '.join(words)} {how}", detail=detail.strip())


def last_words(unit: str) -> str:
    """Return a unit's state and the last lines of its log, for the error text."""
    status = command.run(["systemctl", "status", "--no-pager", "--full", "--lines=0", unit], timeout_s=20).output
    command.run(["journalctl", "--sync"], timeout_s=20)  # what it said a moment ago is still on its way
    log = ["journalctl", "--no-pager", "--quiet", "--boot", "--output=cat", "--lines=20", f"--unit={unit}"]
    said = command.run(log, timeout_s=20).output
    return f"{status}\n{said}".strip()


def forget_failures(unit: str) -> None:
    """Let a unit start again that systemd has given up on; one that did not fail is not an error."""
    command.run(["systemctl", "reset-failed", unit], timeout_s=20)

"""How the sandbox tells what it is doing: one plain line at a time, to whoever passed ``say``."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], object]


def silent(_line: str) -> None:
    """Say nothing."""

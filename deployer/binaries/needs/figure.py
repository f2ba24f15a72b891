"""One measured figure, and the version of the program that it was measured of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.sandbox import Inside


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured once.

    Attributes:
        name: The program with its version, and what was measured of it.
        value: The figure.
        unit: Its unit.
    """

    name: str
    value: float
    unit: str = "MiB"


def version(place: Inside, words: Sequence[str]) -> str:
    """Give the version that a program says of itself, in numbers and points."""
    found = re.search(r"\d+(?:\.\d+)+", place.run(words).text)
    return found[0] if found else "?"

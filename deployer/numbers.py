"""Numbers: every value of a config with its unit, where it comes from and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Provenance(StrEnum):
    """Where a number comes from."""

    PINNED = "pinned"
    DERIVED = "derived"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Derived:
    """One number of a config.

    Attributes:
        value: The value as the server is given it.
        unit: Unit of the value ("MiB", "s", "connections"), empty for a plain count.
        provenance: Pinned by the user, derived from the hardware, or a default.
        because: The arithmetic or the reason, in words.
        inputs: What the arithmetic starts from, by path: ``hardware.cpu_cores``, ``target.connections``,
            ``priors.nginx_slot_kib``, ``ledger.mysql``, ``mysql.max_connections``; ``explain`` follows them.
    """

    value: int | float | str | bool
    unit: str
    provenance: Provenance
    because: str
    inputs: tuple[str, ...] = ()


Numbers = Mapping[str, Derived]


def derived(value: float | str, unit: str, because: str, *inputs: str) -> Derived:
    """Make what most numbers are: derived from the declaration, by what stands at ``inputs``."""
    return Derived(value, unit, Provenance.DERIVED, because, inputs)


def pinned(value: float | str, unit: str, where: str) -> Derived:
    """Make the number that a user wrote down, at ``where`` of the host's entry."""
    return Derived(value, unit, Provenance.PINNED, f"the inventory says so ({where})", (where,))


def default(value: float | str, unit: str, because: str) -> Derived:
    """Make a number that is the same on every host."""
    return Derived(value, unit, Provenance.DEFAULT, because)

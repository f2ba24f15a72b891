"""Units: format and round quantities. Every quantity in deployer has its unit in its name; 1 MiB is 2**20 bytes."""

from __future__ import annotations

from math import ceil, floor


def round_up(value: float, step: int) -> int:
    """Round ``value`` up to a whole multiple of ``step``."""
    return ceil(value / step) * step


def round_down(value: float, step: int) -> int:
    """Round ``value`` down to a whole multiple of ``step``."""
    return floor(value / step) * step

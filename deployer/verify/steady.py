"""When a page is warm: caches are full, pools are open, and each window looks like the one before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from deployer.verify.measured import Measured

#: So many windows in a row have to be alike.
ALIKE: Final = 3
#: In rate and in P95 they may differ by this share of the largest.
ALIKE_SHARE: Final = 0.1
#: Below this P95 differs by chance alone, ms.
SHORT_MS: Final = 2.0


def is_steady(windows: Sequence[Measured]) -> bool:
    """Tell whether the last three windows differ by at most 10 % in rate and P95 (or P95 is below 2 ms)."""
    last = windows[-ALIKE:]
    if len(last) < ALIKE or any(window.p95_ms is None for window in last):
        return False
    rates = [window.req_per_s for window in last]
    times = [window.p95_ms or 0.0 for window in last]
    return _alike(rates) and (_alike(times) or max(times) <= SHORT_MS)


def still_warming(windows: Sequence[Measured]) -> str:
    """Say that a page was still getting faster when it was no longer waited for; nothing when it merely varied.

    A page that gets faster would have done better later, so its misses are in doubt. One that varies without a
    direction does so under load too.
    """
    if len(windows) <= ALIKE or is_steady(windows):
        return ""
    *before, last = windows[-ALIKE - 1 :]
    usual = sum(window.req_per_s for window in before) / ALIKE
    if last.req_per_s <= (1 + ALIKE_SHARE) * usual:
        return ""
    trend = ", ".join(f"{window.req_per_s:.0f}" for window in windows[-ALIKE - 1 :])
    return f"{last.path} was still getting faster when the load began ({trend} requests/s)"


def _alike(values: Sequence[float]) -> bool:
    return max(values) - min(values) <= ALIKE_SHARE * max(values)

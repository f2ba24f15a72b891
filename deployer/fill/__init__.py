"""The fill test: every service of a host driven to its worst case at the same time, and what it really needed.

It is what the budget's predictions are held against. It writes and drops a database, fills caches and lifts limits, so
it is for local VPSes alone.
"""

from __future__ import annotations

from deployer.fill.run import Filled, Taken, fill
from deployer.fill.visit import Seen

__all__ = ["Filled", "Seen", "Taken", "fill"]

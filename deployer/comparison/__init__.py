"""The example blog side by side: Debian's defaults, what articles repeat, MySQLTuner's advice, and a deploy of ours.

    with contenders(Ground.beside(entry)) as field:
        runs = compare(field, runs=3, pace=Pace.of(30))
        text, behind = table(field, runs, Pace.of(30))

For local VPSes alone: hosts are made, driven until the kernel kills, and taken away. ``configs/rivals.toml`` says what
each rival sets; ``claims`` holds single claims of articles against what is measured on such a host.
"""

from __future__ import annotations

from deployer.comparison.contenders import Contender, Field, contenders
from deployer.comparison.ground import Ground
from deployer.comparison.measure import Figures, Pace, measure
from deployer.comparison.rounds import compare, rotated
from deployer.comparison.table import table

__all__ = ["Contender", "Field", "Figures", "Ground", "Pace", "compare", "contenders", "measure", "rotated", "table"]

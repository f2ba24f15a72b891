"""What holds for every load test, in the words of `slo.abort` and `slo.valid`. Pure.

A host's own lines come on top of these. They can end a load sooner and ask more of a test, never switch these off.
"""

from __future__ import annotations

from typing import Final

from deployer.objectives import Criterion, parse

#: What ends a load at once. A share of errors counts from ten errors on: two of three requests are no storm.
SAFETY: Final = (
    parse("host.oom_kills > 0", "abort"),
    parse("host.mem > 96%", "abort"),
    parse("errors > 5%", "abort"),
    parse("host.silent > 1.8s", "abort"),
    parse("sampler.silent > 6s", "abort"),
)
ERRORS_LEAST: Final = 10
#: What makes a miss in a phase the generator's, a neighbour's or the link's rather than the host's. It can only have
#: made a figure worse, so one that is good all the same stays kept.
SOUND: Final = (
    parse("gen.cpu < 90%", "valid"),
    parse("gen.late.p99 <= 5ms", "valid"),
    parse("gen.errors == 0", "valid"),
    parse("host.steal <= 5%", "valid"),
    parse("host.neighbour <= 10%", "valid"),
    parse("net.util < 90%", "valid"),
)
_BY_NAME: Final = {each.left: each for each in SOUND}


def sound(name: str) -> Criterion:
    """Give the line of ``SOUND`` about something, as ``gen.cpu``."""
    return _BY_NAME[name]

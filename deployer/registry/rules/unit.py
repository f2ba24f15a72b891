"""What systemd makes of keys together, and of the programs that a unit starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deployer.dialects import Statement
from deployer.dialects.values import systemd_size
from deployer.registry.finding import Finding, Kind
from deployer.registry.known import Registry, registry

_WHOLE = 1024**4


def gunicorn_flags(statements: Sequence[Statement], _known: Registry, _version: str) -> Iterator[Finding]:
    """Find options that gunicorn does not have: it ends with code 2 and the unit never starts."""
    known = registry("gunicorn")
    flags = {flag for setting in known.settings.values() for flag in setting.flags} | {"--help", "--version"}
    for one in statements:
        if one.name != "ExecStart" or not re.search(r"(^|/)gunicorn(\s|$)", one.value or ""):
            continue
        for flag in re.findall(r"\s(--[a-z][a-z0-9-]*)", one.value or ""):
            if flag not in flags and not any(other.startswith(flag) for other in flags):
                message = f"gunicorn has no option {flag}: it ends with code 2, the unit never starts"
                yield Finding(Kind.FATAL, flag, one.line, message, known.source(known.versions[-1]))


def memory_order(statements: Sequence[Statement], _known: Registry, _version: str) -> Iterator[Finding]:
    """Find a MemoryHigh that MemoryMax makes meaningless."""
    last = {one.name: one for one in statements if one.context == ("Service",)}
    high, most = last.get("MemoryHigh"), last.get("MemoryMax")
    if high is None or most is None:
        return
    try:
        pointless = systemd_size(high.value or "", _WHOLE) >= systemd_size(most.value or "", _WHOLE) < float("inf")
    except ValueError:
        return
    if pointless:
        message = f"MemoryHigh={high.value} is never reached: MemoryMax={most.value} kills first"
        yield Finding(Kind.MISREAD, "MemoryHigh", high.line, message, "systemd.resource-control(5)")


RULES = (gunicorn_flags, memory_order)

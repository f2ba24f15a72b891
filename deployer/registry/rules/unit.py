"""What systemd makes of keys together, and of the programs that a unit starts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deployer.dialects import Statement
from deployer.dialects.unit import effective
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


def starts(statements: Sequence[Statement], _known: Registry, _version: str) -> Iterator[Finding]:
    """Find a second program that only a oneshot may have; of a drop-in nobody knows what it is put on."""
    commands = effective(tuple(statements), "Service", "ExecStart")
    is_whole = any(one.context in {("Unit",), ("Install",)} for one in statements)
    kind = next((one.value for one in reversed(statements) if (one.name, one.context) == ("Type", ("Service",))), None)
    if len(commands) > 1 and kind != "oneshot" and (is_whole or kind is not None):
        message = "only Type=oneshot may have more than one: systemd does not load the unit"
        because = "measured with systemd-analyze verify of 252 and 257"
        yield Finding(
            Kind.FATAL, "ExecStart", commands[1].line, message, because, "ExecStart= before it empties the list"
        )


def folder(statements: Sequence[Statement], _known: Registry, _version: str) -> Iterator[Finding]:
    """Find a working directory that is not absolute."""
    for one in statements:
        place = (one.value or "").removeprefix("-")
        if one.name == "WorkingDirectory" and one.context == ("Service",) and place and place[0] not in "/~%":
            message = "it is no absolute path: systemd does not start the unit"
            because = "measured with systemd-analyze verify of 252 and 257"
            yield Finding(Kind.FATAL, one.name, one.line, message, because)


RULES = (gunicorn_flags, memory_order, starts, folder)

"""What units wrote to the journal, line by line as it is read; with `follow` until told to stop."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
from typing import Any, Callable

from . import command, manifest, unitstate
from .refusal import Refusal

MOST_LINES = 5000
#: Of one line no more is told, bytes; of all together: the control machine may be on a slow link.
LINE_LIMIT_BYTES = 8 << 10
ALL_LIMIT_BYTES = 64 << 20
#: Between two looks at whether the control machine wants more, s.
LOOK_EVERY_S = 0.5
_SINCE = re.compile(r"[0-9A-Za-z :+-]{1,40}")

Document = dict[str, Any]


def run(request: Document, emit: Callable[[Document], None], stopped: Callable[[float], bool]) -> Document:
    """Answer a `logs` request by `line` events.

    Args:
        request: `units` (none: all that deploys recorded), `lines`, `since` (in journalctl's words), `follow`.
        emit: Takes each event.
        stopped: Waits up to so many seconds and says whether it is over.

    Raises:
        Refusal: A unit's name or a time that cannot be asked for, or there is no journalctl.
    """
    lines = max(1, min(MOST_LINES, int(request.get("lines") or 100)))
    argv = ["journalctl", "--no-pager", "--quiet", "--output", "short-iso", "--lines", str(lines)]
    since = request.get("since")
    if since:
        if not isinstance(since, str) or not _SINCE.fullmatch(since):
            raise Refusal(
                "unsupported", f"not a time that can be asked for: {since!r}", next="as in: -1h, 2026-05-01 12:00"
            )
        argv.append(f"--since={since}")
    if request.get("follow"):
        argv.append("--follow")
    for unit in request.get("units") or sorted(manifest.load()["units"]):
        if not isinstance(unit, str) or not unitstate.is_name(unit):
            raise Refusal("unsupported", f"not a unit's name: {unit!r}")
        argv.append(f"--unit={unit}")
    source, sink = os.pipe()
    try:
        reader = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT, env=unitstate.environment()
        )
    except OSError as error:
        os.close(source)
        raise Refusal("unsupported", f"journalctl cannot be run: {error.strerror}") from error
    finally:
        os.close(sink)
    try:
        return {"lines": _tell(source, emit, stopped)}
    finally:
        os.close(source)
        reader.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            reader.wait(command.KILLED_WITHIN_S)


def _tell(source: int, emit: Callable[[Document], None], stopped: Callable[[float], bool]) -> int:
    left_bytes, told, begun = ALL_LIMIT_BYTES, 0, b""
    while left_bytes > 0 and not stopped(0):
        if not select.select([source], [], [], LOOK_EVERY_S)[0]:
            continue
        data = os.read(source, 64 << 10)
        if not data:
            break
        left_bytes -= len(data)
        *whole, begun = (begun + data).split(b"\n")
        begun = begun[:LINE_LIMIT_BYTES]
        for line in whole:
            emit({"event": "line", "text": line[:LINE_LIMIT_BYTES].decode("utf-8", "replace")})
            told += 1
    return told

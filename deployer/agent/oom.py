"""What was killed for want of memory: from the kernel's log, from systemd's, and from the counters of control groups.

The kernel's log tells most; a container has none of its own. systemd's tells which unit. The counters tell how often
since the unit was started, and nothing about when.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterable, Iterator, List, Optional

from . import cgroups, manifest, unitstate
from .refusal import Refusal

Document = Dict[str, Any]

#: Older than this is not looked at unless asked for, in journalctl's words.
SINCE = "-7d"
#: So many lines of a journal at most, the newest; so many kills are told.
MOST_LINES, MOST_KILLS = 20_000, 200
READ_TIMEOUT_S = 60.0
_SINCE = re.compile(r"[0-9A-Za-z :+-]{1,40}")
#: systemd: the kernel's OOM killer killed a process of a unit; a unit failed with a result; its main process ended.
_KILLED_IN_UNIT = "fe6faa94e7774663a0da52717891d8ef"
_UNIT_FAILED = "d9b373ed55a64feb8242e02dbe79a49c"
_PROCESS_ENDED = "98e322203f7a4ed290d09fe03c09fe15"
_USAGE = re.compile(r"memory: usage (\d+)kB, limit (\d+)kB")
_CHOSEN = re.compile(
    r"oom-kill:constraint=(\w+),.*?(?:oom_memcg=([^,]*),)?task_memcg=([^,]*),task=(.*),pid=(\d+),uid=\d+"
)
_KILLED = re.compile(r"[Kk]illed process (\d+) \((.*)\),? .*?anon-rss:(\d+)kB.*?shmem-rss:(\d+)kB")


def run(request: Document) -> Document:
    """Answer an `oom` request; changes nothing.

    Args:
        request: `since`, in journalctl's words.

    Raises:
        Refusal: A time that cannot be asked for.
    """
    since = request.get("since") or SINCE
    if not isinstance(since, str) or not _SINCE.fullmatch(since):
        raise Refusal(
            "unsupported", "not a time that can be asked for: %r" % (since,), next="as in: -1h, 2026-05-01 12:00"
        )
    kernel = _journal(since, "_TRANSPORT=kernel")
    systemd = _journal(since, *("MESSAGE_ID=" + one for one in (_KILLED_IN_UNIT, _UNIT_FAILED, _PROCESS_ENDED)))
    units = sorted(manifest.load()["units"])
    return {
        "kernel_log": bool(kernel),
        "kills": list(kills_of_kernel(kernel or []))[-MOST_KILLS:],
        "told_by_systemd": list(told_by_systemd(systemd or []))[-MOST_KILLS:],
        "units": {unit: _unit(unit) for unit in units},
    }


def kills_of_kernel(lines: Iterable[Document]) -> Iterator[Document]:
    """Put the kernel's lines about each kill together.

    Args:
        lines: Of the journal, the oldest first.

    Yields:
        `at_s` (since 1970), `process`, `pid`, `anonymous_mib` that it held, `group` that it was in, `full_group` whose
        limit was reached (None: the whole host had nothing left), `held_mib` and `limit_mib` of that group.
    """
    usage: Optional[Any] = None
    chosen: Optional[Any] = None
    for line in lines:
        message = line.get("MESSAGE")
        if not isinstance(message, str):
            continue
        usage = _USAGE.search(message) or usage
        chosen = _CHOSEN.search(message) or chosen
        killed = _KILLED.search(message)
        if killed is None:
            continue
        in_group = chosen is not None and chosen.group(1) == "CONSTRAINT_MEMCG" and chosen.group(5) == killed.group(1)
        yield {
            "at_s": _at_s(line),
            "process": killed.group(2),
            "pid": int(killed.group(1)),
            "anonymous_mib": round((int(killed.group(3)) + int(killed.group(4))) / 1024, 1),
            "group": chosen.group(3) if chosen and chosen.group(5) == killed.group(1) else "",
            "full_group": (chosen.group(2) or chosen.group(3)) if chosen and in_group else None,
            "held_mib": round(int(usage.group(1)) / 1024, 1) if usage and in_group else None,
            "limit_mib": round(int(usage.group(2)) / 1024, 1) if usage and in_group else None,
        }
        usage = chosen = None


def told_by_systemd(lines: Iterable[Document]) -> Iterator[Document]:
    """Give what systemd says of units whose processes were killed: `at_s`, `unit`, `how` (`oom-kill` or `SIGKILL`)."""
    for line in lines:
        kind, unit = line.get("MESSAGE_ID"), line.get("UNIT")
        if not isinstance(unit, str):
            continue
        if kind == _KILLED_IN_UNIT or (kind == _UNIT_FAILED and line.get("UNIT_RESULT") == "oom-kill"):
            yield {"at_s": _at_s(line), "unit": unit, "how": "oom-kill"}
        elif kind == _PROCESS_ENDED and line.get("EXIT_CODE") == "killed" and line.get("EXIT_STATUS") in ("9", "KILL"):
            yield {"at_s": _at_s(line), "unit": unit, "how": "SIGKILL"}


def _unit(unit: str) -> Document:
    told = unitstate.properties([unit], ("Id", "ControlGroup", "NRestarts", "Result"))[unit]
    path = told.get("ControlGroup", "")
    group = cgroups.Group(path, cgroups.version()) if path else None
    memory = group.memory() if group else {}
    return {
        "kills_since_start": group.oom_kills() if group else None,
        "anonymous_mib": memory.get("anonymous_mib"),
        "peak_mib": memory.get("peak_mib"),
        "limit_mib": memory.get("limit_mib"),
        "restarts": int(told.get("NRestarts") or 0),
        "result": told.get("Result", ""),
    }


def _journal(since: str, *matches: str) -> Optional[List[Document]]:
    """Read lines of the journal, the oldest first; None where there is no journalctl or it hangs."""
    argv = ["journalctl", "--quiet", "--no-pager", "--output=json", "--since=" + since, "--lines=%d" % MOST_LINES]
    argv.append("--output-fields=MESSAGE,MESSAGE_ID,UNIT,UNIT_RESULT,EXIT_CODE,EXIT_STATUS")
    text = unitstate.output([*argv, *matches], timeout_s=READ_TIMEOUT_S)
    return None if text is None else list(_documents(text))


def _documents(text: str) -> Iterator[Document]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def _at_s(line: Document) -> float:
    stamp = str(line.get("__REALTIME_TIMESTAMP", ""))
    return int(stamp) / 1e6 if stamp.isdigit() else 0.0

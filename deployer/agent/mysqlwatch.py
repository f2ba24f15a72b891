"""mysqlwatch: what a database server does over a while: counters, settings, sizes, statements. Changes nothing.

Bounded in time (the window, and some seconds) and in memory: only what is asked for by name is told, lists are short,
statements are told without the values in them.
"""

from __future__ import annotations

import glob
import re
from typing import Any, Callable, Dict, Iterator, List, Tuple

from . import mysqlclient, mysqlstatements, sample, textfiles, unitstate
from .refusal import Refusal

Document = Dict[str, Any]

TIMEOUT_S = 20.0
LONGEST_S = 300.0
#: What is being run is looked at so often in the window at the most, and every so many seconds.
MOST_LOOKS, LOOK_EVERY_S = 240, 0.25
LONGEST = 200
#: The statement that looks at the sizes of all tables may take so long, s.
SIZES_S = 10
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
#: How each server limits a statement of this session.
LIMITS = {"mariadb": "SET SESSION max_statement_time = %d;\n", "mysql": "SET SESSION max_execution_time = %d000;\n"}
PROGRAMS = {"mariadb": "mariadbd", "mysql": "mysqld"}

_SIZES = """\
SELECT 'size', TABLE_SCHEMA, COALESCE(ENGINE, ''), COUNT(*), SUM(DATA_LENGTH), SUM(INDEX_LENGTH)
FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'
AND TABLE_SCHEMA NOT IN ('mysql', 'information_schema', 'performance_schema', 'sys')
GROUP BY TABLE_SCHEMA, ENGINE ORDER BY SUM(DATA_LENGTH) DESC LIMIT 100;
"""
_STATUS = "SELECT 'status', '%s', ROUND(UNIX_TIMESTAMP(NOW(6)), 3);\nSHOW GLOBAL STATUS;\n"
_RUNNING = """\
SELECT 'runs', DB, LEFT(INFO, 1000) FROM information_schema.PROCESSLIST
WHERE COMMAND IN ('Query', 'Execute') AND ID <> CONNECTION_ID() AND DB IS NOT NULL LIMIT 10;
DO SLEEP(%.2f);
"""


def run(request: Document, _emit: Callable[[Document], None], stopped: Callable[[float], bool]) -> Document:
    """Watch the server.

    Args:
        request: With ``server``, ``variables`` and ``counters`` (names), ``window_s``, ``units`` and ``databases``.
        stopped: Says whether nobody waits for the answer any more.

    Raises:
        Refusal: The server is not there or does not answer.
    """
    server = str(request.get("server"))
    if server not in PROGRAMS:
        raise Refusal("unsupported", f"no such server: {server!r}")
    window_s = min(max(float(request.get("window_s", 10.0)), 1.0), LONGEST_S)
    sampler = sample.Sampler([str(unit) for unit in request.get("units", [])])
    told = mysqlclient.variables(TIMEOUT_S)

    def check(seconds: float) -> None:
        if stopped(seconds):
            raise Refusal("fault", "it was ended by whoever asked")

    sizes = mysqlclient.rows(LIMITS[server] % SIZES_S + _SIZES, timeout_s=TIMEOUT_S)
    watched = mysqlclient.rows(_window(window_s), timeout_s=window_s + TIMEOUT_S, check=check)
    seen = [(row[1], mysqlclient.unescaped(row[2])) for row in watched if row[0] == "runs" and len(row) == 3]
    units = sampler.sample(asking=True)["units"]
    return {
        "version": told.get("version", "")[:LONGEST],
        "variables": _picked(told, request.get("variables", ())),
        "counters": dict(_counters(watched, request.get("counters", ())), looks=_looks(window_s)),
        "sizes": [_size(row) for row in sizes if row[0] == "size" and len(row) == 6],
        "statements": mysqlstatements.hottest(server, told, seen, request.get("databases", ())),
        "units": {unit: {name: one.get(name) for name in _OF_A_UNIT} for unit, one in units.items()},
        "at_next_start": _at_next_start(server, request.get("variables", ())),
    }


_OF_A_UNIT = ("anonymous_mib", "peak_mib", "limit_mib")


def _looks(window_s: float) -> int:
    return max(1, min(MOST_LOOKS, int(window_s / LOOK_EVERY_S)))


def _window(window_s: float) -> str:
    looks = _looks(window_s)
    return _STATUS % "begin" + _RUNNING % (window_s / looks) * looks + _STATUS % "end"


def _counters(watched: List[List[str]], names: Any) -> Document:
    """Give both readings of each counter, and the time between them, s."""
    readings: Dict[str, Dict[str, str]] = {}
    at: Dict[str, float] = {}
    now = ""
    for row in watched:
        if row[0] == "status" and len(row) == 3:
            now = row[1]
            at[now] = float(row[2])
        elif len(row) == 2 and now:
            readings.setdefault(now, {})[row[0]] = row[1]
    if set(at) != {"begin", "end"}:
        raise Refusal("preparation", "the server went away while it was watched")
    return {
        "seconds": round(at["end"] - at["begin"], 3),
        "first": _picked(readings.get("begin", {}), names),
        "last": _picked(readings.get("end", {}), names),
    }


def _picked(told: Dict[str, str], names: Any) -> Dict[str, str]:
    return {name: told[name][:LONGEST] for name in names if _NAME.fullmatch(name) and name in told}


def _size(row: List[str]) -> Document:
    _, name, engine, tables, data, index = row
    return {"database": name, "engine": engine, "tables": _whole(tables), "bytes": _whole(data) + _whole(index)}


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _at_next_start(server: str, names: Any) -> Document:
    """Tell what all config files together say of each setting: the last file wins. And what each that names it says."""
    printed = unitstate.output([PROGRAMS[server], "--print-defaults"], TIMEOUT_S) or ""
    wanted = {name for name in names if _NAME.fullmatch(name)}
    values = {}
    for word in printed.split():
        option, _, value = word.lstrip("-").partition("=")
        name = _variable(option)
        if word.startswith("--") and name in wanted:
            values[name] = value[:LONGEST] or "ON"
    files: Dict[str, Dict[str, str]] = {}
    for path in sorted(glob.glob("/etc/my.cnf") + glob.glob("/etc/mysql/**/*.cnf", recursive=True)):
        for name, value in said(textfiles.read(path)):
            if name in wanted:
                files.setdefault(name, {})[path] = value[:LONGEST]
    return {name: {"value": value, "files": files.get(name, {})} for name, value in values.items()}


def said(text: str) -> Iterator[Tuple[str, str]]:
    """Give each setting of a config file, as the server would be told it; whatever the section."""
    for line in text.splitlines():
        option, _, value = line.partition("=")
        yield _variable(option.strip()), value.partition(" #")[0].strip().strip("\"'") or "ON"


def _variable(option: str) -> str:
    return re.sub("^loose_", "", option.replace("-", "_").lower())

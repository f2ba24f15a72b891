"""The hottest statements of a database server, without the values in them, each with what EXPLAIN says of it.

From performance_schema where it is on, else from the slow log where one is on, else from looks at what was just being
run. EXPLAIN is asked as the app's own user: a statement is the app's text, and root would lend it its rights. The text
goes to the server as hex and is prepared there, so that it stays one statement, whatever stands in it.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from . import mysqlclient
from .refusal import Refusal

Document = Dict[str, Any]

MOST, LONGEST = 8, 2000
TIMEOUT_S = 10.0
EXPLAIN_S = 2
#: Of a slow log so much of its end is read, bytes.
TAIL_BYTES = 512 << 10
#: Where a slow log may lie.
FOLDERS = ("/var/log/mysql/", "/var/lib/mysql/")
#: Columns of EXPLAIN that hold no values.
COLUMNS = ("id", "select_type", "table", "type", "possible_keys", "key", "key_len", "ref", "rows", "Extra")

_DIGESTS = """\
SELECT 'digest', SCHEMA_NAME, LEFT(DIGEST_TEXT, 2000), COUNT_STAR, ROUND(SUM_TIMER_WAIT / 1e12, 3), SUM_ROWS_EXAMINED,
SUM_ROWS_SENT, SUM_NO_INDEX_USED, %s FROM performance_schema.events_statements_summary_by_digest
WHERE SCHEMA_NAME IS NOT NULL AND DIGEST_TEXT IS NOT NULL ORDER BY SUM_TIMER_WAIT DESC LIMIT 16;
"""
#: Texts, names and comments, whichever begins first. One that does not end was cut, and goes to the end.
_TEXT = re.compile(
    r"('(?:[^'\\]|\\(?:.|\Z)|'')*(?:'|\Z)|\"(?:[^\"\\]|\\(?:.|\Z)|\"\")*(?:\"|\Z))|(`[^`]*`?)"
    r"|/\*.*?(?:\*/|\Z)|--[ \t][^\n]*|#[^\n]*",
    re.DOTALL,
)
_NUMBER = re.compile(r"(?<![\w`$])-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w`$])")
_LIST = re.compile(r"\(\s*\?(?:\s*,\s*\?)+\s*\)")
_ROWS = re.compile(r"\((?:\?|\.\.\.)\)(?:\s*,\s*\((?:\?|\.\.\.)\))+")
_ENTRY = re.compile(r"# Query_time: ([0-9.]+).*?Rows_sent: (\d+)\s+Rows_examined: (\d+)")
_USE = re.compile(r"^use `?(\w+)`?;$|Schema: (\w+)", re.MULTILINE)


def hottest(
    server: str, variables: Mapping[str, str], seen: Sequence[Tuple[str, str]], databases: Iterable[Mapping[str, str]]
) -> Document:
    """Give the statements that take the most time.

    Args:
        server: ``mariadb`` or ``mysql``.
        variables: The server's.
        seen: Database and text of each statement that was being run when somebody looked.
        databases: Of each app ``name``, ``user`` and ``secret_path``: only of these EXPLAIN is asked.
    """
    samples = {(database, digest(text)): text for database, text in seen if len(text) < 1000}
    source, found = "performance_schema", []
    if variables.get("performance_schema") == "ON":
        found = _of_performance_schema(server, samples)
    elif variables.get("slow_query_log") == "ON":
        source, found = "slow log", _of_slow_log(variables)
    else:
        source, found = "looks", _of_looks(seen, samples)
    logins = {one["name"]: one for one in databases if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", one.get("name", ""))}
    found = [one for one in found if one["database"] in logins][:MOST]
    for one in found:
        text = one.pop("text") or samples.get((one["database"], one["digest"]), "")
        one["explain"], one["explained"] = [], "no"
        if re.match(r"\s*\(?\s*SELECT\b", text or one["digest"], re.IGNORECASE):
            one["explained"] = "as it was run" if text else "with made-up values"
            login = logins[one["database"]]
            one["explain"] = _explained(text or _filled(one["digest"]), server, login)
    return {"source": source, "found": found}


def digest(text: str) -> str:
    """Give a statement without its values and comments, in one line."""
    plain = _TEXT.sub(lambda one: "?" if one[1] else one[2] or " ", text)
    plain = _LIST.sub("(...)", _NUMBER.sub("?", plain))
    return " ".join(_ROWS.sub("(...)", plain).split()).rstrip("; ")[:LONGEST]


def _filled(shape: str) -> str:
    """Put values in the place of those that a digest has not kept: text, which is made a number where it has to be."""
    limited = re.sub(r"\b(LIMIT|OFFSET)\s+\?(?:\s*,\s*\?)?", r"\1 1", shape, flags=re.IGNORECASE)
    return limited.replace("(...)", "('1')").replace("?", "'1'").replace("...", "'1'")


def _of_performance_schema(server: str, samples: Mapping[Tuple[str, str], str]) -> List[Document]:
    sample = "COALESCE(LEFT(QUERY_SAMPLE_TEXT, 1000), '')" if server == "mysql" else "''"
    found = []
    for row in mysqlclient.rows(_DIGESTS % sample, timeout_s=TIMEOUT_S):
        if row[0] != "digest" or len(row) != 9:
            continue
        shape, text = mysqlclient.unescaped(row[2]), mysqlclient.unescaped(row[8])
        one = _statement(row[1], shape, int(row[3]))
        one["seconds"] = float(row[4])
        one["rows_examined"], one["rows_sent"], one["without_index"] = map(int, row[5:8])
        one["text"] = "" if len(text) >= 1000 else text or samples.get((row[1], digest(shape)), "")
        found.append(one)
    return found


def _of_slow_log(variables: Mapping[str, str]) -> List[Document]:
    path = os.path.join(variables.get("datadir", "/var/lib/mysql"), variables.get("slow_query_log_file", ""))
    if not os.path.normpath(path).startswith(FOLDERS):
        return []
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return []
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return []
        file.seek(max(0, os.fstat(handle).st_size - TAIL_BYTES))
        return slow_statements(file.read(TAIL_BYTES).decode("utf-8", "replace"))


def slow_statements(text: str) -> List[Document]:
    """Add the entries of a slow log up by statement, the longest time first."""
    found: Dict[Tuple[str, str], Document] = {}
    database = ""
    for entry in re.split(r"^# User@Host:", text, flags=re.MULTILINE)[1:]:
        times, named = _ENTRY.search(entry), _USE.search(entry)
        database = (named[1] or named[2]) if named else database
        statement = _statement_of(entry)
        if times is None or not statement or not database:
            continue
        key = (database, digest(statement))
        one = found.setdefault(key, dict(_statement(*key, 0), seconds=0.0, rows_sent=0, rows_examined=0))
        one["count"] += 1
        one["seconds"] = round(one["seconds"] + float(times[1]), 3)
        one["rows_sent"] += int(times[2])
        one["rows_examined"] += int(times[3])
        one["text"] = statement[:LONGEST] if len(statement) < LONGEST else ""
    return sorted(found.values(), key=lambda one: -one["seconds"])


def _statement_of(entry: str) -> str:
    """Take a statement out of what stands around it; a line of its own may begin as those do."""
    lines = entry.split("\n")[1:]
    while lines and lines[0].startswith(("#", "use ", "SET timestamp=")):
        lines.pop(0)
    while lines and (not lines[-1].strip() or lines[-1].startswith("# Time: ")):
        lines.pop()
    return "\n".join(lines).strip().rstrip(";")


def _of_looks(seen: Sequence[Tuple[str, str]], samples: Mapping[Tuple[str, str], str]) -> List[Document]:
    counts: Dict[Tuple[str, str], int] = {}
    for database, text in seen:
        key = (database, digest(text))
        counts[key] = counts.get(key, 0) + 1
    ordered = sorted(counts.items(), key=lambda one: -one[1])
    return [dict(_statement(*key, count), text=samples.get(key, "")) for key, count in ordered]


def _statement(database: str, shape: str, count: int) -> Document:
    """Begin a statement's record; what its source does not know stays None."""
    unknown = dict.fromkeys(("seconds", "rows_examined", "rows_sent", "without_index"))
    return {"database": database, "digest": shape, "count": count, "text": "", **unknown}


def _explained(text: str, server: str, login: Mapping[str, str]) -> List[Document]:
    """Ask EXPLAIN; nothing where the server does not take the statement so, or the app has no user of its own."""
    limit = {"mariadb": "SET SESSION max_statement_time = %d;\n", "mysql": "SET SESSION max_execution_time = %d000;\n"}
    statement = ("EXPLAIN FORMAT=TRADITIONAL " + text).encode("utf-8", "replace").hex()
    script = limit[server] % EXPLAIN_S + f"SET @s = CONVERT(0x{statement} USING utf8mb4);\n"
    script += "START TRANSACTION READ ONLY;\nPREPARE one FROM @s;\nEXECUTE one;\n"
    with mysqlclient.login(login.get("user", ""), login.get("secret_path", "")) as path:
        if path is None:
            return []
        try:
            found = mysqlclient.rows(
                script, timeout_s=TIMEOUT_S, defaults_file=path, database=login["name"], with_names=True
            )
        except Refusal:
            return []
    if not found or "select_type" not in found[0]:
        return []
    steps = [dict(zip(found[0], row)) for row in found[1:]]
    return [{name: step.get(name, "")[:200] for name in COLUMNS} for step in steps[:20]]

"""What PostgreSQL's own files say of settings that are asked for, and of who may log in at its socket."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, Iterable, List

from . import textfiles
from .postgresql import SOCKET, query
from .refusal import Refusal

Document = Dict[str, Any]

TIMEOUT_S = 5.0
LONGEST = 200
MOST_RULES = 50
#: The folder that Debian's main file reads near its end.
FOLDER = re.compile(r"\s*include_dir\s*=?\s*'conf\.d'")
_LINES = """\
SELECT sourcefile, sourceline, name, setting FROM pg_file_settings
WHERE name = ANY (string_to_array(:'names', ',')) ORDER BY seqno LIMIT 500;
"""
_RULES = """\
SELECT line_number, array_to_string(database, ','), array_to_string(user_name, ','), auth_method
FROM pg_hba_file_rules WHERE type = 'local' ORDER BY line_number LIMIT :most;
"""


def settings(names: Iterable[str]) -> List[Document]:
    """Give settings that are asked for: where each stands, its value, and whether that line is read after the folder.

    A main file that does not read the folder at all is told as a setting ``include_dir`` without a value.
    """
    asked = ",".join(name for name in names if re.fullmatch(r"[a-z_0-9]+", name))
    if not asked or not os.path.exists(SOCKET):
        return []
    try:
        main = query("SHOW config_file;", timeout_s=TIMEOUT_S).strip()
        rows = [line.split("\t") for line in query(_LINES, timeout_s=TIMEOUT_S, names=asked).splitlines()]
    except Refusal:
        return []
    folder = folder_line(textfiles.read(main))
    told: List[Document] = [] if folder else [_told(main, 0, "include_dir", "", after=True)]
    for path, line, name, value in (row for row in rows if len(row) == 4):
        after = os.path.basename(path) == "postgresql.auto.conf" or (path == main and int(line) > folder)
        told.append(_told(path, int(line), name, value, after=after))
    return told


def folder_line(text: str) -> int:
    """Say on which line a main file reads its folder; 0: nowhere."""
    return next((number for number, line in enumerate(text.splitlines(), start=1) if FOLDER.match(line)), 0)


def rules() -> List[Document]:
    """Give in their order the rules for who comes by the socket: databases, users, how they prove who they are."""
    try:
        lines = query(_RULES, timeout_s=TIMEOUT_S, most=str(MOST_RULES)).splitlines()
    except Refusal:
        return []
    return [
        {"line": int(row[0]), "databases": row[1][:LONGEST], "users": row[2][:LONGEST], "method": row[3]}
        for row in (line.split("\t") for line in lines)
        if len(row) == 4
    ]


def _told(path: str, line: int, name: str, value: str, *, after: bool) -> Document:
    return {"file": path, "line": line, "name": name, "value": value[:LONGEST], "after_include": after}

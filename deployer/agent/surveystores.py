"""Servers that hold data: what they hold, and what their own files say of settings that are asked for."""

from __future__ import annotations

import glob
import re
import socket
from typing import Any, Dict, Iterable, Iterator, List, Optional

from . import readbackredis, surveypostgresql, textfiles
from .mariadb import MariaDB
from .mysql import MySQL
from .postgresql import PostgreSQL

Document = Dict[str, Any]

TIMEOUT_S = 5.0
LONGEST = 200
MYSQL_FILES = ("/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mysql/*.conf.d/*.cnf", "/etc/mysql/conf.d/*.cnf")
_SERVER_SECTION = re.compile(r"server|mysqld(-[\d.]+)?|mariadbd?(-[\d.]+)?|mariadb-server|galera")
_REDIS_PLACES = (("127.0.0.1", 6379), "/run/redis/redis-server.sock", "/run/valkey/valkey-server.sock")


def databases() -> List[Document]:
    """Tell what each database server that answers holds."""
    mysql, postgresql = MariaDB().tell(), PostgreSQL().tell()
    if mysql is not None and mysql["flavour"] == "mysql":
        mysql["alone"] = MySQL().alone()
    if postgresql is not None:
        postgresql["rules"] = surveypostgresql.rules()
    return [told for told in (mysql, postgresql) if told is not None]


def settings(names: Iterable[str]) -> List[Document]:
    """Give settings of MariaDB's or MySQL's own files that are asked for: where each stands, and its value.

    ``after_include``: the file reads other folders before that line.
    """
    wanted = {_plain(name) for name in names}
    paths = dict.fromkeys(path for pattern in MYSQL_FILES for path in sorted(glob.glob(pattern)))
    return [one for path in paths for one in read(path, textfiles.read(path)) if one["name"] in wanted]


def read(path: str, text: str) -> Iterator[Document]:
    """Read a file's server sections; a name is spelled with ``_`` and without ``loose_``."""
    section, includes = "", False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        head = re.match(r"\[([^\]]+)\]", stripped)
        if head:
            section = head[1].strip()
        elif stripped.startswith("!includedir"):
            includes = True
        elif stripped and stripped[0] not in "#;!" and _SERVER_SECTION.fullmatch(section):
            name, _, value = stripped.partition("=")
            value = value.partition("#")[0].strip().strip("\"'")[:LONGEST]
            yield {"file": path, "line": number, "name": _plain(name), "value": value, "after_include": includes}


def _plain(name: str) -> str:
    return re.sub(r"^loose_", "", name.strip().lower().replace("-", "_"))


def redis() -> Optional[Document]:
    """Tell what Redis or Valkey holds; None: none answers. One that asks for a password tells nothing else."""
    for place in _REDIS_PLACES:
        try:
            family = socket.AF_UNIX if isinstance(place, str) else socket.AF_INET
            with socket.socket(family) as connection:
                answers = readbackredis.Answers(connection, TIMEOUT_S)
                answers.ask(place, b"INFO\r\nCONFIG GET dir\r\nCONFIG GET dbfilename\r\n")
                return _held(place, answers)
        except (OSError, ValueError):
            continue
    return None


def _held(place: object, answers: readbackredis.Answers) -> Document:
    where = place if isinstance(place, str) else "127.0.0.1:6379"
    try:
        info, folder, file = answers.text(), answers.array(), answers.array()
    except ValueError:  # an error instead of an answer: it wants to be told a password, or knows no CONFIG
        return {"place": where, "answers": False}
    values = dict(re.findall(r"^([a-z_0-9]+):([^\r\n]*)", info, re.MULTILINE))
    keys = re.findall(r"^db\d+:keys=(\d+)", info, re.MULTILINE)
    return {
        "place": where,
        "answers": True,
        "version": values.get("valkey_version") or values.get("redis_version", ""),
        "keys": sum(int(count) for count in keys),
        "mib": round(int(values.get("used_memory", "0")) / 1048576, 1),
        "appendonly": values.get("aof_enabled") == "1",
        "dir": folder[1][:LONGEST] if len(folder) > 1 else "",
        "dbfilename": file[1][:LONGEST] if len(file) > 1 else "",
    }

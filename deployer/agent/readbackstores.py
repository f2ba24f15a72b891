"""readback of the servers that keep data: each asked over its own socket, as its own superuser."""

from __future__ import annotations

import re
import socket
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from . import command, readbackredis

Document = Dict[str, Any]

#: All of one server's answer, from its being asked to the last byte, s.
TIMEOUT_S = 10.0
LONGEST = 200
_MYSQL_SOCKET = "/run/mysqld/mysqld.sock"
_REDIS_SOCKET = re.compile(r"/run/[a-z]+/[a-z.-]+")
#: Settings of Redis that hold secrets.
_SECRET = re.compile(r"pass|auth|user", re.IGNORECASE)


def mariadb(_asked: Mapping[str, Any], names: List[str]) -> Optional[Document]:
    """Ask MariaDB for its global variables by root's socket login."""
    return _global_variables("mariadb", names)


def mysql(_asked: Mapping[str, Any], names: List[str]) -> Optional[Document]:
    """Ask MySQL likewise; some of its options are no variables, but show in what others are, or that there are none."""
    return _global_variables("mysql", names, _shown_by_others)


def _shown_by_others(told: Mapping[str, str]) -> Dict[str, str]:
    is_loaded = any(name.startswith("mysqlx_") for name in told)
    return {
        "skip_log_bin": "ON" if told.get("log_bin") == "OFF" else "OFF",
        "mysqlx": "ON" if is_loaded else "OFF",
    }


def _global_variables(
    client: str, names: Sequence[str], besides: Callable[[Mapping[str, str]], Dict[str, str]] = lambda _told: {}
) -> Optional[Document]:
    argv = [client, "--no-defaults", "--protocol=socket", f"--socket={_MYSQL_SOCKET}", "--user=root", "--batch"]
    argv += ["--skip-column-names", "--connect-timeout=5"]
    rows = _rows(argv, "SHOW GLOBAL VARIABLES;\n")
    if rows is None:
        return None
    told = {row[0]: row[1] for row in rows if len(row) == 2}
    version = re.match(r"[0-9.]+", told.get("version", ""))
    return {"version": version[0] if version else "", "values": _picked({**told, **besides(told)}, names)}


def postgresql(_asked: Mapping[str, Any], names: List[str]) -> Optional[Document]:
    """Ask PostgreSQL for its settings as ``postgres``; a value is followed by the unit that it counts."""
    argv = ["psql", "--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t"]
    argv += ["--host=/run/postgresql", "--username=postgres", "--dbname=postgres"]
    rows = _rows(argv, "SELECT name, setting, coalesce(unit, '') FROM pg_settings;\n", user="postgres")
    if rows is None:
        return None
    told = {row[0]: row[1:] for row in rows if len(row) == 3}
    version = re.match(r"[0-9.]+", told.get("server_version", [""])[0])
    units = {name: told[name][1] for name in names if name in told}
    values = _picked({name: row[0] for name, row in told.items()}, names)
    return {"version": version[0] if version else "", "values": values, "units": units}


def _rows(argv: Sequence[str], statement: str, user: Optional[str] = None) -> Optional[List[List[str]]]:
    try:
        result = command.run(argv, timeout_s=TIMEOUT_S, feed=statement.encode(), whole=True, user=user)
    except OSError:
        return None
    return [line.split("\t") for line in result.output.splitlines()] if result.ok else None


def redis(asked: Mapping[str, Any], names: List[str]) -> Optional[Document]:
    """Ask Redis or Valkey for its config over its unix socket."""
    path = asked.get("socket", "")
    if not _REDIS_SOCKET.fullmatch(path):
        return None
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            answers = readbackredis.Answers(connection, TIMEOUT_S)
            answers.ask(path, b"INFO server\r\nCONFIG GET *\r\n")
            info, flat = answers.text(), answers.array()
    except (OSError, ValueError):
        return None
    found = dict(re.findall(r"(redis_version|valkey_version):([0-9.]+)", info))
    told = {flat[at]: flat[at + 1] for at in range(0, len(flat) - 1, 2)}
    return {
        "version": found.get("valkey_version") or found.get("redis_version", ""),
        "values": _picked(told, [name for name in names if not _SECRET.search(name)]),
    }


def _picked(told: Mapping[str, str], names: Sequence[str]) -> Dict[str, str]:
    return {name: told[name][:LONGEST] for name in names if name in told}

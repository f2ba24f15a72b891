"""A session with MariaDB or MySQL: one client, one script by stdin, rows out; as root, or as an app's own user."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from typing import Callable, Dict, Iterator, List, Optional

from . import command, places, textfiles
from .refusal import Refusal

Rows = List[List[str]]

SOCKET = "/run/mysqld/mysqld.sock"
CLIENTS = ("mariadb", "mysql")
#: In memory, and gone with the next boot whatever happens.
MEMORY = "/run"
_ESCAPED = re.compile(r"\\(.)")
_MEANT = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,}")


def rows(
    script: str,
    *,
    timeout_s: float,
    check: Optional[Callable[[float], None]] = None,
    defaults_file: str = "",
    database: str = "",
    with_names: bool = False,
) -> Rows:
    """Run statements and give the rows of all of them.

    Args:
        script: At most 64 KiB. Nothing in it comes from a client of the server, but as hex.
        timeout_s: Of all of it.
        check: Called all the time with the seconds to wait; what it raises ends the session.
        defaults_file: Holds another user and its password; empty: root.
        database: Where tables without one are looked for.
        with_names: A row of columns' names goes before each answer.

    Raises:
        Refusal: The server is not there, or refused; nothing was changed by this module.
    """
    client = next(filter(None, (shutil.which(one, path=command.ENVIRONMENT["PATH"]) for one in CLIENTS)), None)
    if client is None or not os.path.exists(SOCKET):
        raise Refusal("preparation", "the database server does not run here, or its client is not installed")
    argv = [client, f"--defaults-file={defaults_file}" if defaults_file else "--no-defaults"]
    argv += ["--protocol=socket", f"--socket={SOCKET}", "--batch", "--unbuffered", "--connect-timeout=5"]
    argv += ["--default-character-set=utf8mb4"]
    argv += [] if defaults_file else ["--user=root"]
    argv += [] if with_names else ["--skip-column-names"]
    argv += [f"--database={database}"] if database else []
    try:
        result = command.run(argv, timeout_s=timeout_s, feed=script.encode(), check=check, whole=True)
    except OSError as error:
        raise Refusal("preparation", f"{client} cannot be run: {error}") from error
    if not result.ok:
        raise Refusal("preparation", "the database server refused", detail=result.output[-command.TAIL_BYTES :])
    # by the one sign that the client writes between rows: a value may hold others that end a line
    return [line.split("\t") for line in result.output.split("\n")] if result.output else []


def variables(timeout_s: float) -> Dict[str, str]:
    """Give every global variable; what of it is told is for the caller to choose."""
    return pairs(rows("SHOW GLOBAL VARIABLES;\n", timeout_s=timeout_s))


def pairs(found: Rows) -> Dict[str, str]:
    """Make a mapping of the rows that have two columns."""
    return {row[0]: row[1] for row in found if len(row) == 2}


def unescaped(cell: str) -> str:
    """Give a cell's text as it was before the client wrote it in one line."""
    return _ESCAPED.sub(lambda one: _MEANT.get(one[1], one[0]), cell)


@contextlib.contextmanager
def login(user: str, secret_path: str) -> Iterator[Optional[str]]:
    """Write a file that logs an app's own user in, as long as it is needed; None where it has no password here."""
    is_ours = os.path.dirname(secret_path) == places.SECRETS and _PLAIN.fullmatch(user)
    secret = textfiles.read(places.at(secret_path), 4096).strip() if is_ours else ""
    if not _SECRET.fullmatch(secret):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="deployer-", dir=MEMORY) as folder:
        path = os.path.join(folder, "login.cnf")
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(f"[client]\nuser={user}\npassword={secret}\n")
        yield path

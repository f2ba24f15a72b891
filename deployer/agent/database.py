"""The app's database and its user, made through root's own socket login; the secret goes by stdin.

What is made is noted before it is made, so that a return undoes exactly that, and never drops a database that
holds a table.
"""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

from . import command, places, treestate
from .refusal import Refusal

if TYPE_CHECKING:
    from .journal import Journal

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,}")
_SYSTEM = {"mysql", "information_schema", "performance_schema", "sys", "root"}
TIMEOUT_S = 60


def ensure(entry: dict[str, Any], journal: Journal) -> None:
    """Make the database, the user and the grant; the user's password becomes the secret.

    Args:
        entry: The plan's activation: `name`, `user`, `secret` (a path on the host).
        journal: Gets a note of what was there before.

    Raises:
        Refusal: A name that is not plain, a secret that is not ours, or the server refuses.
    """
    name, user = _checked(entry["name"]), _checked(entry["user"])
    try:
        secret = treestate.read(places.at(places.checked_path(entry["secret"]))).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal("activation", f"the secret {entry['secret']} cannot be read") from error
    if not _SECRET.fullmatch(secret):
        raise Refusal("activation", f"the secret {entry['secret']} is not one of ours (16 or more of A-Z a-z 0-9 _ -)")
    note = {
        "name": name,
        "user": user,
        "made_database": not _has_database(name),
        "user_before": _user_statement(user),
    }
    journal.doc["databases"].append(note)
    journal.save()
    statements = [
        f"CREATE DATABASE IF NOT EXISTS `{name}` CHARACTER SET utf8mb4",
        f"CREATE USER IF NOT EXISTS '{user}'@'localhost' IDENTIFIED BY '{secret}'",
        f"ALTER USER '{user}'@'localhost' IDENTIFIED BY '{secret}'",
        f"GRANT ALL PRIVILEGES ON `{_pattern(name)}`.* TO '{user}'@'localhost'",
    ]
    _query(";\n".join(statements), hide=secret)


def undo(note: dict[str, Any]) -> str:
    """Take back what `ensure` made; may be done again.

    Returns:
        What was kept and why, or nothing.
    """
    name, user = _checked(note["name"]), _checked(note["user"])
    if note["made_database"] and _has_database(name):
        if _query(f"SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{name}'") != "0":  # noqa: S608 - _checked: letters, digits, _
            return f"database {name} and its user: it holds tables now"
        _query(f"DROP DATABASE `{name}`")
    if note["user_before"] is None:
        _query(f"DROP USER IF EXISTS '{user}'@'localhost'")
    else:
        _query(re.sub(r"^CREATE USER", "ALTER USER", note["user_before"]))
    return ""


def _has_database(name: str) -> bool:
    return bool(_query(f"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}'"))  # noqa: S608 - _checked: letters, digits, _


def _user_statement(user: str) -> str | None:
    """Return the statement that makes the user as it is now (with the hash of its password), or None without one."""
    if _query(f"SELECT COUNT(*) FROM mysql.user WHERE User = '{user}' AND Host = 'localhost'") == "0":  # noqa: S608 - _checked: letters, digits, _
        return None
    return _query(f"SHOW CREATE USER '{user}'@'localhost'")


def _query(statements: str, hide: str = "") -> str:
    client = shutil.which("mariadb", path=command.ENVIRONMENT["PATH"]) or "mysql"
    argv = [client, "--no-defaults", "--protocol=socket", "--user=root", "--batch", "--skip-column-names"]
    result = command.run([*argv, "--default-character-set=utf8mb4"], timeout_s=TIMEOUT_S, feed=statements.encode())
    if not result.ok:
        output = result.output.replace(hide, "[secret]") if hide else result.output
        raise Refusal("activation", "the database server refused", detail=output)
    return result.output


def _pattern(name: str) -> str:
    """Return a name for GRANT, where an underscore stands for any character unless it is escaped."""
    return name.replace("_", "\\_")


def _checked(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name.lower() in _SYSTEM:
        raise Refusal("fault", f"refused as a database's or its user's name: {name!r}")
    return name

"""The guard of a render: what in a rendered file its server would refuse, pass over or take for something else."""

from __future__ import annotations

import re

from deployer.dialects import DialectError, read
from deployer.registry.finding import WRONG, Finding, Kind
from deployer.registry.judge import judge

#: Folders that decide in which language a file is read.
_FOLDERS = (
    (re.compile(r"/etc/systemd/(system/.*|journald\.conf\.d/.*\.conf)"), "unit"),
    (re.compile(r"/etc/sysctl\.d/.*\.conf"), "sysctl"),
)


def dialect_of(path: str) -> str:
    """Give the dialect of a file by where it is put; empty where that does not tell."""
    return next((dialect for folder, dialect in _FOLDERS if folder.fullmatch(path)), "")


def split(dialect: str) -> tuple[str, str, str]:
    """Split what ``FileWanted.dialect`` says: ``mycnf/mariadb/10.11``, ``nginx/1.22`` or ``redis``.

    Returns:
        Dialect, flavour and release; empty where it does not say.
    """
    name, first, second = [*dialect.split("/"), "", ""][:3]
    return (name, "", first) if first[:1].isdecimal() else (name, first, second)


def guard(text: str, dialect: str, flavour: str = "", version: str = "") -> tuple[Finding, ...]:
    """Find what makes a rendered file wrong: fatal, misread or ignored settings.

    Raises:
        UsageError: There is no such dialect or flavour.
    """
    try:
        statements = read(dialect, text)
    except DialectError as error:
        return (Finding(Kind.FATAL, "", error.line, error.reason, f"dialect {dialect}"),)
    return tuple(found for found in judge(statements, dialect, flavour, version) if found.kind in WRONG)

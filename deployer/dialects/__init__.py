"""Dialects: the languages of the servers' configs, read back from text. Pure; nothing is run and nothing followed.

``read(dialect, text)`` gives statements with their lines; what the names mean is for ``deployer.registry``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployer.dialects import gunicorn, mycnf, nginx, postgresql, redis, sysctl, unit
from deployer.dialects.guessing import guess
from deployer.dialects.statement import LARGEST_BYTES, DialectError, Statement, checked

DIALECTS: Mapping[str, Callable[[str], tuple[Statement, ...]]] = {
    "mycnf": mycnf.read,
    "nginx": nginx.read,
    "unit": unit.read,
    "gunicorn": gunicorn.read,
    "postgresql": postgresql.read,
    "redis": redis.read,
    "sysctl": sysctl.read,
}

__all__ = ["DIALECTS", "LARGEST_BYTES", "DialectError", "Statement", "guess", "read"]


def read(dialect: str, text: str) -> tuple[Statement, ...]:
    """Read a text in one of ``DIALECTS``.

    Args:
        dialect: Its name.
        text: The text, at most 1 MiB.

    Returns:
        The statements in the order of the text.

    Raises:
        DialectError: There is no such dialect, or the text is not in it; with the line.
    """
    if dialect not in DIALECTS:
        raise DialectError(f"there is no dialect {dialect!r}; there are {', '.join(DIALECTS)}")
    return DIALECTS[dialect](checked(text))

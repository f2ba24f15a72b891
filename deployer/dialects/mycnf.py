"""my.cnf of MySQL and MariaDB: groups, bare flags, quotes, ``-`` and ``_`` as one, prefixes before a name."""

from __future__ import annotations

import re

from deployer.dialects.statement import DialectError, Statement, named, numbered

#: What may stand before an option's name, and what it makes of it.
PREFIXES = ("loose_", "skip_", "disable_", "enable_", "maximum_")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "\\": "\\", "s": " "}
_GROUP = re.compile(r"\[([^\]\n]*)\]\s*(?:#.*)?")


def read(text: str) -> tuple[Statement, ...]:
    """Read an option file; ``!include`` lines come as statements of that name, nothing is followed.

    Raises:
        DialectError: The server would not get past a line either: no group before the first option, an open bracket.
    """
    group = ""
    found = []
    for number, raw in numbered(text):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line[0] == "!":
            name, _, path = line.partition(" ")
            if name not in {"!include", "!includedir"}:
                raise DialectError(f"{name[:40]} is neither !include nor !includedir", line=number)
            found.append(Statement(name, path.strip(), number))
        elif line[0] == "[":
            matched = _GROUP.fullmatch(line)
            if matched is None:
                raise DialectError("a group has no closing bracket", line=number)
            group = matched[1].strip()
        elif not group:
            name = _option(line, number, "").name
            raise DialectError(f"{name[:40]} stands before the first [group]: the server refuses it", line=number)
        else:
            found.append(_option(line, number, group))
    return tuple(found)


def _option(line: str, number: int, group: str) -> Statement:
    name, equals, value = _without_comment(line).partition("=")
    spelled = named(name).replace("-", "_")
    return Statement(spelled, _unquoted(value.strip()) if equals else None, number, (group,))


def _without_comment(line: str) -> str:
    quote, escaped = "", False
    for position, sign in enumerate(line):
        if sign in "'\"" and not escaped:
            quote = "" if quote == sign else quote or sign
        elif sign == "#" and not quote:
            return line[:position]
        escaped = bool(quote) and sign == "\\" and not escaped
    return line


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] in "'\"" and value[-1] == value[0]:
        value = value[1:-1]
    return re.sub(r"\\([btnr\\s])", lambda found: _ESCAPES[found[1]], value)


def without_prefix(name: str) -> tuple[str, str]:
    """Split an option into the prefix before it and its name: ``loose_x`` is ``("loose_", "x")``."""
    for prefix in PREFIXES:
        if name.startswith(prefix) and len(name) > len(prefix):
            return prefix, name.removeprefix(prefix)
    return "", name

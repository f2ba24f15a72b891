"""postgresql.conf: ``name = 'value'``, the equals sign optional, names in any case."""

from __future__ import annotations

import re

from deployer.dialects.statement import DialectError, Statement, numbered

_SETTING = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z0-9_$]*(?:\.[A-Za-z_][A-Za-z0-9_$]*)*)
        (?:\s*=\s*|\s+)
        (?:'(?P<quoted>(?:[^'\\]|''|\\.)*)'|(?P<bare>
            [+-]?(?:\d+|0x[0-9a-fA-F]+)[a-zA-Z]* | [+-]?\d*\.\d*(?:[Ee][+-]?\d+)?  # no number: begins with a letter
            | [A-Za-z_\x80-\uffff][A-Za-z0-9_\x80-\uffff._:/-]*))
        \s*(?:\#.*)?""",
    re.VERBOSE,
)


def read(text: str) -> tuple[Statement, ...]:
    """Read a config; ``include`` lines come as statements of that name, nothing is followed.

    Raises:
        DialectError: A line is no setting; the server would not start with it.
    """
    found = []
    for number, raw in numbered(text):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        matched = _SETTING.fullmatch(line)
        if matched is None:
            name = re.split(r"[\s='\"]", line, maxsplit=1)[0][:40]  # not the value: it may be a password
            raise DialectError(f"{name!r} is no setting, or its value wants quotes: no server starts so", line=number)
        found.append(Statement(matched["name"].lower(), _value(matched), number))
    return tuple(found)


def _value(matched: re.Match[str]) -> str:
    quoted = matched["quoted"]
    if quoted is None:
        return matched["bare"]
    return re.sub(r"''|\\(.)", lambda found: found[1] or "'", quoted)

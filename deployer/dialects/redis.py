"""redis.conf and valkey.conf: one directive with its words on each line, names in any case."""

from __future__ import annotations

import re

from deployer.dialects.statement import DialectError, Statement, numbered

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s|$)|\'((?:[^\'\\]|\\\')*)\'(?=\s|$)|([^\s"\']+)(?=\s|$)')


def read(text: str) -> tuple[Statement, ...]:
    """Read a config; ``include`` lines come as statements of that name, nothing is followed.

    Raises:
        DialectError: A quote is not closed; the server would not start with it.
    """
    found = []
    for number, raw in numbered(text):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        words = _words(line, number)
        found.append(Statement(words[0].lower(), " ".join(words[1:]) if len(words) > 1 else None, number))
    return tuple(found)


def _words(line: str, number: int) -> list[str]:
    words, at = [], 0
    while at < len(line):
        matched = _WORD.match(line, at)
        if matched is None:
            raise DialectError("a quote is not closed, or something follows it", line=number)
        words.append(next((one for one in matched.groups() if one is not None), ""))
        at = matched.end()
        while at < len(line) and line[at].isspace():
            at += 1
    return words

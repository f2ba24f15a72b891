"""Secrets in configs that others wrote by hand: nobody is told what looks like one."""

from __future__ import annotations

import re

MASK = "********"
#: Of a longer line no more is looked at, or shown, characters; nobody reads it in a difference.
LONGEST_LINE = 2000
_WORDS = "passw|requirepass|masterauth|passphrase|pwd|secret|token(?!s)|api[_-]?key|authoriz|credential"
_KEY = rf"[\w.-]{{0,40}}(?:{_WORDS})[\w.-]{{0,40}}"
#: The line is about nothing else: all that follows may be the value, spaces and what looks like a comment included.
_WHOLE_LINE = re.compile(rf"^([-+ ]?\s*(?:export\s+|- )?[\"']?{_KEY}[\"']?\s{{0,9}}[=:]\s{{0,9}})\S.*$", re.IGNORECASE)
#: Key and value in the same quotes, as systemd has it: Environment="DB_PASSWORD=two words".
_IN_QUOTES = re.compile(rf"([\"'])({_KEY}[=:])(?:(?!\1).)*", re.IGNORECASE)
_NAMED = re.compile(
    rf"({_KEY}[\"']?\s{{0,9}}[=: ]\s{{0,9}})"
    r"(?:\"[^\"]*\"|'[^']*'|(?:(?:basic|bearer|digest|token)\s{1,9})?\S+?(?=[\"']?;?(?:\s|$)))",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]{0,20}://)[^/\s:@]{0,200}:[^/\s@]{0,200}@", re.IGNORECASE)
#: A long word of letters and digits that is no path, no name of a host and no variable.
_OPAQUE = re.compile(r"(?<![\w/.$@%{-])(?=[\w+=-]{0,200}\d)(?=[\w+=-]{0,200}[A-Za-z])[\w+=-]{16,}(?![\w/.:-])")


def masked(text: str) -> str:
    """Put a mask in the place of what looks like a secret in a line: by its key, in an address, or by its look."""
    if len(text) > LONGEST_LINE:
        text = f"{text[:LONGEST_LINE]} ({len(text) - LONGEST_LINE} characters more)"
    text = _IN_ADDRESS.sub(rf"\1{MASK}@", text)
    text = _WHOLE_LINE.sub(rf"\g<1>{MASK}", text)
    text = _IN_QUOTES.sub(rf"\g<1>\g<2>{MASK}", text)
    text = _NAMED.sub(rf"\g<1>{MASK}", text)
    return _OPAQUE.sub(MASK, text)

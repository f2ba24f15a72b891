"""nginx.conf: directives with words, blocks within blocks, quotes, comments; variables stay as they are written."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.dialects.statement import DEEPEST_LEVELS, DialectError, Statement

#: Blocks that hold a table of their own, not directives.
TABLES = frozenset({"map", "geo", "types", "charset_map", "split_clients", "match", "otel_exporter"})
_MARKS = "{};"
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}


def read(text: str) -> tuple[Statement, ...]:
    """Read a config; a block is a statement itself, and its head is the context of what stands in it.

    Raises:
        DialectError: A quote or a block is not closed, or is closed twice.
    """
    found: list[Statement] = []
    context: list[str] = []
    opened: list[int] = []
    words: list[tuple[str, int]] = []
    for part, line, is_mark in _parts(text):
        if not is_mark:
            words.append((part, line))
        elif part == "}":
            if words:
                raise DialectError(f"{words[0][0][:40]} does not end with ;", line=words[0][1])
            if not context:
                raise DialectError("a } closes nothing", line=line)
            context.pop()
            opened.pop()
        elif not words:
            raise DialectError(f"a {part} with nothing before it", line=line)
        else:
            name, began = words[0]
            value = " ".join(word for word, _ in words[1:])
            found.append(Statement(name, value, began, tuple(context)))
            if part == "{":
                if len(context) >= DEEPEST_LEVELS:
                    raise DialectError(f"blocks are nested more than {DEEPEST_LEVELS} levels deep", line=line)
                context.append(f"{name} {value}".strip())
                opened.append(began)
            words.clear()
    if words:
        raise DialectError(f"{words[0][0][:40]} does not end with ;", line=words[0][1])
    if context:
        raise DialectError(f"{context[-1][:40]} {{ is never closed", line=opened[-1])
    return tuple(found)


def _parts(text: str) -> Iterator[tuple[str, int, bool]]:
    """Give words and marks with their line, and whether it is a mark."""
    at, line, end = 0, 1, len(text)
    while at < end:
        sign = text[at]
        if sign in " \t\r\n":
            line += sign == "\n"
            at += 1
        elif sign == "#":
            stop = text.find("\n", at)
            at = end if stop < 0 else stop
        elif sign in _MARKS:
            yield sign, line, True
            at += 1
        else:
            word, after = _quoted(text, at, line) if sign in "'\"" else _bare(text, at)
            yield word, line, False
            line += text.count("\n", at, after)
            at = after


def _quoted(text: str, at: int, line: int) -> tuple[str, int]:
    quote, position = text[at], at + 1
    signs: list[str] = []
    while position < len(text):
        sign = text[position]
        if sign == quote:
            return "".join(signs), position + 1
        if sign == "\\" and position + 1 < len(text):
            position += 1
            after = text[position]
            sign = _ESCAPED.get(after, after if after in "'\"\\" else "\\" + after)
        signs.append(sign)
        position += 1
    raise DialectError(f"a {quote} is never closed", line=line)


def _bare(text: str, at: int) -> tuple[str, int]:
    position, in_variable = at, False
    signs: list[str] = []
    while position < len(text):
        sign = text[position]
        if sign == "{" and signs and signs[-1] == "$":
            in_variable = True
        elif sign == "}" and in_variable:
            in_variable = False
        elif sign in " \t\r\n;{" or (sign == "}" and not signs):
            break
        if sign == "\\" and position + 1 < len(text):
            signs.append(sign)
            position += 1
            sign = text[position]
        signs.append(sign)
        position += 1
    return "".join(signs), position

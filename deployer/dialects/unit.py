"""systemd's units and its own configs: sections, continued lines, keys that repeat."""

from __future__ import annotations

from deployer.dialects.statement import DialectError, Statement, named, numbered


def read(text: str) -> tuple[Statement, ...]:
    """Read a unit. A key that stands twice is two statements; one with an empty value empties the list before it.

    A line without ``=`` comes as a statement without a value: systemd passes over it with a warning.

    Raises:
        DialectError: A section's head is not closed; systemd does not load such a file.
    """
    section: tuple[str, ...] = ()
    found = []
    for number, line in _joined(text):
        if line.startswith("["):
            if not line.endswith("]") or len(line) == len("[]"):
                raise DialectError(f"{line[:40]!r} is no section: systemd does not load this file", line=number)
            section = (line[1:-1],)
            continue
        name, equals, value = line.partition("=")
        found.append(Statement(named(name), value.strip() if equals else None, number, section))
    return tuple(found)


def _joined(text: str) -> list[tuple[int, str]]:
    """Join lines that end with a backslash; comments between them do not end the line, as in systemd."""
    joined: list[tuple[int, str]] = []
    parts: list[str] = []
    began = 0
    for number, raw in numbered(text):
        line = raw.lstrip()
        if line.startswith(("#", ";")):
            continue
        if not parts:
            began = number
        if (len(line) - len(line.rstrip("\\"))) % 2:  # an even number of them are backslashes that are meant
            parts.append(line[:-1])
            continue
        whole = " ".join([*parts, line]).strip()
        parts = []
        if whole:
            joined.append((began, whole))
    if parts:
        whole = " ".join(parts).strip()
        if whole:
            joined.append((began, whole))
    return joined


def effective(statements: tuple[Statement, ...], section: str, name: str) -> tuple[Statement, ...]:
    """Give what counts of a key that may repeat: all that follow the last empty one."""
    kept: list[Statement] = []
    for one in statements:
        if one.name == name and one.context == (section,):
            kept = [*kept, one] if one.value else []
    return tuple(kept)

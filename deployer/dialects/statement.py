"""What every dialect gives: statements, or one error that names the line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployer.errors import UsageError

#: No config of a small host is larger; what is larger is something else, bytes.
LARGEST_BYTES = 1024 * 1024
#: Deeper nesting is no config, levels.
DEEPEST_LEVELS = 32


@dataclass(frozen=True, slots=True)
class Statement:
    """One setting as the text has it.

    Attributes:
        name: The setting, spelled as its registry spells it.
        value: Its value without quotes; None where the text holds none: a bare name, or an expression of Python.
        line: Line of the text, from 1.
        context: What it stands in, outermost first: ``("mysqld",)``, ``("http", "server", "location /")``.
    """

    name: str
    value: str | None
    line: int
    context: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The value's words."""
        return tuple((self.value or "").split())


class DialectError(UsageError):
    """A text is not what its dialect can read. Exit code 2.

    Attributes:
        line: Where, from 1; 0 if it is about the whole text.
    """

    usual_next_step = "correct the file, or name what it is with --dialect"

    def __init__(self, message: str, *, line: int = 0) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.reason = message
        self.line = line


def checked(text: str) -> str:
    """Give a text back if it can be a config at all.

    Raises:
        DialectError: It is too large, or holds bytes that no config holds.
    """
    if len(text) > LARGEST_BYTES or len(text.encode(errors="replace")) > LARGEST_BYTES:
        raise DialectError(f"this is larger than {LARGEST_BYTES // 1024} KiB: no config of a server is")
    if "\0" in text:
        raise DialectError("there is a zero byte: this is no text", line=text[: text.index("\0")].count("\n") + 1)
    return text


def named(text: str) -> str:
    """Give the name that begins a line. A name is one word: what stands behind it may be a secret, and is not kept."""
    words = text.split(maxsplit=1)
    return "" if not words else f"{words[0]} ..." if len(words) > 1 else words[0]


def numbered(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines from 1 on, without what ends them. Only a line feed ends one, as the servers see it."""
    for number, line in enumerate(text.split("\n"), start=1):
        yield number, line.removesuffix("\r")

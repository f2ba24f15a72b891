"""Read YAML strictly and keep where everything stands.

YAML 1.1 guesses types (``no`` is false, ``012`` is ten, ``1:30`` is ninety) and can expand a few lines into
gigabytes. Neither belongs in a file that sizes a server, so this reader takes the parser's events and builds
plain data itself: a few forms of plain scalar have a type, all other scalars are text, and everything that
makes a file mean more than it shows (aliases, tags, merge keys, repeated keys) is refused. It knows nothing
of what an inventory may hold; that is the model's part.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
)

from deployer.inventory.document import Document, Entry, Node
from deployer.inventory.problems import Problem, Value, quoted, raise_if_any
from deployer.inventory.syntax_words import syntax_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Bytes; a thousand hosts fit into a quarter of it.
MOST_BYTES = 1024 * 1024
#: Levels of mappings and lists inside each other; an inventory uses about eight.
MOST_LEVELS = 32
#: Digits of a number: what a signed 64-bit integer surely holds.
MOST_DIGITS = 18

_WHOLE_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL_NUMBER = re.compile(r"-?[0-9]+\.[0-9]+")
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


def read(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        InventoryError: The file cannot be read or is refused; all faults that can be told at once.
    """
    document, problems = parse_file(path)
    raise_if_any(problems)
    return document


def parse_file(path: Path) -> tuple[Document, list[Problem]]:
    """Read one YAML file; the document is worth something only if there is no problem."""
    try:
        if not path.is_file():
            kind = "is not a regular file" if path.exists() else "does not exist"
            return _refused(path, f"{kind}; expected a YAML file")
        with path.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        return _refused(path, f"cannot be read: {error.strerror or error}")
    return parse(content, path)


def parse(content: bytes, file: Path) -> tuple[Document, list[Problem]]:
    """Parse the content of one YAML file.

    Args:
        content: The bytes of the file.
        file: How the file is called in problems; it is not opened.

    Returns:
        The document and all problems found; the document is worth something only if there are none.
    """
    if len(content) > MOST_BYTES:
        return _refused(file, "is larger than 1 MiB; expected an inventory, which takes a few KiB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{content[error.start]:02x}"
        return _refused(file, f"is not UTF-8 text: found {found}; save the file as UTF-8", line)
    builder = _Builder(file)
    return Document(file, builder.build(text)), builder.problems


def _refused(file: Path, message: str, line: int = 0) -> tuple[Document, list[Problem]]:
    return Document(file, Node(None, 1, 1)), [Problem(file, line, (), message)]


def _place(event: Event) -> tuple[int, int]:
    """Line and column where an event starts, from 1."""
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


class _TooDeep(Exception):  # noqa: N818 - ends the reading of one file, never leaves this module
    """The file nests deeper than MOST_LEVELS; reading on would only repeat the message."""


class _Builder:
    """Builds the nodes of one file from the parser's events and collects the problems on the way."""

    def __init__(self, file: Path) -> None:
        self.problems: list[Problem] = []
        self._file = file
        self._path: list[str | int] = []
        self._events: Iterator[Event] = iter(())

    def build(self, text: str) -> Node:
        empty = Node(None, 1, 1)
        try:
            self._events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
            for event in self._events:
                if isinstance(event, DocumentStartEvent):
                    root = self._node(next(self._events))
                    self._refuse_more_documents()
                    return root
        except yaml.YAMLError as error:
            line, message = syntax_words(error, text)
            self._problem(line, message)
        except _TooDeep:
            pass
        except (ValueError, OverflowError):
            # PyYAML hands character numbers and versions to chr() and int() unchecked, and loses the place.
            self._problem(0, "is not valid YAML: an escape such as \\U0001F600 or a version is too large a number")
        return empty

    def _refuse_more_documents(self) -> None:
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                line, _ = _place(event)
                self._problem(line, 'a second document starts ("---"); expected one document a file')
                return

    def _problem(self, line: int, message: str) -> None:
        self.problems.append(Problem(self._file, line, tuple(self._path), message))

    def _node(self, event: Event) -> Node:
        line, column = _place(event)
        self._refuse_decoration(event, line)
        if isinstance(event, CollectionStartEvent):
            if len(self._path) >= MOST_LEVELS:
                self._problem(line, f"is nested deeper than {MOST_LEVELS} levels")
                raise _TooDeep
            entries = self._mapping() if isinstance(event, MappingStartEvent) else self._sequence()
            values = {key: entry.node.value for key, entry in entries.items()}
            value: Value = (
                {str(key): item for key, item in values.items()}
                if isinstance(event, MappingStartEvent)
                else list(values.values())
            )
            return Node(value, line, column, None, entries)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, line, column)
        return Node(None, line, column)

    def _refuse_decoration(self, event: Event, line: int) -> None:
        """Refuse what makes a node mean something else than it shows: aliases, anchors, tags."""
        if isinstance(event, AliasEvent):
            self._problem(line, f"alias *{event.anchor} is not supported; write the value out")
            return
        if isinstance(event, NodeEvent) and event.anchor is not None:
            self._problem(line, f"anchor &{event.anchor} is not supported; leave it out")
        tag = getattr(event, "tag", None)
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self._problem(line, f"tag {quoted(shown)} is not supported; write the plain value")

    def _mapping(self) -> dict[str | int, Entry]:
        entries: dict[str | int, Entry] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            line, column = _place(event)
            key = self._key(event, line)
            first = entries.get(key) if key is not None else None
            # A faulty key still has a value to read past, and that may hold faults of its own.
            self._path.append(key if key is not None else "?")
            if first:
                self._problem(line, f"is given twice, first in line {first.key_line}; keep one of them")
            node = self._node(next(self._events))
            self._path.pop()
            if key is not None and first is None:
                entries[key] = Entry(line, column, node)
        return entries

    def _key(self, event: Event, line: int) -> str | None:
        before = len(self.problems)
        # A list or mapping as a key is one level deeper than the mapping it belongs to.
        self._path.append("?")
        node = self._node(event)
        self._path.pop()
        if len(self.problems) > before:
            return None
        if not isinstance(node.value, str):
            if node.plain_text is None:
                self._problem(line, "a list or mapping stands as a key; expected a name")
            elif node.plain_text == "":
                self._problem(line, 'a key is empty; expected a name before ":"')
            else:
                text = node.plain_text
                self._problem(line, f"key {text} is not text; write it in quotes: {quoted(text)}")
            return None
        if node.value == "<<" and node.plain_text is not None:
            self._problem(line, "merge key << is not supported; write the keys out")
            return None
        return node.value

    def _sequence(self) -> dict[str | int, Entry]:
        entries: dict[str | int, Entry] = {}
        while not isinstance(event := next(self._events), SequenceEndEvent):
            index = len(entries)
            self._path.append(index)
            node = self._node(event)
            self._path.pop()
            entries[index] = Entry(node.line, node.column, node)
        return entries

    def _scalar(self, event: ScalarEvent, line: int, column: int) -> Node:
        text: str = event.value
        if any("\ud800" <= char <= "\udfff" for char in text):
            self._problem(line, f"{quoted(text)} holds half a character (a surrogate); expected whole characters")
            return Node("", line, column)
        if event.style is not None:
            return Node(text, line, column)
        return Node(self._typed(text, line), line, column, text)

    def _typed(self, text: str, line: int) -> Value:
        """Give a plain scalar its type: the few forms that nobody reads in two ways; the rest is text."""
        if text in _WORDS:
            return _WORDS[text]
        is_whole = _WHOLE_NUMBER.fullmatch(text) is not None
        if not is_whole and not _DECIMAL_NUMBER.fullmatch(text):
            return text
        digits = sum(char.isdigit() for char in text)
        if digits > MOST_DIGITS:
            self._problem(line, f"a number of {digits} digits; expected at most {MOST_DIGITS}, or text in quotes")
            return 0
        return int(text) if is_whole else float(text)

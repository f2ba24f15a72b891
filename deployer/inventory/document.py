"""What a YAML file holds, with the place of every key and value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from deployer.inventory.problems import Value, ValuePath


@dataclass(frozen=True)
class Node:
    """One value of a file and where it stands.

    Attributes:
        value: The value as plain data.
        line: Line where the value starts, from 1.
        column: Column where the value starts, from 1.
        plain_text: What is written in the file if it is a scalar without quotes, else None.
        entries: What is inside, by key or index.
    """

    value: Value
    line: int
    column: int
    plain_text: str | None = None
    entries: Mapping[str | int, Entry] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """A value inside a mapping or list, with the place of its key (of the item itself in a list)."""

    key_line: int
    key_column: int
    node: Node


@dataclass(frozen=True)
class Document:
    """One file that was read: plain data, and the place of every key and value."""

    file: Path
    root: Node

    @property
    def data(self) -> Value:
        """The file's content as plain data."""
        return self.root.value

    def node_at(self, path: ValuePath) -> Node | None:
        """Return the node at ``path``, or None if the file has nothing there."""
        if not path:
            return self.root
        nearest = self._nearest(path)
        return nearest[1].node if nearest and nearest[0] == len(path) else None

    def line_of(self, path: ValuePath) -> int:
        """Return the line where the value at ``path`` starts, or of the nearest one above it."""
        entry = self._nearest(path)
        return entry[1].node.line if entry else self.root.line

    def key_line_of(self, path: ValuePath) -> int:
        """Return the line of the key at ``path``, or of the nearest key above it."""
        entry = self._nearest(path)
        return entry[1].key_line if entry else self.root.line

    def column_of(self, path: ValuePath) -> int:
        """Return the column where the value at ``path`` starts, likewise."""
        entry = self._nearest(path)
        return entry[1].node.column if entry else self.root.column

    def key_column_of(self, path: ValuePath) -> int:
        """Return the column of the key at ``path``, likewise."""
        entry = self._nearest(path)
        return entry[1].key_column if entry else self.root.column

    def _nearest(self, path: ValuePath) -> tuple[int, Entry] | None:
        node, nearest = self.root, None
        for depth, part in enumerate(path, start=1):
            entry = node.entries.get(part)
            if entry is None:
                break
            nearest, node = (depth, entry), entry.node
        return nearest

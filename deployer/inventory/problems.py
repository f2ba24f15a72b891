"""One fault of an inventory, for people: where it stands, what was found, what is expected."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from deployer.errors import InventoryError

if TYPE_CHECKING:
    from pathlib import Path

#: What a strict inventory file can hold; ``dict`` keys are always text.
Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
#: Way from the root of a document to a value: mapping keys and list indexes.
ValuePath: TypeAlias = tuple[str | int, ...]

#: A broken generator can make a fault on every line; this many fit on a screen, and nobody reads further.
MOST_PROBLEMS_SHOWN = 40
#: Characters of a found text that are shown.
_MOST_CHARACTERS_SHOWN = 60
_BARE_KEY = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Problem:
    """One fault.

    Attributes:
        file: The file as the user named it.
        line: Line of the fault, from 1; 0 where the whole file is meant.
        path: Way to the faulty value; empty for the whole file.
        message: What was found and what is expected.
    """

    file: Path
    line: int
    path: ValuePath
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else str(self.file)
        return f"{where}: {dotted(self.path)}: {self.message}" if self.path else f"{where}: {self.message}"


def dotted(path: Sequence[str | int]) -> str:
    """Write a path as people do: ``hosts.blog1.server_names[0]``; odd keys are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE_KEY.fullmatch(part) else quoted(part))
    return text


def quoted(text: str) -> str:
    """Put text into double quotes, shortened, with everything that could move a terminal's cursor escaped."""
    if len(text) > _MOST_CHARACTERS_SHOWN:
        text = text[:_MOST_CHARACTERS_SHOWN] + "..."
    body = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in body)


def found_words(value: object) -> str:
    """Say what stands in the file: ``"1G"``, ``12``, ``true``, ``nothing``, ``a list``, ``a mapping``."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case Mapping():
            return "a mapping" if value else "an empty mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            return str(value)


def raise_if_any(problems: Iterable[Problem]) -> None:
    """Refuse the inventory if there is any fault, all faults at once, sorted by file and line.

    Raises:
        InventoryError: There is at least one problem.
    """
    ordered = sorted(set(problems), key=lambda problem: (str(problem.file), problem.line, dotted(problem.path)))
    if not ordered:
        return
    texts = [str(problem) for problem in ordered[:MOST_PROBLEMS_SHOWN]]
    if len(ordered) > MOST_PROBLEMS_SHOWN:
        texts.append(f"... and {len(ordered) - MOST_PROBLEMS_SHOWN} more")
    count = "one fault" if len(ordered) == 1 else f"{len(ordered)} faults"
    raise InventoryError(
        f"the inventory has {count}",
        problems=texts,
        where=f"{ordered[0].file}:{ordered[0].line}",
        next_step="correct the lines named above and run the same command again",
    )

"""Several inventory files read as one: hosts side by side, every value still knowing its file and line."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from deployer.errors import InventoryError
from deployer.inventory.problems import Problem, Value, ValuePath, found_words, raise_if_any
from deployer.inventory.validation_problems import from_validation_error
from deployer.inventory.yaml_positions import parse_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from deployer.inventory.document import Document, Entry, Node

M = TypeVar("M", bound=BaseModel)

#: The one mapping whose entries may come from several files.
SHARED_KEY = "hosts"
_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True)
class MergedTree:
    """The content of all inventory files.

    Attributes:
        data: Plain data, as one file would have given it.
        documents: The files, in the order in which they were read; at least one.
        owners: Which file gave the value at a path; other paths belong to the longest listed one above.
    """

    data: dict[str, Value]
    documents: tuple[Document, ...]
    owners: Mapping[ValuePath, Document]

    def document_of(self, path: ValuePath) -> Document:
        """Return the file that gave the value at ``path``; for a value that nobody gave, where it belongs."""
        for length in range(len(path), 0, -1):
            owner = self.owners.get(path[:length])
            if owner is not None:
                return owner
        return self.documents[0]

    def file_of(self, path: ValuePath) -> Path:
        """Return the file that gave the value at ``path``; relative paths in it are relative to this file."""
        return self.document_of(path).file

    def position(self, path: ValuePath, *, key: bool = False) -> tuple[Path, int]:
        """Say where a value stands.

        Args:
            path: Way to the value; if nothing stands there, the nearest place above it is taken.
            key: Give the line of the key instead of the value's.

        Returns:
            File and line, from 1.
        """
        document = self.document_of(path)
        return document.file, document.key_line_of(path) if key else document.line_of(path)

    def node_at(self, path: ValuePath) -> Node | None:
        """Return the node at ``path``, or None if nothing stands there."""
        return self.document_of(path).node_at(path)


def load_tree(paths: Sequence[Path]) -> MergedTree:
    """Read inventory files as one.

    Args:
        paths: Files, and folders of which every ``*.yml`` and ``*.yaml`` is read in the order of the names.

    Raises:
        InventoryError: There is no file, or there are faults in them; all faults of all files at once.
    """
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in _files(paths):
        document, found = parse_file(file)
        documents.append(document)
        problems += found
    raise_if_any(problems)
    return merge(documents)


def _files(paths: Sequence[Path]) -> list[Path]:
    files: dict[Path, Path] = {}
    for path in paths:
        if not _is_there(path):
            raise InventoryError(
                f"there is no inventory at {path}",
                where=str(path),
                next_step=f"write {path if path.suffix else path / 'hosts.yml'}, or name another inventory",
            )
        # A file that is named twice, once by its folder, is still one file.
        for file in _inventory_files(path) if path.is_dir() else [path]:
            files.setdefault(file.resolve(), file)
    if not files:
        named = ", ".join(str(path) for path in paths) or "the list of inventory paths"
        raise InventoryError(
            f"there is no *.yml or *.yaml file in {named}",
            where=named,
            next_step="write an inventory file there, or name another inventory",
        )
    return list(files.values())


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise InventoryError(f"{path} cannot be read: {error.strerror}", where=str(path)) from error


def _inventory_files(folder: Path) -> list[Path]:
    try:
        # Dot files are editors' locks and backups.
        found = [f for f in folder.iterdir() if f.suffix in _SUFFIXES and not f.name.startswith(".")]
    except OSError as error:
        raise InventoryError(f"{folder} cannot be read: {error.strerror}", where=str(folder)) from error
    return sorted(found)


def merge(documents: Sequence[Document]) -> MergedTree:
    """Put documents together: the entries of ``hosts`` by name, every other top-level key from one file.

    Raises:
        InventoryError: A host or another key stands in two files, or a file is not a mapping.
    """
    data: dict[str, Value] = {}
    owners: dict[ValuePath, Document] = {}
    first_places: dict[ValuePath, tuple[Document, Entry]] = {}
    problems: list[Problem] = []

    def claim(path: ValuePath, document: Document, entry: Entry) -> bool:
        first = first_places.setdefault(path, (document, entry))
        if first[0] is document:
            owners[path] = document
            return True
        place = f"{first[0].file}:{first[1].key_line}"
        message = f"stands in two files, also in {place}; keep one of them"
        problems.append(Problem(document.file, entry.key_line, path, message))
        return False

    for document in documents:
        content = document.root.value
        if content is None:
            continue
        if not isinstance(content, dict):
            message = f'expected a mapping such as "{SHARED_KEY}:", found {found_words(content)}'
            problems.append(Problem(document.file, document.root.line, (), message))
            continue
        for key, entry in document.root.entries.items():
            value = entry.node.value
            if key == SHARED_KEY and value is None:
                value = {}
            if key != SHARED_KEY or not isinstance(value, dict) or not isinstance(data.get(key, {}), dict):
                if claim((key,), document, entry):
                    data[str(key)] = value
                continue
            first_places.setdefault((key,), (document, entry))
            owners.setdefault((key,), document)
            hosts = data.setdefault(SHARED_KEY, {})
            for name, host in entry.node.entries.items():
                if isinstance(hosts, dict) and claim((key, name), document, host):
                    hosts[str(name)] = host.node.value
    raise_if_any(problems)
    return MergedTree(data, tuple(documents), owners)


def validate(model: type[M], tree: MergedTree) -> M:
    """Build the model from the files' content.

    The data goes through pydantic's JSON mode: there, strict still lets a list become a tuple, which plain
    strict mode does not, and a YAML file holds nothing that JSON cannot.

    Raises:
        InventoryError: The content is not what the model expects; all faults at once.
    """
    try:
        return model.model_validate_json(json.dumps(tree.data))
    except ValidationError as error:
        problems = from_validation_error(error, model, tree)
    raise_if_any(problems)
    raise InventoryError("the inventory is refused without a reason")  # pragma: no cover - pydantic always gives one

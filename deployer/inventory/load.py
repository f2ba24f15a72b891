"""From files to an inventory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deployer.inventory.contradictions import contradictions, group_contradictions
from deployer.inventory.measurements import read_measured
from deployer.inventory.models import Entry, Host, Inventory, InventoryFile, declaration_of, path_from
from deployer.inventory.problems import Problem, raise_if_any
from deployer.inventory.tree import MergedTree, load_tree, validate


def load_inventory(paths: Sequence[Path]) -> Inventory:
    """Read inventory files as one.

    Args:
        paths: Files, and folders of which every ``*.yml`` and ``*.yaml`` is read.

    Returns:
        The hosts, each checked by itself and against what it refers to.

    Raises:
        InventoryError: Anything is wrong; all faults at once, each with file and line.
    """
    tree = load_tree(paths)
    read = validate(InventoryFile, tree)
    of_hosts = (problem for name, host in read.hosts.items() for problem in contradictions(name, host, tree))
    raise_if_any((*of_hosts, *group_contradictions(read.hosts, read.groups, tree)))
    entries = {
        name: _entry(name, host, tree.file_of(("hosts", name)).resolve().parent) for name, host in read.hosts.items()
    }
    folders: tuple[Path, ...] = ()
    if read.templates is not None:
        folders = (_template_folder(read.templates, tree),)
    return Inventory(entries, folders, tree.position, read.groups)


def _entry(name: str, host: Host, folder: Path) -> Entry:
    return Entry(name, host, folder, read_measured(folder, name, declaration_of(name, host)))


def _template_folder(written: str, tree: MergedTree) -> Path:
    """Find the user's own templates; a folder that is not there would let the shipped ones win without a word."""
    key = ("templates",)
    folder = path_from(tree.file_of(key).resolve().parent, written)
    try:
        problem = "" if folder.is_dir() else f"there is no folder {folder}"
    except OSError as error:
        problem = f"{folder} cannot be looked into: {error.strerror}"
    raise_if_any([Problem(*tree.position(key), key, problem)] if problem else [])
    return folder

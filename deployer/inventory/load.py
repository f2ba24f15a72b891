"""From files to an inventory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deployer.inventory.contradictions import contradictions, group_contradictions
from deployer.inventory.models import Entry, Inventory, InventoryFile
from deployer.inventory.problems import raise_if_any
from deployer.inventory.tree import load_tree, validate


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
        name: Entry(name, host, tree.file_of(("hosts", name)).resolve().parent) for name, host in read.hosts.items()
    }
    folders: tuple[Path, ...] = ()
    if read.templates is not None:
        folders = ((tree.file_of(("templates",)).resolve().parent / Path(read.templates).expanduser()).resolve(),)
    return Inventory(entries, folders, tree.position, read.groups)

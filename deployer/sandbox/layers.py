"""Read-only layers: which snapshot stands on which, and which are of no use any more."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass

from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import remove_tree
from deployer.sandbox.states import shapes
from deployer.sandbox.suites import SUITES, USUAL_SUITE


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state that hosts can start from.

    Attributes:
        name: What it is called.
        layers: The trees that make it, uppermost first.
        suite: Which Debian it is of.
    """

    name: str
    layers: tuple[str, ...]
    suite: str

    @property
    def identity(self) -> str:
        """Tell it from an earlier snapshot of the same name."""
        return self.layers[0]


def snapshots_of(places: Places) -> list[Snapshot]:
    """List the snapshots by name; one that somebody drops meanwhile is left out."""
    found = []
    for file in sorted(places.snapshots.glob("*.json")):
        with contextlib.suppress(FileNotFoundError):
            said = json.loads(file.read_text())
            found.append(Snapshot(file.stem, tuple(said["layers"]), said.get("suite", USUAL_SUITE)))
    return found


def find_snapshot(places: Places, name: str) -> Snapshot:
    """Find a snapshot.

    Raises:
        SandboxError: There is none of that name.
    """
    for snapshot in snapshots_of(places):
        if snapshot.name == name:
            return snapshot
    there = ", ".join(snapshot.name for snapshot in snapshots_of(places)) or "none"
    raise SandboxError(f"there is no snapshot called {name}", next_step=f"those that exist: {there}")


def prune_layers(places: Places) -> None:
    """Remove layers that no host and no snapshot stands on; the newest base tree of each suite stays in any case."""
    keep = {layer for shape in shapes(places) for layer in shape.layers}
    keep |= {layer for snapshot in snapshots_of(places) for layer in snapshot.layers}
    trees = [entry for entry in places.layers.iterdir() if not entry.name.endswith(".part")]
    for suite in SUITES:
        bases = [tree for tree in trees if tree.name.startswith(f"base-{suite}-")]
        keep |= {tree.name for tree in sorted(bases, key=lambda tree: tree.stat().st_ctime)[-1:]}
    for tree in trees:
        if tree.name not in keep:
            remove_tree(tree)

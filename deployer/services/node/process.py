"""The size of one process of a Node.js app, of as many as there are, and the old space that a size leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from deployer.app import App
from deployer.apps import long_lived_parts, upload_parts
from deployer.priors import PRIORS
from deployer.services.node.links import FILLED
from deployer.services.node.settings import NodeSettings
from deployer.units import round_down

#: A heap beyond this is collected in pauses that visitors notice, MiB.
MOST_OLD_SPACE_MIB = 2048


@dataclass(frozen=True, slots=True)
class Process:
    """One of ``count`` processes of an app; ``pools_mib`` is what its connections to servers hold, MiB."""

    app: App
    settings: NodeSettings
    pools_mib: float
    count: int

    @property
    def held_parts(self) -> Mapping[str, float]:
        """Long-lived connections that it may have to hold, objects of its old space, MiB by name."""
        return long_lived_parts(self.app, self.count)

    @property
    def upload_parts(self) -> Mapping[str, float]:
        """Uploads that it may have to take, Buffers outside its heap, MiB by name."""
        return upload_parts(self.app, self.count)

    @property
    def own_mib(self) -> float:
        """Old space that it needs at the least: what is pinned, or that of the app's own objects."""
        return self.settings.old_space_mib or PRIORS.node_old_space_floor_mib

    @property
    def least_mib(self) -> float:
        """The same with what it holds for visitors; a pin is for all of it."""
        return self.own_mib if self.settings.old_space_mib else self.own_mib + sum(self.held_parts.values())

    @property
    def most_mib(self) -> float:
        """Old space that it can use."""
        return self.settings.old_space_mib or max(MOST_OLD_SPACE_MIB, self.least_mib)

    @property
    def outside_mib(self) -> float:
        """What V8, Node and the app hold outside the old space."""
        return PRIORS.node_beside_mib + self.settings.external_mib

    def size_mib(self, old_space_mib: float) -> float:
        """Say how much memory it needs with such an old space."""
        uploads_mib = sum(self.upload_parts.values())
        return (old_space_mib + self.outside_mib) / FILLED + self.pools_mib + uploads_mib

    def old_space_mib(self, size_mib: float) -> int:
        """Say which old space a process of that size may have."""
        filled_mib = FILLED * (size_mib - self.pools_mib - sum(self.upload_parts.values()))
        return round_down(min(filled_mib - self.outside_mib + 1e-9, self.most_mib), 1)

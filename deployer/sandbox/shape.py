"""What a host was asked to be, as it is remembered on disk, and which processors it gets. No effects here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from deployer.sandbox.problem import SandboxError
from deployer.sandbox.suites import USUAL_SUITE

_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
#: MiB; Debian with systemd and sshd does not start reliably in less.
MIN_MEMORY_MIB: Final = 128
#: Whose kernel a host runs on: the machine's, which it shares, or one that is its own.
SHARED_KERNEL, OWN_KERNEL = "shared", "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The size and the furnishing of one host.

    Attributes:
        name: Lower case letters, digits, hyphens; at most 40.
        address: IPv4 address on the sandbox's network.
        cpu_cores: Cores that the host shall have, >= 1.
        memory_mib: Memory, MiB, >= 128.
        swap_mib: Swap beyond the memory, MiB; in a container only as real as the machine's own.
        disk_mib: Size of the disk that takes what the host writes, MiB.
        suite: Which Debian it has: its snapshot's, or that of its base tree.
        kernel: ``shared`` (a container) or ``own`` (User-Mode Linux).
        sudo_password: What sudo asks the user ``deploy`` for. None: nothing.
        certificate_names: DNS names of a self-made certificate. Empty: none is made.
        snapshot: Identity of the snapshot that it starts from, empty for the base tree.
        layers: The read-only trees that it stands on, uppermost first.
        cpus: The machine's processors that it is pinned to; empty until it is placed.
    """

    name: str
    address: str
    cpu_cores: int
    memory_mib: int
    swap_mib: int = 0
    disk_mib: int = 20 * 1024
    suite: str = USUAL_SUITE
    kernel: str = SHARED_KERNEL
    sudo_password: str | None = None
    certificate_names: tuple[str, ...] = ()
    snapshot: str = ""
    layers: tuple[str, ...] = ()
    cpus: tuple[int, ...] = ()

    def check(self) -> None:
        """Refuse what cannot be a host.

        Raises:
            SandboxError: The name or a size is out of range.
        """
        if not _NAME.fullmatch(self.name):
            raise SandboxError(
                f"a local VPS cannot be called {self.name!r}",
                next_step="use lower case letters, digits and hyphens, a letter first, at most 40",
            )
        if self.memory_mib < MIN_MEMORY_MIB or self.cpu_cores < 1 or self.swap_mib < 0 or self.disk_mib < 16:
            raise SandboxError(
                f"{self.name}: {self.cpu_cores} cores, {self.memory_mib} MiB memory, {self.swap_mib} MiB swap and "
                f"{self.disk_mib} MiB disk are no host; it needs 1 core, {MIN_MEMORY_MIB} MiB, 0 MiB and 16 MiB"
            )
        if self.kernel not in (SHARED_KERNEL, OWN_KERNEL):
            raise SandboxError(
                f"{self.name}: no local VPS has the kernel {self.kernel!r}",
                next_step=f"those that one can have: {SHARED_KERNEL}, {OWN_KERNEL}",
            )

    @property
    def own_kernel(self) -> bool:
        """Whether its kernel is its own."""
        return self.kernel == OWN_KERNEL

    def asked_for(self) -> Shape:
        """Leave out what the sandbox chose by itself: equal results mean that nothing has to be done."""
        return replace(self, cpus=(), layers=())

    def same_disk(self, other: Shape) -> bool:
        """Tell whether what ``other`` wrote can be kept."""
        mine, others = (
            (shape.snapshot, shape.suite, shape.kernel, shape.disk_mib, shape.name) for shape in (self, other)
        )
        return mine == others

    def to_json(self) -> str:
        """Write it down; the file is for root only, as it may hold a password."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Shape:
        """Read what ``to_json`` wrote."""
        found = json.loads(text)
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in found.items()
        }
        return cls(**values)


def choose_cpus(cores: int, available: Sequence[int], taken: Iterable[Sequence[int]]) -> tuple[int, ...]:
    """Choose the processors that the fewest hosts are pinned to, the highest numbers first among equals.

    The first processors are left to the machine itself and to a load generator for as long as possible.

    Args:
        cores: How many are wanted, >= 1; fewer come back when the machine has fewer.
        available: The machine's processors.
        taken: Those of each host that exists.
    """
    load = dict.fromkeys(available, 0)
    for cpus in taken:
        for cpu in cpus:
            if cpu in load:
                load[cpu] += 1
    order = sorted(available, key=lambda cpu: (load[cpu], -cpu))
    return tuple(sorted(order[:cores]))

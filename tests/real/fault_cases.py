"""The cases of the fault sweep: every step of the agent's transaction, every fault, a first deploy and an update.

Each cell of the table is a case, or a reason why there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from deployer.agent.progress import STEPS

KINDS: Final = ("first", "update")
#: Fault: how the host has to be afterwards, but for the steps of `OTHERWISE`. "either": by where it hits.
FAULTS: Final = {
    "control process killed": "old",
    "connection reset": "old",
    "silent link": "new",  # the agent cannot tell it from a control machine that has nothing to say
    "agent killed": "old",
    "power cut": "old",
    "disk full": "either",
    "read-only directory": "either",
    "validator refuses": "old",
    "service does not start": "old",
    "health check fails": "old",
    "clock jumps ahead": "new",
    "clock jumps back": "new",
    "second deploy": "new",
}
OTHERWISE: Final = {
    # nothing is asked any more on the way to the one rename that commits
    ("control process killed", "commit"): "new",
    ("connection reset", "commit"): "new",
}
OWN_KERNEL: Final = frozenset({"power cut", "clock jumps ahead", "clock jumps back"})
"""Faults that need a kernel of the host's own."""
ONLY_AT: Final = {
    "validator refuses": ("validate", "validators run in this step alone"),
    "service does not start": ("activate", "units are started in this step alone"),
    "health check fails": ("gate", "health is asked for in this step alone"),
}
BOUNDED: Final = frozenset(
    {
        ("first", "control process killed", "lock"),
        ("update", "disk full", "recover"),
        ("first", "read-only directory", "compare"),
        ("first", "control process killed", "packages"),
        ("update", "connection reset", "accounts"),
        ("first", "agent killed", "secrets"),
        ("update", "disk full", "releases"),
        ("update", "read-only directory", "stage"),
        ("first", "validator refuses", "validate"),
        ("update", "second deploy", "journal"),
        ("first", "disk full", "arm"),
        ("update", "agent killed", "swap"),
        ("first", "connection reset", "daemon-reload"),
        ("update", "control process killed", "sysctls"),
        ("update", "service does not start", "activate"),
        ("update", "health check fails", "gate"),
        ("first", "silent link", "commit"),
    }
)
"""Those that `make test` runs: every step, and every fault that a container can have."""


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the table.

    Attributes:
        kind: `first` deploy on the host, or `update`.
        fault: What happens.
        step: Where the agent is when it happens.
        expected: How the host has to be afterwards: `old`, `new` or `either`.
        why_not: Why this cannot be; empty for a case.
    """

    kind: str
    fault: str
    step: str
    expected: str
    why_not: str = ""

    @property
    def is_bounded(self) -> bool:
        return (self.kind, self.fault, self.step) in BOUNDED

    def __str__(self) -> str:
        return f"{self.kind}-{self.fault}-{self.step}".replace(" ", "_")


def cells() -> Iterator[Case]:
    """Give the whole table."""
    for kind in KINDS:
        for fault, expected in FAULTS.items():
            for step in STEPS:
                at, why = ONLY_AT.get(fault, (step, ""))
                yield Case(kind, fault, step, OTHERWISE.get((fault, step), expected), why if at != step else "")


def cases(*, own_kernel: bool) -> list[Case]:
    """Give the cases of one sort of host."""
    return [cell for cell in cells() if not cell.why_not and (cell.fault in OWN_KERNEL) == own_kernel]

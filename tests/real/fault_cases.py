"""The cases of the fault sweep: every step of the agent's transaction, every fault, a first deploy and an update.

Each cell of the table is a case, or a reason why there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from deployer.agent.progress import STEPS

KINDS: Final = ("first", "update")
WAY_BACK: Final = "return"
"""Not a step, but what follows a failed one: the agent puts the host back, and that is broken as well."""
PLACES: Final = (*STEPS, WAY_BACK)
#: Fault: how the host has to be afterwards, but for the places of `OTHERWISE`. "either": by where it hits.
FAULTS: Final = {
    "control process killed": "old",
    "connection reset": "old",
    "silent link": "new",  # the agent cannot tell it from a control machine that has nothing to say
    "agent killed": "old",
    "power cut": "old",
    "disk full": "either",
    "read-only directory": "either",
    "validator refuses": "old",
    "candidate refuses": "old",
    "candidate hangs": "old",
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
    # behind that rename there is no way back, and a deploy that failed does not go live by another fault
    **{(fault, "clean-up"): "new" for fault in FAULTS},
    **{(fault, WAY_BACK): "old" for fault in FAULTS},
}
OWN_KERNEL: Final = frozenset({"power cut", "clock jumps ahead", "clock jumps back"})
"""Faults that need a kernel of the host's own."""
ONLY_AT: Final = {
    "validator refuses": ("validate", "validators run in this step alone"),
    "candidate refuses": ("candidate", "a new release is asked in this step alone"),
    "candidate hangs": ("candidate", "a new release is asked in this step alone"),
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
        ("first", "connection reset", "room"),
        ("update", "read-only directory", "stage"),
        ("first", "validator refuses", "validate"),
        ("update", "second deploy", "journal"),
        ("first", "disk full", "arm"),
        ("update", "agent killed", "swap"),
        ("first", "connection reset", "daemon-reload"),
        ("update", "control process killed", "sysctls"),
        ("update", "agent killed", "candidate"),
        ("update", "candidate refuses", "candidate"),
        ("first", "candidate hangs", "candidate"),
        ("update", "service does not start", "activate"),
        ("update", "agent killed", "dump"),
        ("update", "health check fails", "gate"),
        ("update", "connection reset", "confirm"),
        ("first", "silent link", "commit"),
        ("update", "agent killed", "clean-up"),
        ("update", "agent killed", WAY_BACK),
    }
)
"""Those that `make test` runs: every step, the way back, and every fault that a container can have."""


@dataclass(frozen=True, slots=True)
class Case:
    """One cell of the table.

    Attributes:
        kind: `first` deploy on the host, or `update`.
        fault: What happens.
        step: Where the agent is when it happens: one of its steps, or `WAY_BACK`.
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

    def is_behind(self, step: str) -> bool:
        """Whether the agent has that step behind it when the fault happens."""
        return PLACES.index(self.step) > PLACES.index(step)

    def __str__(self) -> str:
        return f"{self.kind}-{self.fault}-{self.step}".replace(" ", "_")


def cells() -> Iterator[Case]:
    """Give the whole table."""
    for kind in KINDS:
        for fault, expected in FAULTS.items():
            for step in PLACES:
                at, why = ONLY_AT.get(fault, (step, ""))
                yield Case(kind, fault, step, OTHERWISE.get((fault, step), expected), why if at != step else "")


def cases(*, own_kernel: bool) -> list[Case]:
    """Give the cases of one sort of host."""
    return [cell for cell in cells() if not cell.why_not and (cell.fault in OWN_KERNEL) == own_kernel]

"""What Redis fills of the disk, where it is kept there."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.declaration import Declaration
from deployer.numbers import Numbers, derived
from deployer.services.redis.budget import TAKER
from deployer.services.redis.settings import settings_of

#: Times that its content is there: the copy and the next one; with a log of writes also that, which is made anew once
#: it has doubled.
COPIES = {"none": 0, "rdb": 2, "aof": 3}


def disk(declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what it writes at the most, MiB."""
    persistence = settings_of(declaration).persistence
    if not COPIES[persistence]:
        return {}
    return {
        f"redis' {persistence}": derived(
            COPIES[persistence] * int(numbers[TAKER]["maxmemory"].value),
            "MiB",
            f"{COPIES[persistence]} x maxmemory: what is kept, and the next copy while it is written",
            f"{TAKER}.maxmemory",
        )
    }

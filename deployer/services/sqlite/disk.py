"""What SQLite fills of the disk besides the users' data, which is in the database's file itself."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.apps import dumps_on_disk
from deployer.declaration import Declaration
from deployer.numbers import Numbers, derived
from deployer.priors import PRIORS

TAKER = "sqlite"


def disk(declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what it writes at the most, MiB; a log is its limit again while one long transaction or reader holds it."""
    databases, limit_mib = declaration.databases_in(TAKER), int(numbers[TAKER]["journal_size_limit"].value)
    several = f" of each of {len(databases)} databases" if len(databases) > 1 else ""
    return {
        "sqlite's logs of writes": derived(
            2 * len(databases) * limit_mib,
            "MiB",
            f"2 x journal_size_limit{several}: what is kept, and as much while a reader holds it",
            f"{TAKER}.journal_size_limit",
            *(f"apps.{app}.database" for app in databases),
        ),
        "sqlite's temporary files": derived(
            PRIORS.temporary_table_disk_mib, "MiB", "sorts larger than a cache", "priors.temporary_table_disk_mib"
        ),
        **dumps_on_disk(declaration, databases),
    }

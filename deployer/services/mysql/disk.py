"""What the database fills of the disk besides its data."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.declaration import Declaration
from deployer.numbers import Derived, Numbers, derived
from deployer.priors import PRIORS
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import TAKER


def disk(declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what the server itself writes at the most, MiB."""
    redo = flavour_of(declaration).log_size
    found: dict[str, Derived] = {
        "mysql's own tables": derived(
            PRIORS.mariadb_datadir_mib, "MiB", "system tables, undo, ibdata1", "priors.mariadb_datadir_mib"
        ),
        "mysql's temporary tables": derived(
            PRIORS.temporary_table_disk_mib, "MiB", "sorts larger than a buffer", "priors.temporary_table_disk_mib"
        ),
    }
    if redo in numbers[TAKER]:
        found["mysql's redo log"] = derived(int(numbers[TAKER][redo].value), "MiB", redo, f"{TAKER}.{redo}")
    return found

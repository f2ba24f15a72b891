"""What PostgreSQL fills of the disk besides its data."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.apps import dumps_on_disk
from deployer.declaration import Declaration
from deployer.numbers import Numbers, derived
from deployer.priors import PRIORS
from deployer.services.postgresql.budget import TAKER


def disk(declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what the server itself writes at the most, MiB; ``max_wal_size`` may be passed for a moment, by a quarter."""
    wal_mib = int(numbers[TAKER]["max_wal_size"].value)
    return {
        "postgresql's own tables": derived(
            PRIORS.postgresql_datadir_mib, "MiB", "the catalogs of its databases", "priors.postgresql_datadir_mib"
        ),
        "postgresql's write-ahead log": derived(
            wal_mib + wal_mib // 4, "MiB", "max_wal_size and a quarter", f"{TAKER}.max_wal_size"
        ),
        "postgresql's temporary files": derived(
            PRIORS.temporary_table_disk_mib, "MiB", "sorts larger than work_mem", "priors.temporary_table_disk_mib"
        ),
        **dumps_on_disk(declaration, declaration.databases_in(TAKER)),
    }

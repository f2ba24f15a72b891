"""What the database fills of the disk besides its data."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.apps import dumps_on_disk
from deployer.declaration import Declaration
from deployer.numbers import Derived, Numbers, derived
from deployer.priors import PRIORS
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.mariadb import BINLOG_DAYS
from deployer.services.mysql.settings import TAKER, settings_of
from deployer.services.mysql.storage import binlogs_mib


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
    if "max_binlog_size" in numbers[TAKER]:
        found["mysql's binlog"] = _binlog(declaration, numbers[TAKER])
    return {**found, **dumps_on_disk(declaration, declaration.databases_in(TAKER))}


def _binlog(declaration: Declaration, numbers: Numbers) -> Derived:
    file_mib = int(numbers["max_binlog_size"].value)
    if (limit := numbers.get("max_binlog_total_size")) is not None:
        because = f"max_binlog_total_size {limit.value} + {file_mib} of the file that is written"
        inputs = (f"{TAKER}.max_binlog_total_size", f"{TAKER}.max_binlog_size")
        return derived(int(limit.value) + file_mib, "MiB", because, *inputs)
    room_mib, settings = binlogs_mib(declaration.hardware.disk_gib), settings_of(declaration)
    return derived(
        room_mib + file_mib,
        "MiB",
        f"room for {room_mib // BINLOG_DAYS} MiB of changes a day for {BINLOG_DAYS} days, and a file of {file_mib}: "
        f"{settings.flavour} {settings.series} knows no limit of their size",
        "hardware.disk_gib",
        f"{TAKER}.max_binlog_size",
    )

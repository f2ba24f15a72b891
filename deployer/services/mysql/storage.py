"""InnoDB: its buffer pool within what was granted, its log within what the disk has, and when it writes to it."""

from __future__ import annotations

from deployer.budget import Grant
from deployer.hardware import Hardware
from deployer.numbers import Derived, Numbers, Provenance, default, derived, pinned
from deployer.priors import PRIORS
from deployer.services.mysql.flavour import Flavour
from deployer.services.mysql.settings import MysqlSettings
from deployer.units import round_down

#: Redo log of a small host, which is MariaDB's own default, and of the largest. MiB.
LOG_MIB = 96
LARGEST_LOG_MIB = 4096
#: One file of the binlog, MiB.
LEAST_BINLOG_MIB, LARGEST_BINLOG_MIB = 16, 1024
#: All files of the binlog: a tenth of the disk up to so much, MiB.
BINLOGS_SHARE, LARGEST_BINLOGS_MIB = 10, 32 * 1024


def pool_overhead_mib(pool_mib: float) -> float:
    """Price the hashes and locks of a large pool, MiB."""
    return PRIORS.innodb_pool_overhead_share * max(0.0, pool_mib - PRIORS.innodb_pool_overhead_beyond_mib)


def buffer_pool(flavour: Flavour, settings: MysqlSettings, grant: Grant) -> Derived:
    """Give the pool what is left of the grant."""
    if settings.innodb_buffer_pool_size_mib:
        return pinned(settings.innodb_buffer_pool_size_mib, "MiB", "services.mysql.innodb_buffer_pool_size_mib")
    floor, beyond = PRIORS.innodb_pool_floor_mib, PRIORS.innodb_pool_overhead_beyond_mib
    room_mib: float = floor + grant.elastic_mib
    because, inputs = f"floor {floor} + share of the remainder {grant.elastic_mib}", ["priors.innodb_pool_floor_mib"]
    if room_mib > beyond:
        share = PRIORS.innodb_pool_overhead_share
        within_mib = (room_mib + share * beyond) / (1 + share)
        because += f", less {room_mib - int(within_mib):g} for hashes and locks: {share:.0%} beyond {beyond}"
        inputs += ["priors.innodb_pool_overhead_share", "priors.innodb_pool_overhead_beyond_mib"]
        room_mib = within_mib
    pool_mib = flavour.pool_mib(room_mib)
    if pool_mib < int(room_mib):
        because += f", less {int(room_mib) - pool_mib} to be made of whole chunks"
    return derived(pool_mib, "MiB", because, "ledger.mysql", *inputs)


def storage_numbers(flavour: Flavour, settings: MysqlSettings, hardware: Hardware, pool: Derived) -> Numbers:
    """Derive InnoDB's settings, and those of the binlog."""
    ssd = hardware.disk_kind == "ssd"
    found = {
        "innodb_buffer_pool_size": pool,
        flavour.log_size: derived(
            _log_mib(float(pool.value), hardware.disk_gib * 1024),
            "MiB",
            "half of the buffer pool up to 96; an eighth of a larger one, up to 2 % of the disk",
            "mysql.innodb_buffer_pool_size",
            "hardware.disk_gib",
        ),
        "innodb_log_buffer_size": default(
            flavour.log_buffer_mib, "MiB", "counted in the measured size of the empty server"
        ),
        "innodb_flush_log_at_trx_commit": _durability(
            settings, strict=1, relaxed=2, because="what is committed survives a power cut"
        ),
        "innodb_io_capacity": derived(
            1000 if ssd else 200, "per s", f"a small VPS's {hardware.disk_kind}", "hardware.disk_kind"
        ),
        "innodb_flush_neighbors": derived(
            0 if ssd else 1, "", "only a turning disk gains from it", "hardware.disk_kind"
        ),
        "key_buffer_size": default(1, "MiB", "no MyISAM tables; the server's own default is 8 or 128"),
    }
    if settings.binlog == "on":
        found["log_bin"] = pinned("binlog", "", "services.mysql.binlog")
        found["sync_binlog"] = _durability(
            settings, strict=1, relaxed=0, because="a change is on the disk with its commit"
        )
        found["max_binlog_size"] = derived(
            max(LEAST_BINLOG_MIB, min(LARGEST_BINLOG_MIB, round_down(hardware.disk_gib * 1024 / 256, 8))),
            "MiB",
            f"a 256th of the disk, {LEAST_BINLOG_MIB} to {LARGEST_BINLOG_MIB}",
            "hardware.disk_gib",
        )
    return found


def binlogs_mib(disk_gib: int) -> int:
    """Say what all closed files of the binlog may fill, MiB; the one that is written comes on top."""
    return min(LARGEST_BINLOGS_MIB, round_down(disk_gib * 1024 / BINLOGS_SHARE, 8))


def _durability(settings: MysqlSettings, *, strict: int, relaxed: int, because: str) -> Derived:
    where = "services.mysql.durability"
    if settings.durability == "strict":
        return pinned(strict, "", where) if settings.pins("durability") else default(strict, "", because)
    because = f"{where} is relaxed: a power cut may take what was committed in the last second"
    return Derived(relaxed, "", Provenance.PINNED, because, (where,))


def _log_mib(pool_mib: float, disk_mib: int) -> int:
    """Size the redo log: what a busy pool writes between two checkpoints, on a disk that has room for it."""
    small = min(LOG_MIB, pool_mib / 2)
    large = min(LARGEST_LOG_MIB, pool_mib / 8, disk_mib / 50)
    return max(16, round_down(max(small, large), 8))

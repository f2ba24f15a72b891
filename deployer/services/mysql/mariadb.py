"""MariaDB: its prices, its places, and the settings that MySQL does not have."""

from __future__ import annotations

from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Validator
from deployer.services.mysql.flavour import Flavour, Sizes
from deployer.services.mysql.storage import LARGEST_BINLOGS_MIB, binlogs_mib
from deployer.units import round_up

#: One in-memory table of a connection, KiB: tmp_memory_table_size and max_heap_table_size.
TEMPORARY_TABLE_KIB = 1024
BINLOG_DAYS = 3
#: Ten INSERTs at once of one value of 1 and of 4 MiB took 4.1 to 4.7 times as much, SELECTs 2.8 to 3.2. One alone of
#: 4 to 15 MiB took up to 5.3 (invoke bench.servers --only statements): few may all be there at the same moment.
PACKET_COPIES = 4.7
LARGE_PACKET_COPIES = 5.3


def _binlog_numbers(sizes: Sizes) -> Numbers:
    """Limit the binlog, where the release can; its default would keep all of it while no replica is connected."""
    if sizes.settings.binlog == "off" or sizes.settings.series == "10.11":
        return {}
    found: dict[str, Derived] = {
        "max_binlog_total_size": derived(
            binlogs_mib(sizes.hardware.disk_gib),
            "MiB",
            f"a tenth of the disk, at most {LARGEST_BINLOGS_MIB}: then the oldest file goes",
            "hardware.disk_gib",
        ),
        "slave_connections_needed_for_purge": default(0, "replicas", "with 1 and no replica nothing is ever removed"),
    }
    return found


def _session_numbers(sizes: Sizes) -> Numbers:
    """Bound a session where the inventory does; by itself the server bounds none."""
    mib, name = sizes.settings.max_session_mem_used_mib, "max_session_mem_used"
    return {} if mib is None else {name: pinned(mib, "MiB", f"services.mysql.{name}_mib")}


def _numbers(sizes: Sizes) -> Numbers:
    return {
        **_binlog_numbers(sizes),
        **_session_numbers(sizes),
        "innodb_buffer_pool_size_max": derived(
            round_up(sizes.hardware.memory_mib, 8),
            "MiB",
            "addresses kept free up to the host's memory: without them some releases refuse to grow the pool online",
            "hardware.memory_mib",
        ),
        "tmp_memory_table_size": default(TEMPORARY_TABLE_KIB // 1024, "MiB", "each connection may have one"),
        "max_heap_table_size": default(TEMPORARY_TABLE_KIB // 1024, "MiB", "must not be less than the other"),
        "aria_pagecache_buffer_size": default(8, "MiB", "temporary tables on disk; the server's own default is 128"),
        "expire_logs_days": default(BINLOG_DAYS, "days", "a weekend's worth")
        if sizes.settings.binlog == "on"
        else default(0, "days", "there is no binlog; Debian's 10 makes the server warn"),
    }


MARIADB = Flavour(
    name="mariadb",
    title="MariaDB",
    package="mariadb-server",
    unit="mariadb.service",
    # Debian 12's 10.11.18 enables it: port 3306 of every address, whatever bind-address and skip-networking say
    socket_unit="mariadb.socket",
    config="/etc/mysql/mariadb.conf.d/90-deployer.cnf",
    template="mysql/mariadb.cnf.j2",
    written=("/run/mysqld", "-/var/log/mysql"),
    # --help parses the config and ends; its thousand lines of help are no finding, what it warns of is
    validator=Validator(
        name="mariadbd --help --verbose",
        argv=("sh", "-c", "mariadbd --user=mysql --help --verbose 2>&1 >/dev/null"),
        allowed=(r".*Could not open mysql\.plugin table.*", r".*Plugin 'FEEDBACK' is disabled.*"),
    ),
    fixed_mib=PRIORS.mariadb_fixed_mib,
    performance_schema_mib=PRIORS.mariadb_performance_schema_mib,
    performance_schema_large_mib=PRIORS.mariadb_performance_schema_large_mib,
    connection_mib=PRIORS.mariadb_connection_mib,
    open_table_kib=PRIORS.mariadb_open_table_kib,
    packet_copies=PACKET_COPIES,
    large_packet_copies=LARGE_PACKET_COPIES,
    connection_buffers_kib={
        "sort_buffer_size": 256,
        "join_buffer_size": 256,
        "read_buffer_size": 128,
        "read_rnd_buffer_size": 256,
        "mrr_buffer_size": 256,
        "thread_stack": 292,
        "binlog_cache_size": 32,
        "net_buffer_length": 16,
    },
    temporary_kib=TEMPORARY_TABLE_KIB,
    log_size="innodb_log_file_size",
    log_buffer_mib=2,
    pool_mib=int,  # whole MiB are taken as they are
    shared_mib=lambda _connections: {},
    numbers=_numbers,
)

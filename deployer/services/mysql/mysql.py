"""MySQL: its prices, its places, and the settings that MariaDB does not have.

Ubuntu's packages; Debian has none in its stable releases.
"""

from __future__ import annotations

from deployer.numbers import Numbers, default, derived
from deployer.priors import PRIORS
from deployer.service import Validator
from deployer.services.mysql.flavour import Flavour, Sizes
from deployer.units import round_down, round_up

#: The first block of a connection's temporary tables, KiB; the server keeps it, and does not count it.
TEMPTABLE_BLOCK_KIB = 1024
LEAST_TEMPTABLE_MIB = 16
BINLOG_S = 3 * 24 * 3600
#: Ten INSERTs at once of one value of 4 MiB took 5.9 times as much of MySQL 9.7 (docs/budget.md).
PACKET_COPIES = 6.0
#: The pool is made of chunks: at least so large, MiB, and some hundred of them at the most.
LEAST_CHUNK_MIB = 8
CHUNKS = 256
MOST_INSTANCES = 8


def _pool_mib(room_mib: float) -> int:
    """Leave the pool a size that tidy chunks make up: the server would round another one up."""
    return round_down(room_mib, 8 if room_mib < 1024 else 64 if room_mib < 8192 else 512)


def _instances(pool_mib: int, cpu_cores: int) -> int:
    """Part a large pool for many cores, into parts of at least 1 GiB and of the same size."""
    most = max(1, min(MOST_INSTANCES, cpu_cores // 4, pool_mib // 1024))
    return max(count for count in range(1, most + 1) if pool_mib % count == 0)


def _chunk_mib(part_mib: int) -> int:
    """Find the smallest chunk that makes up a part of the pool exactly, so that it is no larger than was priced."""
    least = min(part_mib, max(LEAST_CHUNK_MIB, -(-part_mib // CHUNKS)))
    return next(chunk for chunk in range(least, part_mib + 1) if part_mib % chunk == 0)


def _temptable_mib(connections: int) -> int:
    return max(LEAST_TEMPTABLE_MIB, round_up(connections / 2, 8))


def _numbers(sizes: Sizes) -> Numbers:
    pool_mib, cores = int(sizes.pool.value), sizes.hardware.cpu_cores
    instances = _instances(pool_mib, cores)
    found = {
        "innodb_buffer_pool_instances": derived(
            instances,
            "",
            f"a quarter of {cores} cores, each of at least 1 GiB, at most {MOST_INSTANCES}",
            "hardware.cpu_cores",
            "mysql.innodb_buffer_pool_size",
        ),
        "innodb_buffer_pool_chunk_size": derived(
            _chunk_mib(pool_mib // instances),
            "MiB",
            f"whole chunks make up {pool_mib} MiB; the server's own of 128 would round it up",
            "mysql.innodb_buffer_pool_size",
            "mysql.innodb_buffer_pool_instances",
        ),
        "temptable_max_ram": derived(
            _temptable_mib(sizes.connections),
            "MiB",
            "in-memory tables of all connections together; the server's own default is 1024 or more",
            "mysql.max_connections",
        ),
        "temptable_max_mmap": default(0, "MiB", "what does not fit goes to the disk as InnoDB tables"),
        "tmp_table_size": default(4, "MiB", "one in-memory table, within temptable_max_ram"),
        "max_heap_table_size": default(4, "MiB", "a table that a user declares to be in memory"),
    }
    if sizes.settings.binlog == "on":
        found["binlog_expire_logs_seconds"] = default(BINLOG_S, "s", "three days: a weekend's worth")
    return found


MYSQL = Flavour(
    name="mysql",
    title="MySQL",
    package="mysql-server",
    unit="mysql.service",
    socket_unit="",
    # behind the package's own mysqld.cnf, which sets some of the same
    config="/etc/mysql/mysql.conf.d/zz-deployer.cnf",
    template="mysql/mysql.cnf.j2",
    written=("-/run/mysqld", "-/var/log/mysql", "-/var/lib/mysql-files", "-/var/lib/mysql-keyring"),
    validator=Validator(name="mysqld --validate-config", argv=("mysqld", "--user=mysql", "--validate-config")),
    fixed_mib=PRIORS.mysql_fixed_mib,
    performance_schema_mib=PRIORS.mysql_performance_schema_mib,
    performance_schema_large_mib=PRIORS.mysql_performance_schema_large_mib,
    connection_mib=PRIORS.mysql_connection_mib,
    open_table_kib=PRIORS.mysql_open_table_kib,
    packet_copies=PACKET_COPIES,
    large_packet_copies=PACKET_COPIES,
    connection_buffers_kib={
        "sort_buffer_size": 256,
        "join_buffer_size": 256,
        "read_buffer_size": 128,
        "read_rnd_buffer_size": 256,
        "thread_stack": 1024,
        "binlog_cache_size": 32,
        "net_buffer_length": 16,
    },
    temporary_kib=TEMPTABLE_BLOCK_KIB,
    log_size="innodb_redo_log_capacity",
    log_buffer_mib=8,
    pool_mib=_pool_mib,
    shared_mib=lambda connections: {"in-memory tables of all connections": float(_temptable_mib(connections))},
    numbers=_numbers,
)

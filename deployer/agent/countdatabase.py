"""What a database does at this moment: statements in progress, who waits for a lock, and for whom connections are held.

MariaDB and MySQL are asked as root over their socket, in a session that may only read. PostgreSQL is asked as postgres,
and the session then takes the role ``pg_monitor``, which may look and nothing else.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from . import mysqlwire, postgreswire

Document = Dict[str, Any]
Row = List[Optional[str]]

REFUSALS = (mysqlwire.MysqlError, postgreswire.PostgresError)
#: For each answer, s. A database that takes longer for its own counters suffers, and the sampling must go on.
WITHIN_S = 0.5

#: What is told of each user: connections, statements in progress, idle within a transaction, and so on.
_OF_USER = ("connections", "busy", "in_transaction", "waiting_for_lock", "longest_ms")
#: Status variables and what they are called in a sample.
_MYSQL = {
    "Threads_connected": "connected",
    "Threads_running": "running",
    "Questions": "questions",
    "Slow_queries": "slow",
    "Connection_errors_max_connections": "refused",
    "Created_tmp_disk_tables": "disk_tables",
    "Innodb_row_lock_current_waits": "lock_waiting",
    "Innodb_row_lock_waits": "lock_waits",
    "Innodb_row_lock_time": "lock_wait_ms",
    "Innodb_buffer_pool_reads": "pool_reads",
    "Innodb_buffer_pool_read_requests": "pool_read_requests",
    "Innodb_buffer_pool_wait_free": "pool_waits",
}
_MYSQL_STATUS = "SHOW GLOBAL STATUS WHERE Variable_name IN ('%s')" % "','".join(_MYSQL)
#: Both are answered from memory; a SELECT from the list of processes makes the server write a table to the disk.
_MYSQL_PROCESSES = "SHOW PROCESSLIST"
_MYSQL_TRANSACTIONS = "SELECT trx_mysql_thread_id, trx_state FROM information_schema.innodb_trx"
#: What is no statement of a client's.
_ASLEEP = ("Sleep", "Daemon", "Binlog Dump")

_POSTGRESQL_ALL = """
SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
       sum(blks_read)::bigint, sum(blks_read + blks_hit)::bigint, sum(temp_files)::bigint,
       sum(xact_commit + xact_rollback)::bigint, sum(deadlocks)::bigint FROM pg_stat_database"""
_POSTGRESQL_USERS = """
SELECT usename, count(*), count(*) FILTER (WHERE state = 'active'),
       count(*) FILTER (WHERE state LIKE 'idle in transaction%'),
       count(*) FILTER (WHERE state = 'active' AND wait_event_type = 'Lock'),
       coalesce(max(extract(epoch FROM clock_timestamp() - query_start) * 1000)
                FILTER (WHERE state = 'active'), 0)::bigint
FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() GROUP BY usename"""


class Mysql:
    """A session with MariaDB or MySQL."""

    RISING = (
        "questions",
        "slow",
        "refused",
        "disk_tables",
        "lock_waits",
        "lock_wait_ms",
        "pool_reads",
        "pool_read_requests",
        "pool_waits",
    )

    def __init__(self, about: Document) -> None:
        self._wire = mysqlwire.MysqlWire(str(about.get("socket") or mysqlwire.SOCKET), within_s=WITHIN_S)
        self._wire.rows("SET SESSION TRANSACTION READ ONLY")
        [[own]] = self._wire.rows("SELECT CONNECTION_ID()")
        self._own = own
        self.close = self._wire.close

    def count(self) -> Document:
        """Ask."""
        told = {str(row[0]): int(row[1] or 0) for row in self._wire.rows(_MYSQL_STATUS)}
        found: Document = {short: told[name] for name, short in _MYSQL.items() if name in told}
        found["connected"], found["running"] = found["connected"] - 1, max(0, found["running"] - 1)  # without ours
        transactions = {row[0]: row[1] for row in self._wire.rows(_MYSQL_TRANSACTIONS)}
        processes = [row for row in self._wire.rows(_MYSQL_PROCESSES) if row[0] != self._own]
        return dict(found, users=_by_user(processes, transactions))


class Postgresql:
    """A session with PostgreSQL."""

    RISING = ("questions", "disk_tables", "pool_reads", "pool_read_requests", "deadlocks")

    def __init__(self, about: Document) -> None:
        path = str(about.get("socket") or postgreswire.FOLDER + "/.s.PGSQL.5432")
        self._wire = postgreswire.PostgresWire(path, within_s=WITHIN_S)
        self._wire.rows("SET ROLE pg_monitor")
        self._wire.rows("SET default_transaction_read_only = on")
        self.close = self._wire.close

    def count(self) -> Document:
        """Ask."""
        names = ("connected", "pool_reads", "pool_read_requests", "disk_tables", "questions", "deadlocks")
        [told] = self._wire.rows(_POSTGRESQL_ALL)
        users = _users(self._wire.rows(_POSTGRESQL_USERS))
        found: Document = {name: int(value or 0) for name, value in zip(names, told)}
        found["running"] = sum(user["busy"] for user in users.values())
        found["lock_waiting"] = sum(user["waiting_for_lock"] for user in users.values())
        return dict(found, users=users)


def _by_user(processes: List[Row], transactions: Dict[Optional[str], Optional[str]]) -> Dict[str, Document]:
    """Add up the list of processes: id, user, host, database, command, s, state, and a text that is told to nobody."""
    found: Dict[str, Document] = {}
    for number, user, _, _, command, seconds, state, *_ in processes:
        one = found.setdefault(str(user), dict.fromkeys(_OF_USER, 0))
        one["connections"] += 1
        if command in _ASLEEP:
            one["in_transaction"] += number in transactions
            continue
        one["busy"] += 1
        text = state or ""
        is_locked = text.startswith("Waiting for") and text.endswith("lock")
        one["waiting_for_lock"] += is_locked or transactions.get(number) == "LOCK WAIT"
        one["longest_ms"] = max(one["longest_ms"], 1000 * int(float(seconds or 0)))
    return found


def _users(rows: List[Row]) -> Dict[str, Document]:
    """Read what is told of each user."""
    found = {}
    for user, *values in rows:
        numbers = [int(float(value or 0)) for value in values]
        found[str(user)] = dict(zip(_OF_USER, numbers))
    return found

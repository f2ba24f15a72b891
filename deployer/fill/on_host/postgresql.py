"""Runs on the host as root: fills shared_buffers, then every free connection sorts, joins and hashes until the end.

Arguments: shared_buffers in MiB, seconds. Its database is dropped at the end.
"""

from __future__ import annotations

import subprocess
import sys
import time

DATABASE = "deployer_fill"
ROW_BYTES = 1000
FEWEST_MIB = 70
HEAVY = (
    "SELECT count(*) FROM (SELECT a.pad, count(*) c, max(b.filler) m FROM t a JOIN t b USING (k)"
    " WHERE a.id <= 20000 AND b.id <= 20000 GROUP BY a.pad ORDER BY m) x;"
    "SELECT count(*) FROM (SELECT pad, filler FROM t WHERE id <= 60000 ORDER BY filler LIMIT 50000) y;"
)
QUERY_TIMEOUT_S = 600


def client(database: str) -> list[str]:
    """Give the command line of the server's own client."""
    return ["runuser", "-u", "postgres", "--", "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database]


def query(text: str, database: str = "postgres") -> str:
    """Run statements and give what they answer."""
    done = subprocess.run(
        client(database), input=text, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=True
    )
    return done.stdout.strip()


def work(statements: str) -> subprocess.Popen[bytes]:
    """Begin to run statements beside others."""
    one = subprocess.Popen(
        client(DATABASE), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0
    )
    assert one.stdin is not None  # it was asked for
    one.stdin.write(statements.encode())
    one.stdin.close()
    return one


def main(buffers_mib: int, seconds: float) -> None:
    """Fill, work, clean up, and say how far it came."""
    query(f"DROP DATABASE IF EXISTS {DATABASE}")
    query(f"CREATE DATABASE {DATABASE}")
    rows = int(max(FEWEST_MIB, buffers_mib * 1.2) * 1048576 / ROW_BYTES)
    query(
        "CREATE TABLE t (id serial PRIMARY KEY, k int, pad text, filler text);"
        "INSERT INTO t (k, pad, filler) SELECT (random() * 10000)::int, md5(random()::text),"
        f" repeat(md5(random()::text), 28) FROM generate_series(1, {rows}); ANALYZE t;",
        DATABASE,
    )
    limit = int(query("SHOW max_connections")) - int(query("SHOW superuser_reserved_connections"))
    used = int(query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"))
    free = max(1, limit - used)
    clients = [work(HEAVY * 200) for _ in range(free)]
    end, most = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            time.sleep(2)
            active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND datname = "
            most = max(most, int(query(f"{active}'{DATABASE}'")))
            query("VACUUM ANALYZE t", DATABASE)
    finally:
        for one in clients:
            one.kill()
            one.wait()
        query(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{DATABASE}'")
        query(f"DROP DATABASE {DATABASE}")
    print(f"{rows} rows, {free} of {limit} connections, {most} busy at once")


main(int(sys.argv[1]), float(sys.argv[2]))

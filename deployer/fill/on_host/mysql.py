"""Runs on the host as root: fills the buffer pool, then every free connection joins, groups and sorts until the end.

Arguments: the buffer pool's size in MiB, seconds, and the client program. Its database is dropped at the end.
"""

from __future__ import annotations

import subprocess
import sys
import time

DATABASE = "deployer_fill"
ROW_BYTES = 1000
#: Statements that hold sort, join and read buffers and an in-memory table at the same time.
HEAVY = (
    "SELECT COUNT(*) FROM (SELECT a.pad, COUNT(*) AS c, MAX(b.filler) AS m FROM t a JOIN t b ON a.k + 0 = b.k + 0"
    " WHERE a.id <= 4000 AND b.id <= 4000 GROUP BY a.pad ORDER BY m) x;"
    "SELECT COUNT(*) FROM (SELECT pad, filler FROM t WHERE id <= 60000 ORDER BY filler LIMIT 50000) y;"
)
QUERY_TIMEOUT_S = 600
PATIENCE_S = 60


class Server:
    """The server, by its own client."""

    def __init__(self, program: str) -> None:
        self.argv = [program, "--no-defaults", "--protocol=socket", "--user=root", "--batch", "--skip-column-names"]

    def query(self, text: str) -> str:
        """Run statements and give what they answer; while every connection is taken, wait for one."""
        end = time.monotonic() + PATIENCE_S
        while True:
            done = subprocess.run(
                self.argv, input=text, capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=False
            )
            if done.returncode == 0:
                return done.stdout.strip()
            if "Too many connections" not in done.stderr or time.monotonic() > end:
                sys.exit(f"{text[:80]}: {done.stderr.strip()}")
            time.sleep(1)

    def number(self, text: str) -> int:
        """Run a statement that answers one number."""
        return int(self.query(text))

    def work(self, statements: str) -> subprocess.Popen[bytes]:
        """Begin to run statements beside others."""
        one = subprocess.Popen(
            self.argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0
        )
        assert one.stdin is not None  # it was asked for
        one.stdin.write(statements.encode())
        one.stdin.close()
        return one


def fill(server: Server, pool_mib: int) -> int:
    """Make more rows than the pool holds and read them all; gives how many."""
    server.query(
        f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}; USE {DATABASE};"
        "CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, k INT, pad CHAR(64), filler VARCHAR(900)) ENGINE=InnoDB;"
        "INSERT INTO t (k, pad, filler) VALUES (1, 'a', 'b');"
    )
    rows, wanted = 1, int(pool_mib * 1.2 * 1048576 / ROW_BYTES)
    while rows < wanted:
        more = min(rows, wanted - rows)
        server.query(
            f"USE {DATABASE}; INSERT INTO t (k, pad, filler) SELECT FLOOR(RAND() * 1000), SHA2(RAND(), 256),"
            f" REPEAT(SHA2(RAND(), 256), 14) FROM t LIMIT {more};"
        )
        rows += more
    server.query(f"USE {DATABASE}; SELECT SUM(LENGTH(filler)) FROM t; SELECT SUM(k) FROM t;")
    return rows


def main(pool_mib: int, seconds: float, program: str) -> None:
    """Fill, work, clean up, and say how far it came."""
    server = Server(program)
    rows = fill(server, pool_mib)
    limit = server.number("SELECT @@max_connections")
    used = server.number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND <> 'Daemon'")
    free = max(1, limit - used)
    clients = [server.work(f"USE {DATABASE};" + HEAVY * 200) for _ in range(free)]
    end, most = time.monotonic() + seconds, 0
    try:
        while time.monotonic() < end:
            time.sleep(2)
            most = max(
                most, server.number("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'Query'") - 1
            )
        pages = server.query("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_free'").split()[-1]
    finally:
        for one in clients:
            one.kill()
            one.wait()
        server.query(f"DROP DATABASE {DATABASE}")
    print(f"{rows} rows, {free} of {limit} connections, {most} busy at once, {pages} pages of the pool free")


main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3])

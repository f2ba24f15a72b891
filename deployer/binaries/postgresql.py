"""PostgreSQL, started with rendered files: what it says of them, and what it then has."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deployer.binaries.server import Allowed, Server, findings_in, started
from deployer.sandbox import Inside

BAD: Final = r"(WARNING|ERROR|FATAL|PANIC):"
ALLOWED: Final = (
    Allowed(r"FATAL:  the database system is starting up", "the wait for its start asks before it can answer"),
    Allowed(r"FATAL:  terminating connection due to administrator command", "its end ends whoever still asks"),
)
_TAB: Final = "\t"
#: Bytes of the units in which the server counts memory.
_FACTORS: Final = {"B": 1, "kB": 2**10, "8kB": 2**13, "MB": 2**20, "16MB": 2**24}


@contextmanager
def postgresql(place: Inside, version: str) -> Iterator[Server]:
    """Start the cluster `main` that its package made, as its unit does, and wait until it answers.

    Args:
        place: The inside of a tree.
        version: Its release series.
    """
    place.check(["install", "-d", "-o", "postgres", "-g", "postgres", "-m", "2775", "/run/postgresql"])
    config = f"config_file=/etc/postgresql/{version}/main/postgresql.conf"
    words = [f"/usr/lib/postgresql/{version}/bin/postgres", "-D", f"/var/lib/postgresql/{version}/main", "-c", config]
    with started(place, "postgresql", words, user="postgres", stop=signal.SIGINT) as server:
        server.wait(lambda: not place.run(_client("SELECT 1"), user="postgres").code)
        yield server


def query(place: Inside, sql: str) -> list[list[str]]:
    """Run SQL as the superuser; give the rows."""
    return [row.split(_TAB) for row in place.check(_client(sql), user="postgres", timeout_s=300).splitlines()]


def settings(place: Inside) -> dict[str, str]:
    """Read every setting of the running server; those that are memory in bytes."""
    rows = query(place, "SELECT name, setting, coalesce(unit, '') FROM pg_settings")
    return {
        name: str(int(value) * _FACTORS[unit]) if unit in _FACTORS and int(value) >= 0 else value
        for name, value, unit in rows
    }


def faults_of_files(place: Inside) -> list[str]:
    """Give the lines of config files that the server did not take, or that wait for a restart."""
    rows = query(place, "SELECT sourcefile, sourceline, name, error FROM pg_file_settings WHERE error IS NOT NULL")
    rows += query(
        place, "SELECT sourcefile, sourceline, name, 'waits for a restart' FROM pg_settings WHERE pending_restart"
    )
    return [" ".join(row) for row in rows]


def set_by(place: Inside, path: str) -> set[str]:
    """Name the settings that the server has from one file."""
    rows = query(place, "SELECT name, sourcefile FROM pg_settings WHERE sourcefile IS NOT NULL")
    return {name for name, source in rows if source == path}


def log_findings(server: Server) -> list[str]:
    """Give the warnings and errors of its log."""
    return findings_in(server.said().splitlines(), BAD, ALLOWED)


def _client(sql: str) -> list[str]:
    return ["psql", "--no-psqlrc", "-At", "-F", _TAB, "-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", sql]

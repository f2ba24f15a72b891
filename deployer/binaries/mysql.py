"""MariaDB and MySQL, started with rendered files: what they say of them, and what they then have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from deployer.binaries.server import Allowed, Server, findings_in, started
from deployer.sandbox import Inside

Flavour = Literal["mariadb", "mysql"]
BAD: Final = r"\[(Warning|ERROR|System error)\]"
ALLOWED: Final = (Allowed(r"CA certificate \S+ is self signed", "MySQL makes its own; apps come over the unix socket"),)
SOCKET: Final = "/run/mysqld/mysqld.sock"
#: Where MySQL's package has it; MariaDB's has its log in the journal.
ERROR_LOG: Final = "/var/log/mysql/error.log"
_SERVER: Final = {"mariadb": "mariadbd", "mysql": "mysqld"}
#: The databases; made when they are not there.
DATA: Final = "/var/lib/mysql"


@contextmanager
def database(
    place: Inside,
    flavour: Flavour,
    *,
    options: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    open_files: int | None = None,
) -> Iterator[Server]:
    """Start the server on what was laid, as its unit does, with an empty database, and wait until it answers.

    Args:
        place: The inside of a tree.
        flavour: Which of the two.
        options: Command line options, after what the files say.
        environment: Variables of its unit.
        open_files: LimitNOFILE of its unit.
    """
    place.check(["install", "-d", "-o", "mysql", "-g", "mysql", "/run/mysqld"])
    if place.run(["test", "-d", f"{DATA}/mysql"]).code:
        place.check([_SERVER[flavour], "--no-defaults", "--initialize-insecure", f"--datadir={DATA}", "--user=mysql"])
    place.check(["rm", "-f", ERROR_LOG])  # of the package's own installation
    words = [_SERVER[flavour], "--user=mysql", *options]
    with started(place, flavour, words, environment=environment, open_files=open_files, logs=[ERROR_LOG]) as server:
        server.wait(lambda: not query(place, flavour, "SELECT 1", code=True)[0])
        yield server


def query(place: Inside, flavour: Flavour, sql: str, *, code: bool = False) -> tuple[int, str]:
    """Run SQL as root over the socket; give the exit code and what was answered, columns parted by tabs."""
    words = [flavour, "--no-defaults", f"--socket={SOCKET}", "--batch", "--skip-column-names"]
    if code:
        done = place.run(words, text=sql)
        return done.code, done.text
    return 0, place.check(words, text=sql, timeout_s=300)


def variables(place: Inside, flavour: Flavour) -> dict[str, str]:
    """Read every variable of the running server."""
    rows = query(place, flavour, "SHOW GLOBAL VARIABLES")[1].splitlines()
    return {name: value for name, _, value in (row.partition("\t") for row in rows)}


def log_findings(server: Server) -> list[str]:
    """Give the warnings and errors of its log that nobody allowed."""
    return findings_in(server.said().splitlines(), BAD, ALLOWED)


def settings_in(text: str, sections: Sequence[str]) -> dict[str, str]:
    """Read ``name = value`` of some sections of an option file; names with underscores."""
    found: dict[str, str] = {}
    section = ""
    for line in text.splitlines():
        if matched := re.fullmatch(r"\[(\S+)\]\s*", line):
            section = matched[1]
        elif section in sections and (matched := re.fullmatch(r"([a-zA-Z][\w-]*)(?:\s*=\s*(.*?))?\s*", line)):
            found[matched[1].replace("-", "_")] = matched[2] or "ON"
    return found

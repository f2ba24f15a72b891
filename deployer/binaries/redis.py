"""Redis and Valkey, started with rendered files: what they say of them, and what they then have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, Literal

from deployer.binaries.server import Allowed, Server, findings_in, started
from deployer.sandbox import Inside

Flavour = Literal["redis", "valkey"]
#: Lines of its log at level warning have a # after the time.
BAD: Final = r" # |WARNING|FATAL CONFIG"
ALLOWED: Final = (
    Allowed(r"Memory overcommit must be enabled", "the kernel's setting is the machine's, of which a tree has none"),
    Allowed(r"# o[oO0]+ \S+ is starting|# \S+ version=|# Configuration loaded|# Server initialized", "every start"),
    Allowed(r"# User requested shutdown|# \S+ is now ready to exit", "every end"),
)


@contextmanager
def store(
    place: Inside,
    flavour: Flavour,
    config: str,
    *,
    open_files: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Start the server with a config, as its unit does, and wait until it answers.

    Args:
        place: The inside of a tree.
        flavour: Which of the two.
        config: The config's path inside; it must set a unix socket at the place of :func:`socket_of`.
        open_files: LimitNOFILE of its unit.
        environment: Environment of its unit.
    """
    place.check(["install", "-d", "-o", flavour, "-g", flavour, f"/run/{flavour}"])
    words = [f"{flavour}-server", config, "--daemonize", "no", "--supervised", "no"]
    with started(place, flavour, words, user=flavour, open_files=open_files, environment=environment) as server:
        server.wait(lambda: place.run([*_client(flavour), "PING"]).stdout == "PONG\n")
        yield server


def socket_of(flavour: Flavour) -> str:
    """Name the unix socket, as Debian's units have it."""
    return f"/run/{flavour}/{flavour}-server.sock"


def command(place: Inside, flavour: Flavour, *words: str) -> str:
    """Send one command and give the answer."""
    return place.check([*_client(flavour), *words], timeout_s=300)


def commands(place: Inside, flavour: Flavour, lines: str) -> None:
    """Send many commands, one per line, without waiting for each answer."""
    place.check([*_client(flavour), "--pipe"], text=lines, timeout_s=300)


def settings(place: Inside, flavour: Flavour) -> dict[str, str]:
    """Read every setting of the running server."""
    lines = command(place, flavour, "CONFIG", "GET", "*").split("\n")
    return dict(zip(lines[0:-1:2], lines[1::2], strict=False))


def log_findings(server: Server) -> list[str]:
    """Give the warnings of its log that nobody allowed."""
    return findings_in(server.said().splitlines(), BAD, ALLOWED)


def _client(flavour: Flavour) -> list[str]:
    return [f"{flavour}-cli", "-s", socket_of(flavour)]

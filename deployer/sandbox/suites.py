"""The Debian releases that a local VPS can have, and the versions of servers that come with each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deployer.sandbox.problem import SandboxError


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A release of Debian, or a release with servers of a newer one.

    Attributes:
        number: Its number, as ``VERSION_ID`` of os-release has it.
        packages: Package: the release series of the server in it.
        host: The release that the host itself is of, where only ``packages`` and what they need come from this one;
            else empty.
    """

    number: str
    packages: Mapping[str, str]
    host: str = ""


#: By the name that package sources have for it, the oldest first; tests/binaries holds the series against real trees.
SUITES: Final[Mapping[str, Suite]] = {
    "bookworm": Suite(
        number="12",
        packages={
            "nginx": "1.22",
            "mariadb-server": "10.11",
            "postgresql-15": "15",
            "redis-server": "7",
            "nodejs": "18",
            "openjdk-17-jre-headless": "17",
        },
    ),
    "trixie": Suite(
        number="13",
        packages={
            "nginx": "1.26",
            "mariadb-server": "11.8",
            "postgresql-17": "17",
            "redis-server": "8",
            "valkey-server": "8",
            "nodejs": "20",
            "openjdk-21-jre-headless": "21",
        },
    ),
    # its own systemd, 262, starts on no machine whose controllers are on cgroup v1
    "sid": Suite(
        number="13",
        packages={
            "nginx": "1.30",
            "mysql-server": "9.7",
            "redis-server": "8",
            "valkey-server": "9",
            "nodejs": "24",
        },
        host="trixie",
    ),
}
USUAL_SUITE: Final = "bookworm"


def suite_with(packages: Mapping[str, str]) -> str:
    """Choose a suite for a host: the oldest that is new enough for each of these series, else the usual one.

    An inventory that leaves versions out means those of the usual suite, so one of another was written on purpose.

    Args:
        packages: Package: the release series that is declared.
    """
    oldest = {
        next((name for name, suite in SUITES.items() if suite.packages.get(package) == series), USUAL_SUITE)
        for package, series in packages.items()
    }
    return max(oldest, key=list(SUITES).index, default=USUAL_SUITE)


def check_suite(name: str) -> None:
    """Refuse a suite that no local VPS can have.

    Raises:
        SandboxError: It is not one of :data:`SUITES`.
    """
    if name not in SUITES:
        raise SandboxError(
            f"no local VPS can have the suite {name!r}", next_step=f"those that can: {', '.join(SUITES)}"
        )

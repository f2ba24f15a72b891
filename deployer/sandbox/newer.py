"""Servers of a newer Debian on a host of an older one, as apt itself provides for it: by pins.

So runs who needs a newer server than a stable release has. systemd, sshd and Python stay the host's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from deployer.sandbox.sources import machine_sources
from deployer.sandbox.suites import SUITES

#: Below 500, which a package of the host's own release has: taken only where a server of the newer one needs it.
_NEEDED: Final = 100
#: Above it, and below 1000: nothing that is installed is taken back to an older one.
_WANTED: Final = 900
#: By itself apt takes no other version of a library than the preferred one, whatever the server needs.
_SOLVER: Final = 'APT::Solver "3.0";\nAPT::Solver::Strict-Pinning "false";\n'


def newer_servers(suite: str) -> Mapping[str, str]:
    """Give the files of a host's apt, by path, that have its servers come from a suite; none where all of it does.

    Raises:
        SandboxError: The machine has no Debian sources.
    """
    if not SUITES[suite].host:
        return {}
    servers = " ".join(SUITES[suite].packages)
    return {
        f"etc/apt/sources.list.d/{suite}.sources": machine_sources(suite).apt,
        f"etc/apt/preferences.d/{suite}": f"{_pin('*', suite, _NEEDED)}\n{_pin(servers, suite, _WANTED)}",
        f"etc/apt/apt.conf.d/91{suite}": _SOLVER,
    }


def _pin(packages: str, suite: str, priority: int) -> str:
    return f"Package: {packages}\nPin: release n={suite}\nPin-Priority: {priority}\n"

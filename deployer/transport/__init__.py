"""Transport: from a login to a running agent on the host, by one connection and one channel.

The only importer of fabric and paramiko, only once a connection is wanted: no help text pays for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.secret import Secret
from deployer.transport.client import Agent
from deployer.transport.login import Login
from deployer.transport.sent import Sent
from deployer.transport.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployer.transport.ssh import Remote as Remote

__all__ = ["Agent", "Login", "Secret", "Sent", "Stream", "bare_connect", "connect"]


def _silent(_line: str) -> None:
    """Say nothing."""


def connect(login: Login, *, say: Callable[[str], None] = _silent) -> Remote:
    """Log in to a host; use the answer as a context manager.

    Args:
        login: Where and how.
        say: Gets a line when something was decided for the user: a new host key that was accepted.

    Raises:
        HostKeyError: The host's key is unknown, changed or revoked.
        AuthError: The login was refused.
        ConnectError: The host could not be reached.
    """
    from deployer.transport import ssh  # noqa: PLC0415 - fabric takes as long to import as a connection does

    return ssh.connect(login, say)


def bare_connect(login: Login) -> None:
    """Log in, run ``true``, log out: what any use of SSH costs at least; the benchmark's yardstick."""
    with connect(login) as remote:
        remote.run_true()

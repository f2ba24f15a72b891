"""How to log in to a host: plain data, no connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from deployer.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One hop of SSH.

    Attributes:
        address: Name or IP address.
        port: TCP port, 1 to 65535.
        user: Who logs in; anyone but root becomes root by sudo.
        key_files: Private keys to offer, in this order. Empty: the keys in ``~/.ssh``.
        known_hosts_file: The one file of trusted host keys. None: the user's and the system's files.
        host_key: The pinned key, ``ssh-ed25519 AAAA...`` or ``SHA256:...``; then no file is read.
        accept_new: Trust an unknown key and write it down. A changed key is refused all the same.
        sudo_password: For a sudo that asks. None: sudo must not ask.
        use_agent: Offer the keys of a running ssh-agent.
        connect_timeout_s: For the TCP connection, s; the steps after it have bounds of their own.
        jump: The host to go through.
    """

    address: str
    port: int = 22
    user: str
    key_files: tuple[Path, ...] = ()
    known_hosts_file: Path | None = None
    host_key: str | None = None
    accept_new: bool = False
    sudo_password: Secret | None = None
    use_agent: bool = False
    connect_timeout_s: float = 10.0
    jump: Login | None = None

    @property
    def place(self) -> str:
        """Name the host for people: ``user@address``, with the port if it is not 22."""
        return f"{self.user}@{self.key_name}"

    @property
    def key_name(self) -> str:
        """Give the name under which known_hosts files list the host's key."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

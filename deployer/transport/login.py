"""How to log in to a host: plain data, no connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from deployer.secret import Secret


def key_is_there(key_file: Path) -> bool:
    """Say whether there is a private key, or its public part: ssh-agent may hold the rest."""
    return key_file.exists() or key_file.with_name(f"{key_file.name}.pub").exists()


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One hop of SSH.

    Attributes:
        address: Name or IP address.
        port: TCP port, 1 to 65535.
        user: Who logs in; anyone but root becomes root by sudo.
        key_files: Private keys to offer, in this order. Empty: the keys in ``~/.ssh``.
        known_hosts_files: Files of trusted host keys; the first one is written. None: the user's and the system's.
        key_alias: The name under which known_hosts lists the host's key, in place of address and port.
        host_key: The pinned key, ``ssh-ed25519 AAAA...`` or ``SHA256:...``; then no file is read.
        accept_new: Trust an unknown key and write it down. A changed key is refused all the same.
        sudo_password: For a sudo that asks. None: sudo must not ask.
        use_agent: Offer the keys of a running ssh-agent.
        agent_socket: That agent's socket. None: the one in ``SSH_AUTH_SOCK``.
        identities_only: Offer of the agent's keys only those of ``key_files``.
        connect_timeout_s: For the TCP connection, s; the steps after it have bounds of their own.
        proxy_command: A command of the user's whose stdin and stdout lead to the host, in place of TCP.
        jump: The host to go through.
    """

    address: str
    port: int = 22
    user: str
    key_files: tuple[Path, ...] = ()
    known_hosts_files: tuple[Path, ...] | None = None
    key_alias: str | None = None
    host_key: str | None = None
    accept_new: bool = False
    sudo_password: Secret | None = None
    use_agent: bool = False
    agent_socket: str | None = None
    identities_only: bool = False
    connect_timeout_s: float = 10.0
    proxy_command: str | None = None
    jump: Login | None = None

    @property
    def place(self) -> str:
        """Name the host for people: ``user@address``, with the port if it is not 22."""
        return f"{self.user}@{self._address_and_port}"

    @property
    def key_name(self) -> str:
        """Give the name under which known_hosts files list the host's key."""
        return self.key_alias or self._address_and_port

    @property
    def certified_name(self) -> str:
        """Give the name that a certificate of the host must hold: certificates know no ports."""
        return self.key_alias or self.address

    @property
    def _address_and_port(self) -> str:
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

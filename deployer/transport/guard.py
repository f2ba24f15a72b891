"""The guard at the door: it decides on the key that a host shows, before anything is sent to the host."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any, Final

import paramiko

from deployer.errors import HostKeyError
from deployer.transport import knownhosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployer.transport.login import Login

#: A peer that acknowledges nothing for this long is gone; ms. Keepalives see to it that there is something.
UNACKNOWLEDGED_MS: Final = 30_000


class Guard(paramiko.MissingHostKeyPolicy):
    """Decides on a host's key. The client knows no keys itself, so that every key comes here.

    paramiko's own look-up reads no file with one bad line, and knows one key per kind.
    """

    def __init__(self, login: Login, say: Callable[[str], None]) -> None:
        self._login = login
        self._say = say
        self.passed = False
        if login.host_key is not None:
            self._trust = knownhosts.pinned(login.host_key)
        else:
            file = login.known_hosts_file
            self._trust = knownhosts.load((file,) if file else knownhosts.default_files(), login.key_name)

    def transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        """Make the transport; the known keys' kinds come first, since a host with several keys shows one."""
        transport = paramiko.Transport(sock, **options)
        wanted: list[str] = []
        for kind in self._trust.kinds:
            wanted += ["rsa-sha2-512", "rsa-sha2-256"] if kind == "ssh-rsa" else [kind]
        offered = transport.get_security_options().key_types
        first = [kind for kind in wanted if kind in offered]
        transport.get_security_options().key_types = (
            *first,
            *(kind for kind in offered if kind not in first),
        )
        if isinstance(sock, socket.socket) and hasattr(socket, "TCP_USER_TIMEOUT"):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        return transport

    def missing_host_key(self, _client: paramiko.SSHClient, _hostname: str, key: paramiko.PKey) -> None:
        """Accept the key or raise HostKeyError."""
        shown = knownhosts.HostKey(key.get_name(), key.asbytes())
        if not self._trust.holds(shown):
            self._stranger(shown)
        self.passed = True

    def _stranger(self, shown: knownhosts.HostKey) -> None:
        login, trust = self._login, self._trust
        if any(shown.blob == key.blob for key in trust.revoked):
            source = next(key.source for key in trust.revoked if key.blob == shown.blob)
            raise HostKeyError(
                f"the host shows a REVOKED key ({shown.kind}, {shown.fingerprint}; {source})",
                where=login.place,
            )
        if not trust.empty:
            raise self._changed(shown)
        if not login.accept_new:
            skipped = f" (skipped: {'; '.join(trust.skipped[:3])})" if trust.skipped else ""
            raise HostKeyError(
                f"the host's key is not known: {shown.kind} {shown.fingerprint}{skipped}",
                where=login.place,
                next_step=f"compare the fingerprint with the one that the provider's console shows "
                f"(ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then pin it in the inventory as "
                f"'{shown.text}', or accept it once with ssh.accept_new: true",
            )
        file = login.known_hosts_file or knownhosts.default_files()[0]
        knownhosts.write_down(file, login.key_name, shown)
        self._say(f"{login.place}: new host key {shown.kind} {shown.fingerprint} accepted, written to {file}")

    def _changed(self, shown: knownhosts.HostKey) -> HostKeyError:
        trust = self._trust
        known = trust.pin or ", ".join(f"{key.kind} {key.fingerprint} ({key.source})" for key in trust.keys)
        return HostKeyError(
            f"the host's key has CHANGED, or this is another machine: it shows {shown.kind} "
            f"{shown.fingerprint}, trusted is {known}",
            where=self._login.place,
            next_step="if the machine was set up anew, remove the old key there and compare the new "
            "fingerprint; otherwise somebody may be between you and the host",
        )

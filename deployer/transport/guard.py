"""The guard at the door: it decides on the key that a host shows, before anything is sent to the host."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import paramiko
from paramiko.auth_handler import AuthHandler

from deployer.errors import ChangedHostKeyError, HostKeyError
from deployer.transport import hostcerts, knownhosts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from deployer.transport.login import Login

#: A peer that acknowledges nothing for this long is gone; ms. Keepalives see to it that there is something.
UNACKNOWLEDGED_MS: Final = 30_000
#: Linux alone has it.
_QUICKACK: Final[int] = getattr(socket, "TCP_QUICKACK", 0)


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
            self._trust = knownhosts.load(self._files, login.key_name)

    def transport(self, sock: Any, **options: Any) -> paramiko.Transport:
        """Make the transport; the known keys' kinds come first, since a host with several keys shows one."""
        prompt: Any = _Acknowledging(sock) if _QUICKACK and isinstance(sock, socket.socket) else sock
        transport = _Transport(prompt, **options)
        offered = transport.get_security_options().key_types
        known = [kind for kind in offered if _family(kind) in self._trust.kinds]
        others = [kind for kind in offered if kind not in known]
        # without an authority there is nobody to vouch for a certificate: then the host shows its plain key
        certified = [kind + hostcerts.SUFFIX for kind in offered] if self._trust.authorities else []
        transport.host_key_kinds = (*certified, *known, *others)
        if isinstance(sock, socket.socket):
            with contextlib.suppress(OSError):
                # else what follows a short message waits for its acknowledgement: two round trips of a login
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if hasattr(socket, "TCP_USER_TIMEOUT"):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        return transport

    def missing_host_key(self, _client: paramiko.SSHClient, _hostname: str, key: paramiko.PKey) -> None:
        """Accept the key or raise HostKeyError."""
        shown = knownhosts.HostKey(key.get_name(), key.asbytes())
        blob = key.public_blob.key_blob if key.public_blob is not None else b""
        # a host whose certificate will not do may still have a key that is known by itself, as for OpenSSH
        certificate_fault = self._certificate_fault(blob, shown) if blob else ""
        if (not blob or certificate_fault) and not self._trust.holds(shown):
            self._stranger(shown, certificate_fault)
        self.passed = True

    @property
    def _files(self) -> Sequence[Path]:
        files = self._login.known_hosts_files
        return knownhosts.default_files() if files is None else files

    def _certificate_fault(self, blob: bytes, shown: knownhosts.HostKey) -> str:
        if self._trust.revocation(shown) is not None:
            return "its key is revoked"
        try:
            certificate = hostcerts.parse(blob)
        except hostcerts.BrokenCertificateError as error:
            return str(error)
        return hostcerts.fault(certificate, self._trust, self._login.certified_name, time.time())

    def _stranger(self, shown: knownhosts.HostKey, certificate_fault: str) -> None:
        login, trust = self._login, self._trust
        revoked = trust.revocation(shown)
        if revoked is not None:
            raise HostKeyError(
                f"the host shows a REVOKED key ({shown.kind}, {shown.fingerprint}; {revoked.source})",
                where=login.place,
            )
        if certificate_fault:
            raise HostKeyError(
                f"the host's certificate is not accepted: {certificate_fault} (its key: {shown.kind} "
                f"{shown.fingerprint})",
                where=login.place,
                next_step="have the host's key signed anew (ssh-keygen -s AUTHORITY -h -n NAME), or correct the "
                "@cert-authority line in known_hosts",
            )
        if not trust.empty:
            raise self._changed(shown)
        if trust.authorities:
            # who shows a plain key where a certificate is promised gains nothing by accept_new
            raise HostKeyError(
                f"the host shows no certificate, but known_hosts has an authority for it "
                f"({trust.authorities[0].source}); its plain key is not known: {shown.kind} {shown.fingerprint}",
                where=login.place,
                next_step=f"give its sshd a HostCertificate, or compare the fingerprint and pin the key as "
                f"'{shown.text}'",
            )
        if not login.accept_new:
            raise self._unknown(shown)
        files = self._files
        if not files:
            raise HostKeyError(
                "the new host key cannot be written down: no known_hosts file is to be used", where=login.place
            )
        knownhosts.write_down(files[0], login.key_name, shown)
        self._say(f"{login.place}: new host key {shown.kind} {shown.fingerprint} accepted, written to {files[0]}")

    def _unknown(self, shown: knownhosts.HostKey) -> HostKeyError:
        skipped = f" (skipped: {'; '.join(self._trust.skipped[:3])})" if self._trust.skipped else ""
        return HostKeyError(
            f"the host's key is not known: {shown.kind} {shown.fingerprint}{skipped}",
            where=self._login.place,
            next_step=f"compare the fingerprint with the one that the provider's console shows "
            f"(ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then pin it in the inventory as "
            f"'{shown.text}', or accept it once with ssh.accept_new: true",
        )

    def _changed(self, shown: knownhosts.HostKey) -> ChangedHostKeyError:
        trust = self._trust
        known = trust.pin or ", ".join(f"{key.kind} {key.fingerprint} ({key.source})" for key in trust.keys)
        return ChangedHostKeyError(
            f"the host's key has CHANGED, or this is another machine: it shows {shown.kind} "
            f"{shown.fingerprint}, trusted is {known}",
            where=self._login.place,
            next_step="if the machine was set up anew, remove the old key there and compare the new "
            "fingerprint; otherwise somebody may be between you and the host",
        )


class _Acknowledging:
    """A socket that acknowledges at once what it has read.

    Until a channel is open, sshd lets each short answer wait until the one before was acknowledged, and the kernel
    would take 40 ms for that. It forgets the wish with whatever is sent, so it is told again each time.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, count: int) -> bytes:
        data = self._sock.recv(count)
        with contextlib.suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _Login(AuthHandler):
    """Asks for the service of logging in, and logs in right behind, as RFC 4253 has it served in order.

    paramiko waits for the service to be granted, one round trip of each login. A host that does not grant it hangs up,
    which the login is told in either case.
    """

    def _request_auth(self) -> None:
        super()._request_auth()  # type: ignore[misc]  # the stubs leave paramiko's insides out
        granted = paramiko.Message()
        granted.add_string("ssh-userauth")
        granted.rewind()
        super()._parse_service_accept(granted)  # type: ignore[misc]  # likewise

    def _parse_service_accept(self, _granted: paramiko.Message) -> None:
        """Do nothing: the request that it stands for is on its way."""


class _Transport(paramiko.Transport):
    """Asks for the kinds of host key that the guard wants; paramiko itself would ask for certificates always."""

    host_key_kinds: tuple[str, ...] = ()

    def auth_publickey(self, username: str, key: paramiko.PKey, event: threading.Event | None = None) -> list[str]:
        """Log in by a key; see ``_Login``.

        Raises:
            paramiko.SSHException: As paramiko's own.
        """
        if not self.is_active() or not self.initial_kex_done:
            raise paramiko.SSHException("No existing session")
        answered = event or threading.Event()
        self.auth_handler = _Login(self)
        self.auth_handler.auth_publickey(username, key, answered)
        return [] if event else self.auth_handler.wait_for_response(answered)

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        """What is offered to the host, best first."""
        return self.host_key_kinds


def _family(kind: str) -> str:
    """Give the kind of key that an algorithm of host keys uses: RSA's are named after their hashes."""
    return "ssh-rsa" if kind.startswith("rsa-sha2-") else kind

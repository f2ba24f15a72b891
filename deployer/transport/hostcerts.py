"""Host certificates: a host's key, signed by an authority that a ``@cert-authority`` line names.

paramiko negotiates them and proves that the host has the certified key, but never looks at the certificate itself.
That is done here: the form is OpenSSH's (PROTOCOL.certkeys), and what is not understood is refused.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import paramiko
from paramiko.pkey import UnknownKeyType

from deployer.transport.knownhosts import HostKey

if TYPE_CHECKING:
    from deployer.transport.knownhosts import Trust

SUFFIX: Final = "-cert-v01@openssh.com"
_FOR_HOSTS: Final = 2
#: Strings of the public key that follow the nonce.
_KEY_STRINGS: Final = {"ssh-ed25519": 1, "ssh-rsa": 2, "ecdsa-sha2-nistp": 2}
_FOREVER: Final = 2**64 - 1


class BrokenCertificateError(ValueError):
    """The bytes are no certificate of a host."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate as it came over the wire; nothing of it is trusted yet.

    Attributes:
        key_id: What the authority wrote to tell it from others.
        for_hosts: Whether it is one for hosts; others are for users.
        principals: The names that the host may have.
        valid_after_s: Start of its validity, seconds since 1970.
        valid_before_s: End of its validity, seconds since 1970.
        critical: Options that a reader has to understand; none is defined for hosts.
        authority: The key that signed it.
        signed: The bytes that were signed.
        signature: The signature over them.
    """

    key_id: str
    for_hosts: bool
    principals: tuple[str, ...]
    valid_after_s: int
    valid_before_s: int
    critical: bytes
    authority: HostKey
    signed: bytes
    signature: bytes


def parse(blob: bytes) -> Certificate:
    """Take a certificate apart.

    Raises:
        BrokenCertificateError: It is none, or cut off.
    """
    reader = _Reader(blob)
    kind = reader.text()
    strings = next((count for start, count in _KEY_STRINGS.items() if kind.startswith(start)), 0)
    if not kind.endswith(SUFFIX) or not strings:
        raise BrokenCertificateError(f"{kind[:60]!r} is no kind of certificate")
    for _ in range(1 + strings):  # the nonce comes first
        reader.string()
    reader.number(8)  # the serial number
    purpose = reader.number(4)
    key_id = reader.text()
    names = _Reader(reader.string())
    principals = []
    while names.left:
        principals.append(names.text())
    after_s, before_s = reader.number(8), reader.number(8)
    critical = reader.string()
    reader.string()  # extensions, which may be ignored
    reader.string()  # reserved
    authority = reader.string()
    signed = blob[: reader.at]
    signature = reader.string()
    if reader.left:
        raise BrokenCertificateError("something follows the certificate")
    return Certificate(
        key_id,
        purpose == _FOR_HOSTS,
        tuple(principals),
        after_s,
        before_s,
        critical,
        HostKey(_Reader(authority).text(), authority),
        signed,
        signature,
    )


def fault(certificate: Certificate, trust: Trust, name: str, now_s: float) -> str:
    """Say why a certificate does not vouch for a host.

    Args:
        certificate: What the host showed.
        trust: With the authorities for this host.
        name: The host's name or address, without a port.
        now_s: Seconds since 1970.

    Returns:
        The reason, for people; empty if it does.
    """
    authority = certificate.authority
    if trust.revocation(authority) is not None:
        return f"its authority ({authority.fingerprint}) is revoked"
    if all(authority.blob != known.blob for known in trust.authorities):
        return f"its authority ({authority.kind} {authority.fingerprint}) is not the one in known_hosts"
    if not certificate.for_hosts:
        return "it is one for users, not for hosts"
    if name.lower() not in (one.lower() for one in certificate.principals):
        names = ", ".join(certificate.principals[:5])[:200] or "no name at all"
        return f"it is for {names}, not for {name}"
    if now_s < certificate.valid_after_s:
        return f"it is valid from {_day(certificate.valid_after_s)} on"
    if now_s >= certificate.valid_before_s:
        return f"it ended on {_day(certificate.valid_before_s)}"
    if certificate.critical:
        return "it has a critical option, of which none is defined for hosts"
    return "" if _signed_by_its_authority(certificate) else "its signature is wrong or of a kind that is not accepted"


def _signed_by_its_authority(certificate: Certificate) -> bool:
    authority = certificate.authority
    try:
        key = paramiko.PKey.from_type_string(authority.kind, authority.blob)
        return bool(key.verify_ssh_sig(certificate.signed, paramiko.Message(certificate.signature)))
    except (UnknownKeyType, paramiko.SSHException, ValueError):
        return False


def _day(moment_s: int) -> str:
    if moment_s > 253_402_300_799:  # the year 9999; "for ever" is the largest number
        return "never" if moment_s == _FOREVER else "a day after the year 9999"
    return f"{dt.datetime.fromtimestamp(moment_s, dt.UTC):%Y-%m-%d %H:%M} UTC"


class _Reader:
    """Reads the fields of SSH's encoding, each checked against what there is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    @property
    def left(self) -> int:
        """Bytes that were not read yet."""
        return len(self._data) - self.at

    def number(self, size_bytes: int) -> int:
        return int.from_bytes(self._take(size_bytes), "big")

    def string(self) -> bytes:
        return self._take(self.number(4))

    def text(self) -> str:
        text = self.string().decode("utf-8", "replace")
        return "".join(char if char.isprintable() else "?" for char in text)

    def _take(self, size_bytes: int) -> bytes:
        if size_bytes > self.left:
            raise BrokenCertificateError("the certificate is cut off")
        self.at += size_bytes
        return self._data[self.at - size_bytes : self.at]

"""Trusted host keys: pins and known_hosts files, read line by line; a line that cannot be used is skipped.

Nothing here touches the network. ``@cert-authority`` lines give keys that may sign the certificates of hosts;
``@revoked`` keys are never trusted, neither by themselves nor as an authority.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deployer.errors import HostKeyError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: No known_hosts file is read further; bytes.
FILE_LIMIT_BYTES: Final = 32 << 20
_SYSTEM_FILES: Final = (Path("/etc/ssh/ssh_known_hosts"), Path("/etc/ssh/ssh_known_hosts2"))
_USER_FILES: Final = ("known_hosts", "known_hosts2")


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key of a host.

    Attributes:
        kind: As in known_hosts, ``ssh-ed25519``.
        blob: The key as it goes over the wire; it names its kind too.
        source: Where it is trusted or revoked, ``file:line``; empty for a key that a host presented.
    """

    kind: str
    blob: bytes
    source: str = ""

    @property
    def fingerprint(self) -> str:
        """Give ``SHA256:...``, as ssh shows it."""
        return fingerprint(self.blob)

    @property
    def text(self) -> str:
        """Give kind and base64, as in known_hosts and in a pin."""
        return f"{self.kind} {base64.b64encode(self.blob).decode('ascii')}"


@dataclass(frozen=True, slots=True)
class Trust:
    """What is trusted for one host.

    Attributes:
        keys: Any of them will do.
        authorities: A certificate that one of them signed will do too.
        revoked: None of them will do, nor what they signed.
        pin: ``SHA256:...`` of the one key that will do.
        skipped: ``file:line: why`` of lines that could not be used.
    """

    keys: tuple[HostKey, ...] = ()
    authorities: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()
    pin: str = ""
    skipped: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Give the kinds of key to ask the host for first: else it may show another than the known one."""
        return tuple(dict.fromkeys(key.kind for key in self.keys))

    @property
    def empty(self) -> bool:
        """Say whether no key is known for the host; there may be an authority."""
        return not self.keys and not self.pin

    def revocation(self, shown: HostKey) -> HostKey | None:
        """Give the line that revokes a key."""
        return next((key for key in self.revoked if key.blob == shown.blob), None)

    def holds(self, shown: HostKey) -> bool:
        """Say whether the key that the host showed is the trusted one."""
        if self.revocation(shown) is not None:
            return False
        if self.pin:
            return hmac.compare_digest(self.pin, shown.fingerprint)
        return any(shown.blob == key.blob for key in self.keys)


def fingerprint(blob: bytes) -> str:
    """Give a key's SHA256 fingerprint in OpenSSH's form."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def pinned(text: str) -> Trust:
    """Read a pin.

    Args:
        text: ``ssh-ed25519 AAAA... [comment]`` or ``SHA256:...``.

    Raises:
        HostKeyError: It is neither.
    """
    if text.startswith("SHA256:"):
        return Trust(pin=text.strip().rstrip("="))
    fields = text.split()
    try:
        return Trust(keys=(_key(fields[0], fields[1], "pinned"),))
    except (IndexError, ValueError) as error:
        raise HostKeyError(
            f"the pinned host key is neither 'ssh-ed25519 AAAA...' nor 'SHA256:...': {text[:60]!r}"
        ) from error


def default_files() -> tuple[Path, ...]:
    """Give the user's and the system's files, whether they exist or not."""
    return (*(Path.home() / ".ssh" / name for name in _USER_FILES), *_SYSTEM_FILES)


def load(files: Iterable[Path], name: str) -> Trust:
    """Collect what known_hosts files say about a host.

    Args:
        files: Missing ones are left out.
        name: ``address``, or ``[address]:port`` if the port is not 22, or the host's alias.

    Raises:
        HostKeyError: A file exists and cannot be read.
    """
    found_by_marker: dict[str, list[HostKey]] = {"": [], "@cert-authority": [], "@revoked": []}
    skipped: list[str] = []
    for file in files:
        for number, line in enumerate(_lines(file), start=1):
            source = f"{file}:{number}"
            try:
                found = _entry(line, name.lower(), source)
            except ValueError as error:
                skipped.append(f"{source}: {error}")
                continue
            if found is not None:
                marker, key = found
                found_by_marker[marker].append(key)
    keys, authorities, revoked = (tuple(found) for found in found_by_marker.values())
    return Trust(keys, authorities, revoked, skipped=tuple(skipped))


def write_down(file: Path, name: str, key: HostKey) -> None:
    """Append a key to a known_hosts file, made 0600 if it is new, in one write.

    Raises:
        HostKeyError: The file cannot be written: the key is then not accepted.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as handle:
            end = handle.seek(0, os.SEEK_END)
            gap = b"" if end == 0 or os.pread(descriptor, 1, end - 1) == b"\n" else b"\n"
            handle.write(gap + f"{name} {key.text}\n".encode())
            os.fsync(descriptor)
    except OSError as error:
        raise HostKeyError(f"the new host key cannot be written to {file}: {error.strerror}") from error


def _lines(file: Path) -> list[str]:
    try:
        # a pipe that nobody writes to is empty, and must not hold us up
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK), "rb") as handle:
            return (handle.read(FILE_LIMIT_BYTES) or b"").decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HostKeyError(f"cannot read the known host keys in {file}: {error.strerror}") from error


def _entry(line: str, name: str, source: str) -> tuple[str, HostKey] | None:
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker = fields.pop(0) if fields[0].startswith("@") else ""
    if len(fields) < 3:
        raise ValueError("not 'hosts kind key'")
    if not _names(fields[0], name):
        return None
    if marker not in ("", "@cert-authority", "@revoked"):
        raise ValueError(f"unknown marker {marker}")
    return marker, _key(fields[1], fields[2], source)


def _names(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        return _hashed_matches(patterns, name)
    matched = False
    for pattern in patterns.lower().split(","):
        wanted = pattern.removeprefix("!")
        # only * and ? are wild in known_hosts; a bracket is part of [address]:port
        if wanted and fnmatch.fnmatchcase(name, wanted.replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            matched = True
    return matched


def _hashed_matches(text: str, name: str) -> bool:
    try:
        _, _, salt, digest = text.split("|")
        made = hmac.new(base64.b64decode(salt, validate=True), name.encode(), hashlib.sha1).digest()
        return hmac.compare_digest(made, base64.b64decode(digest, validate=True))
    except (ValueError, binascii.Error) as error:
        raise ValueError("a broken hashed name") from error


def _key(kind: str, text: str, source: str) -> HostKey:
    try:
        blob = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a broken key") from error
    size = int.from_bytes(blob[:4], "big")
    if blob[4 : 4 + size] != kind.encode() or len(blob) <= 4 + size:
        raise ValueError(f"the key is not of the kind {kind!r} that the line says")
    return HostKey(kind, blob, source)

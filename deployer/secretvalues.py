"""Reading secrets from where an inventory says they are, on this machine; all that cannot be read is told at once."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import stat
from collections.abc import Mapping
from secrets import token_hex

from deployer.apps import AppPlaces
from deployer.errors import InventoryError
from deployer.inventory import Entry
from deployer.references import SecretSource
from deployer.secret import Secret
from deployer.secretprograms import NoSecretError, printed_by

#: systemd gives a unit at most 1 MiB of credentials; no password and no key is near this, bytes.
LIMIT_BYTES = 64 << 10


def read_secrets(
    wanted: Mapping[str, tuple[str, SecretSource]], entry: Entry, environ: Mapping[str, str] = os.environ
) -> dict[str, Secret]:
    """Read secrets.

    Args:
        wanted: By any name: the place in the inventory, for people, and the source.
        entry: The host that they are for: paths are relative to its file.
        environ: Where variables are looked up.

    Returns:
        The values, by the same names.

    Raises:
        InventoryError: Some cannot be read: all of them, each with its reason. It holds no value and no output.
    """
    found: dict[str, Secret] = {}
    problems: dict[str, str] = {}
    for name, (place, source) in wanted.items():
        text, reason = _read(source, entry, environ)
        if reason:
            problems[place] = f"{place}: {source}: {reason}"
        else:
            found[name] = Secret(text)
    if problems:
        count = "a secret" if len(problems) == 1 else f"{len(problems)} secrets"
        raise InventoryError(
            f"{count} of {entry.name} cannot be read",
            problems=tuple(problems.values()),
            where=next(iter(problems)),
            next_step="make what is named above readable on this machine, then run the same command again",
        )
    return found


def secrets_of_apps(entry: Entry) -> dict[str, tuple[str, SecretSource]]:
    """Give the secrets from outside that a host's apps have, by their paths on the host, for ``read_secrets``."""
    return {
        AppPlaces(app).secret(name): (f"hosts.{entry.name}.apps.{app}.secrets: {name}", source)
        for app, said in entry.host.apps.items()
        for name, source in said.secret_sources.items()
        if source is not None
    }


def new_nonce() -> str:
    """Give what secrets are proven with in one session."""
    return token_hex(32)


def proof(nonce: str, path: str, secret: Secret) -> str:
    """Give what the host answers about a path if the very same secret lies there.

    Args:
        nonce: Hexadecimal, for this session alone: who sees an answer learns nothing for another.
        path: On the host.
        secret: The value that it is to have.
    """
    message = path.encode() + b"\0" + secret.reveal().encode()
    return hmac.new(bytes.fromhex(nonce), message, hashlib.sha256).hexdigest()


def _read(source: SecretSource, entry: Entry, environ: Mapping[str, str]) -> tuple[str, str]:
    """Give the text, or why there is none; an exception of a decoder would hold what it could not decode."""
    try:
        data = _bytes(source, entry, environ)
    except NoSecretError as error:
        return "", str(error)
    if source.way != "env":
        data = data.removesuffix(b"\n").removesuffix(b"\r")
    text = data.decode("utf-8", "replace")
    if not data:
        return "", "it is empty"
    if len(data) > LIMIT_BYTES:
        return "", f"it is larger than {LIMIT_BYTES >> 10} KiB"
    if text.encode() != data or "\0" in text:
        return "", "it is no text in UTF-8; keep it as base64"
    return text, ""


def _bytes(source: SecretSource, entry: Entry, environ: Mapping[str, str]) -> bytes:
    if source.env is not None:
        if source.env not in environ:
            raise NoSecretError("it is not set")
        return os.fsencode(environ[source.env])
    if source.file is not None:
        return _of_file(source.file, entry)
    folder = entry.folder
    if source.age is not None:
        identity = str(entry.path(source.identity_file or ""))
        argv = ["age", "--decrypt", "--identity", identity, str(entry.path(source.age))]
    elif source.sops is not None:
        way = "".join(f"[{json.dumps(part)}]" for part in source.key)
        argv = ["sops", "--decrypt", *(["--extract", way] if way else []), str(entry.path(source.sops))]
    else:
        argv = list(source.command or ())
    return printed_by(argv, folder, limit_bytes=LIMIT_BYTES + 2)


def _of_file(written: str, entry: Entry) -> bytes:
    try:
        # what is no plain file, such as a pipe, must not hold us up
        with os.fdopen(os.open(entry.path(written), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise NoSecretError("it is no plain file")
            return stream.read(LIMIT_BYTES + 2)
    except OSError as error:
        raise NoSecretError(f"it cannot be read: {error.strerror}") from error

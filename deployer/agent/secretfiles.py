"""Secrets that come from outside, as the host keeps and compares them: by marks from which nothing can be guessed.

What is one is told by its place, whatever a request says. Records hold a mark (keyed by a secret of this host, which
never leaves it) in the place of a hash: a hash of a short password gives it away to who reads a backup.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from typing import Any, Mapping

from . import durable, places
from .refusal import Refusal

LIMIT_BYTES = 64 << 10
_NONCE = re.compile(r"[0-9a-f]{32,128}")
_KEY_BYTES = 32


def is_secret(path: str) -> bool:
    """Say whether what lies at a path is a secret."""
    return path.startswith(places.SECRETS + "/")


def mark(path: str, data: bytes) -> str | None:
    """Name a secret's value for this host's own records; None before the first secret from outside came."""
    try:
        with open(places.at(places.SECRETS_KEY), "rb") as stream:
            key = stream.read()
    except FileNotFoundError:
        return None
    return "mark:" + _keyed(key, path, data)


def proof(nonce: object, path: str, data: bytes) -> str | None:
    """Answer whether the control machine, which chose the nonce for this one time, has the same value.

    None without a nonce, or with one that could be guessed.
    """
    if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
        return None
    return _keyed(bytes.fromhex(nonce if len(nonce) % 2 == 0 else nonce[:-1]), path, data)


def make_key() -> None:
    """Make this host's key for marks, once."""
    real = places.at(places.SECRETS_KEY)
    if os.path.lexists(real):
        return
    fresh = real + ".new"
    durable.unlink_quietly(fresh)
    durable.write_new(fresh, os.urandom(_KEY_BYTES), 0o600)
    os.rename(fresh, real)
    durable.sync_directory(os.path.dirname(real))


def needed(plan: Mapping[str, Any]) -> bool:
    """Say whether a plan puts, replaces or takes away a secret."""
    return any(is_secret(entry["path"]) for entry in plan.get("files", ()))


def given(entry: Mapping[str, Any], values: Mapping[str, Any]) -> bytes:
    """Return the value that came with the request for one of the plan's files.

    Raises:
        Refusal: It is no secret's place, or none came.
    """
    path, value = entry["path"], values.get(entry["path"])
    if not is_secret(path) or not isinstance(value, str) or not value or len(value.encode()) > LIMIT_BYTES:
        raise Refusal("fault", f"no value came with the plan for the secret {path}")
    return value.encode()


def _keyed(key: bytes, path: str, data: bytes) -> str:
    return hmac.new(key, path.encode() + b"\0" + data, hashlib.sha256).hexdigest()

"""Where the agent keeps its record on the host, and the one place that knows another root (for tests)."""

from __future__ import annotations

import os
import re

from .refusal import Refusal

ROOT = ""  # tests put a directory here; on a host it stays empty
STATE = "/var/lib/deployer"
LOCK = STATE + "/lock"
MANIFEST = STATE + "/manifest.json"
#: Key of the marks by which secrets are compared; it never leaves the host.
SECRETS_KEY = STATE + "/secrets.key"
AUDIT = STATE + "/audit.jsonl"
TRANSACTIONS = STATE + "/transactions"
#: Copies of databases, taken before a migration and before one is put back.
DUMPS = STATE + "/dumps"
#: Files of the user's own that a deploy took the place of, for good.
FORMER = STATE + "/former"
#: Texts of the agent, named by their SHA-256, which the next login need not send.
KEPT = STATE + "/agent"
#: What lies here is a secret: no hash and no text of it is told or written down.
SECRETS = "/etc/deployer/secrets"

#: Of a transaction.
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def at(path: str) -> str:
    """Return where an absolute path of the host really is."""
    return ROOT + path


def checked_path(path: object) -> str:
    """Return `path` if it is a plain absolute path.

    Raises:
        Refusal: It is relative, not normal (`..`, `//`), holds a control character or lies in a kernel file system.
    """
    fine = (
        isinstance(path, str)
        and path.startswith("/")
        and path == os.path.normpath(path)
        and not path.startswith("//")
        and path.isprintable()
        and path.split("/")[1] not in ("", "proc", "sys", "dev")
    )
    if not fine:
        raise Refusal("fault", f"the plan names a path that is not a plain absolute one: {path!r}")
    return str(path)


def checked_identifier(name: object) -> str:
    """Return a transaction's id if it is safe as a directory's and a unit's name."""
    if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
        raise Refusal("fault", f"not a transaction id: {name!r}")
    return name

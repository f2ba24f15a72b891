"""A plan's parts, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal[
    "package", "user", "directory", "secret", "environment", "release", "file", "sysctl", "database", "command", "unit"
]
Verb = Literal[
    "add", "change", "remove", "install", "create", "run", "start", "restart", "reload", "stop", "enable", "try"
]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that a deploy would do.

    Attributes:
        kind: What it is done to.
        verb: What is done.
        name: To which.
        because: Why, where that is not plain.
        diff: Unified diff of a file's text; empty where there is none to show.
    """

    kind: Kind
    verb: Verb
    name: str
    because: str = ""
    diff: str = ""


@dataclass(frozen=True)
class Plan:
    """What a deploy would do to one host.

    Attributes:
        host: The host's name.
        changes: All of it, in the order in which it is done; empty when the host is as wanted.
        document: The protocol's PLAN.
        blobs: Bytes that the document names, but for packages of apps, which are fetched only for an apply.
        environments: Apps whose environment has to be made.
        warnings: What the user should know, and what does not stop a deploy.
    """

    host: str
    changes: tuple[Change, ...]
    document: Mapping[str, Any]
    blobs: Mapping[str, bytes] = field(repr=False, default_factory=dict)
    environments: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def given_secrets(self) -> Mapping[str, str]:
        """Paths of the secrets that have to be sent along, each with where it is read; their values are not here."""
        ours = {entry["path"]: entry["after"] for entry in self.document.get("files", ()) if "source" in entry["after"]}
        return {path: after["source"] for path, after in ours.items()}

    @property
    def to_be_confirmed(self) -> tuple[str, ...]:
        """What leads to the host and is changed: it is committed once a login over a new connection has worked."""
        return tuple(self.document.get("confirm_over_new_connection", ()))

    @property
    def is_empty(self) -> bool:
        """Whether the host is as wanted."""
        return not self.changes

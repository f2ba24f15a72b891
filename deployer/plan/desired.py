"""What the host shall have, the links of the releases included, and the hashes that tell what must be restarted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.release import Release
from deployer.render import Rendered
from deployer.wanted import ReleaseWanted


@dataclass(frozen=True, slots=True)
class Item:
    """One path of ours on the host.

    Attributes:
        path: Where.
        after: The protocol's STATE that it shall have, without blob names.
        content: Bytes of a file; None for a link.
        reloads: Units that read it again on a reload.
        restarts: Units that have to be restarted for it.
        takes_over: What changes for who has a file of their own there, for people.
        source: Where a secret is read, in words; empty for all that is no secret. Its content is not in an item.
        proof: Of a secret: what the host answers if it has the very same.
    """

    path: str
    after: Mapping[str, Any]
    content: bytes | None
    reloads: tuple[str, ...]
    restarts: tuple[str, ...]
    takes_over: str = ""
    source: str = ""
    proof: str = ""

    @property
    def fingerprint(self) -> str:
        """What a unit's hash is made of."""
        if self.after["kind"] == "link":
            return f"link:{self.after['target']}"
        return f"{self.after['sha256']} {self.after['mode']} {self.after['owner']}:{self.after['group']}"


@dataclass(frozen=True, slots=True)
class PlacedRelease:
    """A release and where it goes."""

    wanted: ReleaseWanted
    release: Release

    @property
    def path(self) -> str:
        """Folder of this release."""
        return f"{self.wanted.folder}/{self.release.identifier}"

    @property
    def has_environment(self) -> bool:
        """Whether it needs more than its source."""
        return self.wanted.packages != "none"

    @property
    def environment_path(self) -> str:
        """Folder of its environment: one for each content of the lock."""
        return f"{self.wanted.environments}/{self.release.environment}"

    @property
    def whole_mark(self) -> str:
        """File that the agent puts into an environment once it is whole."""
        return f"{self.environment_path}/.whole"

    @property
    def marks(self) -> tuple[str, ...]:
        """Paths that are there once nothing of it is missing."""
        return (self.path, self.whole_mark) if self.has_environment else (self.path,)


def placed(rendered: Rendered, releases: Sequence[Release]) -> tuple[PlacedRelease, ...]:
    """Pair what apps want with their sources."""
    by_app = {release.app: release for release in releases}
    return tuple(PlacedRelease(wanted, by_app[wanted.app]) for wanted in rendered.wanted.releases)


def items(
    rendered: Rendered, releases: Iterable[PlacedRelease], proofs: Mapping[str, str] | None = None
) -> tuple[Item, ...]:
    """List every path of ours: files, secrets from outside, links, and those that make a release live; by path.

    Args:
        rendered: What the host shall have.
        releases: The apps' sources.
        proofs: Of each secret from outside, by its path; without, none is as wanted.
    """
    found = [
        Item(
            file.path,
            {
                "kind": "file",
                "sha256": file.sha256,
                "mode": file.wanted.mode,
                "owner": file.wanted.owner,
                "group": file.wanted.group,
            },
            file.content,
            file.wanted.reloads,
            file.wanted.restarts,
            file.wanted.takes_over,
        )
        for file in rendered.files
    ]
    for secret in rendered.wanted.secrets:
        if secret.source:
            after = {"kind": "file", "mode": "0600", "owner": "root", "group": "root", "secret": True}
            proof = (proofs or {}).get(secret.path, "")
            found.append(Item(secret.path, after, None, (), secret.restarts, source=secret.source, proof=proof))
    for link in rendered.links:
        after = {"kind": "absent"} if link.target is None else {"kind": "link", "target": link.target}
        found.append(Item(link.path, after, None, link.reloads, link.restarts))
    for release in releases:
        links = {release.wanted.current: release.path}
        if release.has_environment and release.wanted.environment:
            links[release.wanted.environment] = release.environment_path
        for path, target in links.items():
            found.append(Item(path, {"kind": "link", "target": target}, None, (), release.wanted.restarts))
    return tuple(sorted(found, key=lambda item: item.path))


def unit_hashes(unit: str, all_items: Iterable[Item]) -> dict[str, str]:
    """Hash what a unit reads at start, and what it reads again on a reload; the host records them at a commit.

    Secrets are left out: from a hash on record a weak one could be guessed. The host says whether each is settled.
    """
    restart, reload = hashlib.sha256(), hashlib.sha256()
    for item in all_items:
        if item.after["kind"] == "absent" or item.source:
            continue
        line = f"{item.path} {item.fingerprint}\n".encode()
        if unit in item.restarts:
            restart.update(line)
        if unit in item.reloads:
            reload.update(line)
    return {"restart_hash": restart.hexdigest()[:16], "reload_hash": reload.hexdigest()[:16]}

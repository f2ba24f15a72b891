"""Which packages a package-lock.json wants on a host: read from its text alone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.errors import PreparationFailed
from deployer.npm.platform import Platform

#: Versions of the lock that name each package's place.
LOCK_VERSIONS = (2, 3)
#: What brings other packages along; those for development do not.
DEPENDENCIES = ("dependencies", "optionalDependencies", "peerDependencies")
SHA512_BYTES = 64
#: A lock with more packages than this is not one of a small host's app.
MOST_PACKAGES = 5000
_NAME = r"(?:@[\w~-][\w.~-]*/)?[\w~-][\w.~-]*"  # starts with no dot: neither `..` nor `.bin`
_PLACE = re.compile(rf"(?:node_modules/{_NAME}/)*node_modules/(?P<name>{_NAME})", re.ASCII)
#: An address that packages may come from: no login in it, as it is shown in errors.
ADDRESS = re.compile(r"https?://[\w.-]+(?::\d{1,5})?/[!-~]*", re.ASCII)
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:[-+][\w.+-]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Package:
    """One package at one place.

    Attributes:
        place: Its folder, such as ``node_modules/a/node_modules/@scope/b``.
        name: Its name in the registry; another one than the place's for an alias.
        version: Its version.
        resolved: Address of its tarball as the lock says it; empty where the lock leaves that to the registry.
        sha512: Of its tarball.
        bins: Commands by name, with their path inside the package.
    """

    place: str
    name: str
    version: str
    resolved: str
    sha512: bytes
    bins: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Selection:
    """What a lock wants on a host.

    Attributes:
        packages: In the order of their places.
        left_out: Optional packages that the host does without though they are made for it, each with the reason.
    """

    packages: tuple[Package, ...]
    left_out: tuple[str, ...]


def select_packages(lock: bytes, platform: Platform, where: str) -> Selection:
    """Choose the packages of a lock that belong on a host: what the app needs, and what that needs.

    So those for development only are not chosen, nor optional ones that do not fit the host or would run a script, nor
    what only these need.

    Args:
        lock: Text of package-lock.json, version 2 or 3.
        platform: The host's.
        where: The lock's path, for errors.

    Raises:
        PreparationFailed: It is no such lock, or it needs what cannot be fetched safely: a folder, a repository, a
            package without a sha512, for another platform, or with an install script.
    """
    entries = _entries(lock, where)
    chosen: dict[str, Package] = {}
    left_out: set[str] = set()
    seen, to_visit = {""}, [""]
    while to_visit:
        needed = set(_needed_by(to_visit.pop(), entries, where)) - seen
        seen |= needed
        for place in sorted(needed):
            entry = entries[place]
            reason = _misfit(place, entry, platform)
            # devOptional: needed for development, and optional for what is followed here
            if reason and not (entry.get("optional") or entry.get("devOptional")):
                raise _refusal(*reason, where=where)
            if reason:
                left_out |= {reason[0]} if platform.admits(entry) else set()  # those for other hosts are no loss
                continue
            to_visit.append(place)
            if not entry.get("inBundle"):  # what is in a bundle comes with the package that bundles it
                chosen[place] = _package(place, entry, where)
    return Selection(tuple(chosen[place] for place in sorted(chosen)), tuple(sorted(left_out)))


def _entries(lock: bytes, where: str) -> Mapping[str, Mapping[str, Any]]:
    """Give the entry of every place; that of the app itself is nameless."""
    try:
        document = json.loads(lock)
    except (ValueError, RecursionError) as error:
        raise _refusal("this is no package-lock.json", f"make it anew with npm install ({error})", where) from error
    version = document.get("lockfileVersion") if isinstance(document, dict) else None
    packages = document.get("packages") if isinstance(document, dict) else None
    if version not in LOCK_VERSIONS or not isinstance(packages, dict):
        raise _refusal(
            f"the lock is of version {version}, {' or '.join(map(str, LOCK_VERSIONS))} is needed",
            "npm install --package-lock-only --lockfile-version 3",
            where,
        )
    if len(packages) > MOST_PACKAGES:
        raise _refusal(f"the lock holds {len(packages)} packages, {MOST_PACKAGES} at most are fetched", "", where)
    for place, entry in {"": {}, **packages}.items():
        if not isinstance(entry, dict) or not all(isinstance(entry.get(kind, {}), dict) for kind in DEPENDENCIES):
            raise _refusal(f"{place!r} of the lock is no package", "make the lock anew with npm install", where)
    return {"": {}, **packages}


def _needed_by(place: str, entries: Mapping[str, Mapping[str, Any]], where: str) -> Iterator[str]:
    """Yield the places of what a package needs: for each name the nearest one, as Node itself looks for it."""
    for kind in DEPENDENCIES:
        for name in entries[place].get(kind, {}):
            found = _nearest(place, str(name), entries)
            if found is not None:
                yield found
            elif kind == "dependencies":
                needs = place.rpartition("node_modules/")[2] or "the app"
                raise _refusal(f"the lock has no {name}, which {needs} needs", "npm install brings it in", where)


def _nearest(place: str, name: str, entries: Mapping[str, Mapping[str, Any]]) -> str | None:
    while True:
        candidate = f"{place}/node_modules/{name}".removeprefix("/")
        if candidate in entries:
            return candidate
        if not place:
            return None
        place = place.rpartition("node_modules/")[0].removesuffix("/")


def _misfit(place: str, entry: Mapping[str, Any], platform: Platform) -> tuple[str, str] | None:
    """Say why a package cannot be on this host, and what to do; None if it can."""
    name = f"{place.rpartition('node_modules/')[2]}@{entry.get('version', '?')}"
    if not platform.admits(entry):
        return f"{name} is not for {platform}", f"npm ls {name} shows what needs it; choose one that is made for it"
    if entry.get("hasInstallScript"):
        return (
            f"{name} runs a script when it is installed, and nothing of a package is run before the app itself",
            f"choose one of plain JavaScript, or with binaries in optional packages; npm ls {name} shows what needs it",
        )
    return None


def _package(place: str, entry: Mapping[str, Any], where: str) -> Package:
    found = _PLACE.fullmatch(place)
    resolved = str(entry.get("resolved") or "")
    if entry.get("link") or not found or (resolved and not ADDRESS.fullmatch(resolved)):
        origin = re.sub(r"//[^/@]*@", "//", resolved) or "a folder"  # without a login
        raise _refusal(
            f"{place} comes from {origin}: only packages of a registry are fetched",
            "publish it to a registry, or copy its code into the app",
            where,
        )
    name, version = str(entry.get("name") or found["name"]), str(entry.get("version"))
    if not re.fullmatch(_NAME, name, re.ASCII) or not _VERSION.fullmatch(version):
        raise _refusal(f"{place}: {name}@{version} is no package", "make the lock anew with npm install", where)
    bins = entry.get("bin")
    return Package(
        place=place,
        name=name,
        version=version,
        resolved=resolved,
        sha512=_sha512(f"{name}@{version}", entry.get("integrity"), where),
        bins={str(command): str(path) for command, path in bins.items()} if isinstance(bins, dict) else {},
    )


def _sha512(package: str, integrity: object, where: str) -> bytes:
    for word in str(integrity or "").split():
        algorithm, _, encoded = word.partition("?")[0].partition("-")
        if algorithm == "sha512":
            try:
                digest = base64.b64decode(encoded, validate=True)
            except ValueError:  # no base64, or not even ASCII
                break
            if len(digest) == SHA512_BYTES:
                return digest
    raise _refusal(
        f"{package} has no sha512 in the lock, so nobody knows which bytes it is",
        "remove package-lock.json and node_modules, and make the lock anew with npm install",
        where,
    )


def _refusal(message: str, next_step: str, where: str) -> PreparationFailed:
    return PreparationFailed(message, where=where, next_step=next_step)

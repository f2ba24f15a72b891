"""Tarballs from the registry that the user's npm uses, each checked against the lock and kept by its content."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from deployer.errors import PreparationFailed
from deployer.npm.lock import ADDRESS, Package

#: In the name of npm's own registry; a lock names that one wherever the packages really came from, and a registry that
#: is set is asked instead. No address of a registry stands in this project.
NPM_S_OWN = "npmjs"
#: A package's tarball beyond this is refused, bytes.
MOST_TARBALL_BYTES = 128 << 20
#: Longest silence of a registry, s.
SILENCE_S = 30
#: Longest time for one tarball, s.
TARBALL_TIMEOUT_S = 300
#: A registry that fails for the moment is asked this often, the first time included.
ATTEMPTS = 3
#: Rest before it is asked again, s; twice that before the next time.
PAUSE_S = 1.0
CHUNK_BYTES = 1 << 16
#: Answers that may be another one a moment later.
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Registry:
    """Where packages come from.

    Attributes:
        address: Of the registry that is set, ending with a slash; empty: the lock's own addresses are used.
        scopes: Other registries, by scope with its ``@``.
    """

    address: str = ""
    scopes: Mapping[str, str] = field(default_factory=dict)

    def tarball_of(self, package: Package) -> str:
        """Give the address of a package's tarball, as npm does with ``replace-registry-host=npmjs``.

        Raises:
            PreparationFailed: The lock says nothing of the package's place, and no registry is set.
        """
        scope, slash, basename = package.name.rpartition("/")
        registry = self.scopes.get(scope, self.address) if slash else self.address
        if not package.resolved:
            if not registry:
                raise PreparationFailed(
                    f"the lock does not say where {package.name} is, and no registry is set",
                    where="npm's settings: npm_config_registry, .npmrc of the app, ~/.npmrc",
                    next_step="set npm_config_registry, or write the lock anew with npm install --package-lock-only",
                )
            return f"{registry}{package.name}/-/{basename}-{package.version}.tgz"
        there = urlsplit(package.resolved)
        if not registry or NPM_S_OWN not in (there.hostname or "").split("."):
            return package.resolved
        return registry + there.path.lstrip("/")


def registry_of(folder: Path, environ: Mapping[str, str] = os.environ) -> Registry:
    """Read which registry the user has set: the environment before the app's .npmrc before the user's own.

    Args:
        folder: The app's source.
        environ: The environment.

    Raises:
        PreparationFailed: An .npmrc cannot be read, or what is set is no address.
    """
    settings: dict[str, str] = {}
    from_environment = {
        name[len("npm_config_") :].lower(): value
        for name, value in environ.items()
        if name.lower().startswith("npm_config_") and value
    }
    for path in (Path(from_environment.get("userconfig") or Path.home() / ".npmrc"), folder / ".npmrc"):
        settings |= _read_npmrc(path, environ)
    settings |= {key: value for key, value in from_environment.items() if key == "registry"}
    addresses = {key: value.rstrip("/") + "/" for key, value in settings.items()}
    for key, address in addresses.items():
        if not ADDRESS.fullmatch(address):
            raise PreparationFailed(
                f"{key} is set to what is no address of a registry, https://HOST/ or https://HOST:PORT/PATH/",
                where="npm's settings: npm_config_registry, .npmrc of the app, ~/.npmrc",
                next_step="npm config ls shows them",
            )
    scopes = {key.partition(":")[0]: value for key, value in addresses.items() if key.startswith("@")}
    return Registry(addresses.get("registry", ""), scopes)


def with_npm_s_default(registry: Registry) -> Registry:
    """Ask npm for the registry that it uses where none is set; without npm on this machine there is none."""
    if registry.address:
        return registry
    try:
        said = subprocess.run(
            ["npm", "config", "get", "registry"],  # noqa: S607 - the npm that the user would call
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SILENCE_S,
            check=False,
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return registry
    return replace(registry, address=said.rstrip("/") + "/") if ADDRESS.fullmatch(said.rstrip("/") + "/") else registry


def _read_npmrc(path: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Give the lines that name a registry; everything else, logins above all, is passed over."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise PreparationFailed(f"npm's settings cannot be read: {error}", where=str(path)) from error
    lines = re.findall(r"^\s*(registry|@[\w.~-]+:registry)\s*=\s*(.*?)\s*$", text, re.MULTILINE)
    return {
        key: re.sub(r"\$\{(\w+)\}", lambda name: environ.get(name[1], name[0]), value.strip("\"'"))
        for key, value in lines
    }


def fetch_tarball(package: Package, registry: Registry, kept: Path) -> Path:
    """Give the file of a package's tarball: the kept one if its bytes are still right, else from the registry.

    It goes from the registry to the disk in pieces: many that are fetched at once take next to no memory.

    Args:
        package: The package.
        registry: Where to get it.
        kept: Folder of tarballs, by content.

    Raises:
        PreparationFailed: The registry does not have it, is not reached, or sends other bytes than the lock says.
    """
    path = kept / f"{package.sha512.hex()[:64]}.tgz"
    try:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha512").digest() == package.sha512:
                return path
    except OSError:  # it is not there yet, or cannot be read
        pass
    address = registry.tarball_of(package)
    with _kept_at(path) as file:
        if _download(package, address, file) != package.sha512:
            raise PreparationFailed(
                f"{package} is not what the lock says: its sha512 is another one",
                where=address,
                next_step="do not use it; ask the registry's keeper, or make the lock anew if the package was changed",
            )
    return path


def _download(package: Package, address: str, file: IO[bytes]) -> bytes:
    """Put what is at an address into a file, and give its sha512."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _read(package, address, file)
        except urllib.error.HTTPError as error:
            reason = f"the registry answers {error.code} {error.reason}"
            if error.code not in PASSING_STATUSES:
                break
        except (OSError, HTTPException, OverflowError) as error:  # the last is what an impossible port gives
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt < ATTEMPTS:
            time.sleep(attempt * PAUSE_S)
    raise PreparationFailed(
        f"{package} cannot be fetched: {reason}",
        where=address,
        next_step="look at this machine's way to the registry, and at `registry` in .npmrc",
    )


def _read(package: Package, address: str, file: IO[bytes]) -> bytes:
    give_up_at = time.monotonic() + TARBALL_TIMEOUT_S
    digest, received = hashlib.sha512(), 0
    _write(file, None)
    with urllib.request.build_opener().open(address, timeout=SILENCE_S) as answer:
        while chunk := answer.read(CHUNK_BYTES):
            digest.update(chunk)
            received += len(chunk)
            if received > MOST_TARBALL_BYTES:
                raise PreparationFailed(
                    f"{package} is larger than {MOST_TARBALL_BYTES >> 20} MiB", where=address, next_step="do without it"
                )
            if time.monotonic() > give_up_at:
                raise TimeoutError(f"it takes longer than {TARBALL_TIMEOUT_S} s")
            _write(file, chunk)
    return digest.digest()


def _write(file: IO[bytes], chunk: bytes | None) -> None:
    """Add a piece, or begin anew with None; a full disk is no fault of the registry's, and is not tried again."""
    try:
        if chunk is None:
            file.seek(0)
            file.truncate()
        else:
            file.write(chunk)
    except OSError as error:
        raise _not_kept(Path(file.name), error) from error


@contextmanager
def _kept_at(path: Path) -> Iterator[IO[bytes]]:
    """Give a file that stands at the path afterwards, whole or not at all: others may fetch the same meanwhile."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".fetching-", delete=False) as file:
            part = Path(file.name)
            yield file
        part.rename(path)
    except OSError as error:
        raise _not_kept(path, error) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _not_kept(path: Path, error: OSError) -> PreparationFailed:
    return PreparationFailed(f"the packages cannot be kept: {error}", where=str(path.parent))

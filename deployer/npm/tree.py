"""The folder node_modules as one tar: the same packages give the same bytes.

What the packages hold lies in a file while it is put in order; in memory are the names, and in the end the tar.
"""

from __future__ import annotations

import gzip
import io
import posixpath
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from deployer.errors import PreparationFailed
from deployer.npm.lock import Package

#: All packages of an app, unpacked, bytes; more would not be an app for a small host.
MOST_UNPACKED_BYTES = 512 << 20
#: Files of all packages.
MOST_FILES = 100_000


class _Bounded(io.RawIOBase):
    """What a tarball unpacks to, up to the bound: names alone may be as long as all files of an app."""

    def __init__(self, source: gzip.GzipFile, package: Package) -> None:
        self._source = source
        self._package = package
        self._left = MOST_UNPACKED_BYTES + MOST_FILES * 3 * tarfile.BLOCKSIZE

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes, and none but those that fit."""
        data = self._source.read(min(size, self._left + 1) if size >= 0 else self._left + 1)
        self._left -= len(data)
        if self._left < 0:
            raise _too_large(self._package)
        return data


@dataclass(frozen=True, slots=True)
class _File:
    """Where in the store the bytes of a file lie, and whether it is a program."""

    at: int
    size: int
    is_program: bool


class Tree:
    """Files and links below node_modules, collected package by package.

    Args:
        store: An empty file that takes what the packages hold.
    """

    def __init__(self, store: IO[bytes]) -> None:
        self._store = store
        self._files: dict[str, _File] = {}
        self._links: dict[str, str] = {}
        self._bytes = 0

    def add(self, package: Package, tarball: Path) -> None:
        """Unpack a package to its place and link its commands.

        Links and devices inside a tarball are left out, as npm does: its own packages never hold any.

        Raises:
            PreparationFailed: The tarball is damaged, has a path that leads out of it, or is too large.
        """
        try:
            self._unpack(package, tarball)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise PreparationFailed(f"the tarball of {package} is damaged: {error}") from error
        for command, target in self._commands(package):
            self._link(package.place, command, target)

    def tar_into(self, stream: IO[bytes]) -> None:
        """Write the tar: names in order, owned by root, without times."""
        folders = {str(parent) for name in (*self._files, *self._links) for parent in PurePosixPath(name).parents}
        clash = sorted(folders.intersection({*self._files, *self._links}))
        if clash:
            raise PreparationFailed(f"{clash[0]} is a file of one package and a folder of another")
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted({*folders, *self._files, *self._links} - {"."}):
                entry = tarfile.TarInfo(name)
                if name in self._files:
                    file = self._files[name]
                    entry.size, entry.mode = file.size, 0o755 if file.is_program else 0o644
                    self._store.seek(file.at)
                elif name in self._links:
                    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, self._links[name], 0o777
                else:
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry, self._store)

    def _unpack(self, package: Package, tarball: Path) -> None:
        # as a stream: a small tarball that unpacks to very much is stopped at the limit
        with gzip.open(tarball) as packed, tarfile.open(fileobj=_Bounded(packed, package), mode="r|") as archive:
            for entry in archive:
                path = _inner_path(package, entry.name)
                self._bytes += entry.size
                if self._bytes > MOST_UNPACKED_BYTES or len(self._files) > MOST_FILES:
                    raise _too_large(package)
                content = archive.extractfile(entry) if entry.isfile() and path else None
                if content is not None:
                    at = self._store.seek(0, io.SEEK_END)
                    shutil.copyfileobj(content, self._store)
                    self._files[f"{package.place}/{path}"] = _File(at, entry.size, bool(entry.mode & 0o111))

    def _commands(self, package: Package) -> Iterable[tuple[str, str]]:
        for command, target in sorted(package.bins.items()):
            path = posixpath.normpath(target)
            word = posixpath.basename(command)  # a command's name is one word, whatever scope it has
            if f"{package.place}/{path}" in self._files and word not in ("", ".", ".."):
                yield word, path

    def _link(self, place: str, command: str, path: str) -> None:
        self._files[f"{place}/{path}"] = replace(self._files[f"{place}/{path}"], is_program=True)
        parent, _, name = place.rpartition("node_modules/")
        self._links.setdefault(f"{parent}node_modules/.bin/{command}", f"../{name}/{path}")


def node_modules(packages: Iterable[tuple[Package, Path]]) -> bytes:
    """Pack packages, given with the files of their tarballs, as node_modules.

    Raises:
        PreparationFailed: See ``Tree.add``; or two packages contradict one another, or there is no room for them.
    """
    try:
        with tempfile.TemporaryFile() as store, tempfile.TemporaryFile() as packed:
            tree = Tree(store)
            for package, tarball in packages:
                tree.add(package, tarball)
            tree.tar_into(packed)
            packed.seek(0)
            return packed.read()
    except OSError as error:
        raise PreparationFailed(f"the packages cannot be unpacked: {error}", where=tempfile.gettempdir()) from error


def _too_large(package: Package) -> PreparationFailed:
    return PreparationFailed(
        f"the packages are more than {MOST_UNPACKED_BYTES >> 20} MiB or {MOST_FILES} files, unpacked",
        where=str(package),
        next_step="do without some of them",
    )


def _inner_path(package: Package, name: str) -> str:
    """Give a path inside the package: without its first folder, which is mostly but not always ``package``."""
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
        raise PreparationFailed(
            f"the tarball of {package} has a path that leads out of it: {name!r}",
            next_step="do not use this package, and tell the registry's keeper",
        )
    return "/".join(parts[1:])

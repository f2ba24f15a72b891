"""The folder node_modules as one tar: the same packages give the same bytes."""

from __future__ import annotations

import gzip
import io
import posixpath
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

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


class Tree:
    """Files and links below node_modules, collected package by package."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, bool]] = {}
        self._links: dict[str, str] = {}
        self._bytes = 0

    def add(self, package: Package, tarball: bytes) -> None:
        """Unpack a package to its place and link its commands.

        Links and devices inside a tarball are left out, as npm does: its own packages never hold any.

        Raises:
            PreparationFailed: The tarball is damaged, has a path that leads out of it, or is too large.
        """
        try:
            for path, data, executable in self._unpacked(package, tarball):
                self._files[f"{package.place}/{path}"] = (data, executable)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise PreparationFailed(f"the tarball of {package} is damaged: {error}") from error
        for command, target in self._commands(package):
            self._link(package.place, command, target)

    def tar(self) -> bytes:
        """Give the tar: names in order, owned by root, without times."""
        folders = {str(parent) for name in (*self._files, *self._links) for parent in PurePosixPath(name).parents}
        clash = sorted(folders.intersection({*self._files, *self._links}))
        if clash:
            raise PreparationFailed(f"{clash[0]} is a file of one package and a folder of another")
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for name in sorted({*folders, *self._files, *self._links} - {"."}):
                entry = tarfile.TarInfo(name)
                data = b""
                if name in self._files:
                    data, executable = self._files[name]
                    entry.size, entry.mode = len(data), 0o755 if executable else 0o644
                elif name in self._links:
                    entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, self._links[name], 0o777
                else:
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(entry, io.BytesIO(data))
        return stream.getvalue()

    def _unpacked(self, package: Package, tarball: bytes) -> Iterator[tuple[str, bytes, bool]]:
        # as a stream: a small tarball that unpacks to very much is stopped at the limit and not in memory
        unpacked = _Bounded(gzip.GzipFile(fileobj=io.BytesIO(tarball)), package)
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for entry in archive:
                path = _inner_path(package, entry.name)
                self._bytes += entry.size
                if self._bytes > MOST_UNPACKED_BYTES or len(self._files) > MOST_FILES:
                    raise _too_large(package)
                content = archive.extractfile(entry) if entry.isfile() and path else None
                if content is not None:
                    yield path, content.read(), bool(entry.mode & 0o111)

    def _commands(self, package: Package) -> Iterable[tuple[str, str]]:
        for command, target in sorted(package.bins.items()):
            path = posixpath.normpath(target)
            word = posixpath.basename(command)  # a command's name is one word, whatever scope it has
            if f"{package.place}/{path}" in self._files and word not in ("", ".", ".."):
                yield word, path

    def _link(self, place: str, command: str, path: str) -> None:
        data, _ = self._files[f"{place}/{path}"]
        self._files[f"{place}/{path}"] = (data, True)
        parent, _, name = place.rpartition("node_modules/")
        self._links.setdefault(f"{parent}node_modules/.bin/{command}", f"../{name}/{path}")


def node_modules(packages: Iterable[tuple[Package, bytes]]) -> bytes:
    """Pack packages, given with their tarballs, as node_modules.

    Raises:
        PreparationFailed: See ``Tree.add``; or two packages contradict one another.
    """
    tree = Tree()
    for package, tarball in packages:
        tree.add(package, tarball)
    return tree.tar()


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

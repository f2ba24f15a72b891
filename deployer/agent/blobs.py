"""The files that came with a request: one tar, read member by member, and trees that are packed inside it."""

from __future__ import annotations

import os
import posixpath
import tarfile
from typing import IO, BinaryIO

from . import durable
from .refusal import Refusal

MAX_MEMBERS = 60_000
MAX_TREE_MIB = 2048


class Blobs:
    """The tar that came with an apply request.

    Args:
        source: The blob; may be empty.
    """

    def __init__(self, source: BinaryIO) -> None:
        source.seek(0, os.SEEK_END)
        empty = source.tell() == 0
        source.seek(0)
        try:
            self._tar = None if empty else tarfile.open(fileobj=source, mode="r:*")  # noqa: SIM115 - read for as long as the plan lasts
        except tarfile.TarError as error:
            raise Refusal("fault", f"the files of the plan cannot be read: {error}") from error

    def open(self, name: str) -> IO[bytes]:
        """Return a member's bytes as a stream; a name that is not there is a Refusal."""
        try:
            member = self._tar.extractfile(name) if self._tar else None
        except KeyError:
            member = None
        if member is None:
            raise Refusal("fault", f"the plan names {name!r}, which did not come with it")
        return member

    def read(self, name: str) -> bytes:
        """Return a member's bytes."""
        with self.open(name) as stream:
            return stream.read()


def unpack(packed: IO[bytes], directory: str) -> None:
    """Unpack a tree into an empty directory: directories 0755, files 0644 or 0755, owned by root.

    Owners and set-id bits are not taken over; nothing can land outside.

    Raises:
        Refusal: The archive is damaged, too big, or holds a device, a hard link or a name that leads outside.
    """
    try:
        with tarfile.open(fileobj=packed, mode="r:*") as tar:
            left_bytes = MAX_TREE_MIB << 20
            links: list[tuple[str, str]] = []
            for count, member in enumerate(tar):
                name = _inside(member.name)
                left_bytes -= member.size
                if count > MAX_MEMBERS or left_bytes < 0:
                    raise Refusal("preparation", f"the release is more than {MAX_TREE_MIB} MiB or {MAX_MEMBERS} files")
                target = os.path.join(directory, name)
                if member.isdir():
                    os.makedirs(target, mode=0o755, exist_ok=True)
                elif member.isfile():
                    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
                    _write(tar, member, target)
                elif member.issym():
                    _inside(posixpath.join(posixpath.dirname(name), member.linkname))
                    links.append((target, member.linkname))
                else:
                    raise Refusal(
                        "preparation",
                        f"the release holds {member.name!r}, which is no file, directory or link",
                    )
            for target, goal in links:  # last, so that no file is written through one
                os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
                os.symlink(goal, target)
    except (tarfile.TarError, EOFError, FileExistsError, NotADirectoryError) as error:
        raise Refusal("preparation", f"the release cannot be unpacked: {error}") from error
    os.sync()


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: str) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    mode = 0o755 if member.mode & 0o100 else 0o644
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with open(handle, "wb") as stream:
        while True:
            part = source.read(1 << 20)
            if not part:
                break
            stream.write(part)
    os.chmod(target, mode)
    os.utime(target, (member.mtime, member.mtime))


def _inside(name: str) -> str:
    """Return a member's name in normal form; one that leads outside the tree is a Refusal."""
    normal = posixpath.normpath(name)
    if name.startswith("/") or normal == ".." or normal.startswith("../") or "\0" in name:
        raise Refusal("preparation", f"the release holds a name that leads outside of it: {name!r}")
    return normal


def remove_tree(path: str) -> None:
    """Remove a directory of ours with all that is in it; a link is removed, not followed."""
    if os.path.islink(path) or os.path.isfile(path):
        durable.unlink_quietly(path)
    elif os.path.isdir(path):
        import shutil

        shutil.rmtree(path)

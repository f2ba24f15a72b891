"""Writes that survive a power cut: data and directory entries are flushed before the call returns."""

from __future__ import annotations

import json
import os
from typing import Any


def sync_directory(path: str) -> None:
    """Flush a directory's entries (names created, renamed or removed in it)."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_new(path: str, data: bytes, mode: int, uid: int = -1, gid: int = -1) -> None:
    """Create a file that must not exist yet. Nobody else can read it before its owner and mode are right.

    Raises:
        FileExistsError: Something is at `path`, be it a dangling link.
        OSError: The disk is full or read-only; what was begun is removed.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with open(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)  # after chown, which clears set-id bits
            os.fsync(handle)
    except BaseException:
        os.unlink(path)
        raise


def write_over(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replace a file of ours whole, or leave the old one."""
    fresh = path + ".tmp"
    if os.path.lexists(fresh):
        os.unlink(fresh)  # of a process that died here
    write_new(fresh, data, mode)
    os.replace(fresh, path)
    sync_directory(os.path.dirname(path))


def write_document(path: str, document: Any) -> None:
    """Replace a JSON file whole."""
    write_over(path, (json.dumps(document, indent=1, sort_keys=True) + "\n").encode())


def append_line(path: str, line: str) -> None:
    """Append one line to a log of ours, whole or not at all.

    Raises:
        OSError: The disk is full or read-only; what was begun is removed.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        size = os.fstat(handle).st_size
        is_cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a power cut left half of the line before
        data = memoryview(("\n" * is_cut + line + "\n").encode())
        try:
            while data:  # a disk that gets full takes a part
                data = data[os.write(handle, data) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def make_directories(path: str, mode: int = 0o755) -> list[str]:
    """Create a directory and its missing parents.

    Returns:
        What was created, outermost first: what a return may remove again if it is empty.
    """
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    missing.reverse()
    for one in missing:
        os.mkdir(one, 0o700)
        os.chmod(one, mode)
        sync_directory(os.path.dirname(one))
    return missing


def unlink_quietly(path: str) -> None:
    """Remove a file or link if it is there."""
    try:
        os.unlink(path)
    except OSError:
        if os.path.lexists(path):  # a read-only file system refuses before it looks whether there is anything
            raise

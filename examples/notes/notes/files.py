"""Attached files in a folder of the app's own: written as they come in, never held in memory."""

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

#: Bytes that are gathered before they are written: a thread is asked once for each.
BLOCK_BYTES = 256 * 1024


class TooLargeError(Exception):
    """A file, or all of them together, would be larger than allowed."""


class Files:
    """Files under names that nobody can guess.

    Args:
        folder: Where they are; made if it is not there.
        most_bytes: Largest file.
        most_bytes_in_all: All files together.
    """

    def __init__(self, folder: Path, most_bytes: int, most_bytes_in_all: int) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._most_bytes_in_all = most_bytes_in_all

    def prepare(self) -> None:
        """Make the folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Give the place of a file."""
        return self._folder / key

    async def store(self, chunks: AsyncIterator[bytes]) -> tuple[str, int]:
        """Write a file as it comes in, and return its key and its size in bytes.

        Raises:
            TooLargeError: It is too large, or there is no room left for it; then nothing of it stays.
        """
        key = secrets.token_hex(16)
        partial = self._folder / f".{key}"
        room = self._most_bytes_in_all - await asyncio.to_thread(self.bytes_in_all)
        size = 0
        try:
            with partial.open("xb") as file:
                async for block in _blocks(chunks, min(self._most_bytes, room)):
                    size += len(block)
                    await asyncio.to_thread(file.write, block)
                await asyncio.to_thread(os.fsync, file.fileno())
            partial.rename(self._folder / key)
        except BaseException:  # the visitor may have gone, which is a cancellation
            partial.unlink(missing_ok=True)
            raise
        return key, size

    def bytes_in_all(self) -> int:
        """Add up what is there, the unfinished included."""
        return sum(entry.stat().st_size for entry in os.scandir(self._folder) if entry.is_file())

    def remove(self, key: str) -> None:
        """Remove a file, if it is there."""
        self.path(key).unlink(missing_ok=True)


def file_name(text: str) -> str:
    """Make a visitor's name of a file harmless: its last part, of letters, digits and `. -_`; at most 100."""
    last = re.split(r"[/\\]", text)[-1]
    return re.sub(r"[^\w. -]+", "_", last).strip(". ")[:100] or "file"


async def _blocks(chunks: AsyncIterator[bytes], most_bytes: int) -> AsyncIterator[bytes]:
    gathered = bytearray()
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most_bytes:
            raise TooLargeError
        gathered += chunk
        if len(gathered) >= BLOCK_BYTES:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)

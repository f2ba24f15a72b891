"""Runs on the host as root: writes keys until the server evicts or refuses, keeps writing, and saves if it persists.

Arguments: the socket, seconds. What it wrote is removed at the end, and with it everything else there.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from contextlib import suppress
from typing import Any

#: Values that are written over by others of another size, as in a cache of pages: it leaves gaps, most if they grow.
SIZES_BYTES = (100, 5000, 700, 2000, 300, 700, 1000, 2000, 5000)
#: The most keys that are written: more than fit with values of a kilobyte.
KEY_BYTES = 500
BATCH = 200


class Connection:
    """One connection, in the server's own protocol."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")

    def send(self, *commands: tuple[bytes, ...]) -> list[Any]:
        """Send commands at once and give an answer for each; an error is an answer that begins with ``-``."""
        words = [(b"*%d\r\n" % len(one), one) for one in commands]
        self._socket.sendall(
            b"".join(head + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in one) for head, one in words)
        )
        return [self._answer() for _ in commands]

    def info(self) -> dict[str, str]:
        """Give what the server says of itself."""
        lines = self.send((b"INFO",))[0].decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def setting(self, name: bytes) -> bytes:
        """Give a setting's value."""
        return bytes(self.send((b"CONFIG", b"GET", name))[0][1])

    def _answer(self) -> Any:
        line = self._file.readline().rstrip()
        if line[:1] == b"$":
            size = int(line[1:])
            return self._file.read(size + 2)[:-2] if size >= 0 else None
        if line[:1] == b"*":
            return [self._answer() for _ in range(int(line[1:]))]
        return line


def all_others(path: str, free: int) -> list[Connection]:
    """Open every connection that the server still takes."""
    found: list[Connection] = []
    with suppress(OSError):  # it has no more: that is the worst case
        found.extend(Connection(path) for _ in range(free))
    return found


def main(path: str, seconds: float) -> None:
    """Fill, write, save, clean up, and say how far it came."""
    one = Connection(path)
    free = int(one.setting(b"maxclients")) - int(one.info()["connected_clients"]) - 1
    others = all_others(path, free)
    persists = one.setting(b"appendonly") == b"yes" or bool(one.setting(b"save"))
    keys = int(one.setting(b"maxmemory")) // KEY_BYTES
    begin, written, refused, saves = time.monotonic(), 0, 0, 0
    while (passed := time.monotonic() - begin) < seconds:
        value = os.urandom(SIZES_BYTES[int(passed / seconds * len(SIZES_BYTES))] // 2).hex().encode()
        answers = one.send(*[(b"SET", b"fill:%d" % random.randrange(keys), value) for _ in range(BATCH)])
        written += BATCH
        refused += sum(answer[:1] == b"-" for answer in answers)
        if persists and one.info().get("rdb_bgsave_in_progress") == "0" and (refused or written % 5000 == 0):
            one.send((b"BGSAVE",))
            saves += 1
        if refused:  # full: overwrite what is there, so that a save has pages to copy
            one.send(*[(b"SETRANGE", b"fill:%d" % random.randrange(keys), b"0", b"x") for _ in range(BATCH)])
    seen = one.info()
    one.send((b"FLUSHALL",))
    print(
        f"{written} written, {refused} refused, {seen['evicted_keys']} evicted, {len(others) + 1} connections, "
        f"{saves} saves, {seen['used_memory_peak_human']} at most by its own count"
    )


main(sys.argv[1], float(sys.argv[2]))

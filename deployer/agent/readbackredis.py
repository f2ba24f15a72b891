"""What Redis and Valkey answer, bounded as a whole: one that drips is left like one that is silent."""

from __future__ import annotations

import socket
import time
from typing import List, Tuple, Union

#: All that a server says of itself and its config; 16 KiB are usual, bytes.
MOST_BYTES = 1 << 20
#: The line that begins an answer: its kind and a number, bytes.
MOST_LINE_BYTES = 256
_CHUNK_BYTES = 1 << 14


class Answers:
    """The answers to one line of questions; the time for all of them runs from the start, s."""

    def __init__(self, connection: socket.socket, within_s: float) -> None:
        self._connection = connection
        self._until = time.monotonic() + within_s
        self._left = MOST_BYTES
        self._held = bytearray()

    def ask(self, place: Union[str, Tuple[str, int]], commands: bytes) -> None:
        """Connect to the socket at a path, or to an address and port, and send commands.

        Raises:
            OSError: Nobody listens there, or the time is over.
        """
        self._wait_no_longer()
        self._connection.connect(place)
        self._wait_no_longer()
        self._connection.sendall(commands)

    def text(self) -> str:
        """Read a bulk string.

        Raises:
            OSError: The connection fails, or the time is over.
            ValueError: It is longer than any config, is something else, or ends before its end.
        """
        return self._taken(self._count(b"$") + 2)[:-2].decode("utf-8", "replace")

    def array(self) -> List[str]:
        """Read an array of bulk strings. Errors as ``text``."""
        return [self.text() for _ in range(self._count(b"*"))]

    def _count(self, kind: bytes) -> int:
        while b"\n" not in self._held[:MOST_LINE_BYTES]:
            if len(self._held) >= MOST_LINE_BYTES:
                raise ValueError("a line without an end")
            self._more()
        line = self._taken(self._held.index(b"\n") + 1)
        count = int(line[1:])
        if line[:1] != kind or not 0 <= count <= MOST_BYTES:
            raise ValueError(line)
        return count

    def _taken(self, count: int) -> bytes:
        while len(self._held) < count:
            self._more()
        taken = bytes(self._held[:count])
        del self._held[:count]
        return taken

    def _more(self) -> None:
        self._wait_no_longer()
        chunk = self._connection.recv(_CHUNK_BYTES)
        self._left -= len(chunk)
        if not chunk or self._left < 0:
            raise ValueError("it ends before its end" if not chunk else "longer than any config")
        self._held += chunk

    def _wait_no_longer(self) -> None:
        left_s = self._until - time.monotonic()
        if left_s <= 0:
            raise socket.timeout("the time is over")
        self._connection.settimeout(left_s)

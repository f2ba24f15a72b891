"""A connection to PostgreSQL over its own socket that stays open; only what statements of ours need (protocol 3).

The server knows who we are by the socket's peer, so the process is its user for the moment of connecting.
"""

from __future__ import annotations

import os
import pwd
import socket
import struct
from typing import Dict, Iterator, List, Optional, Tuple

FOLDER = "/run/postgresql"
Row = List[Optional[str]]
_MOST_MESSAGE_BYTES = 1 << 20
_MOST_ROWS = 20_000


class PostgresError(Exception):
    """The server refused, or what came is not its protocol."""


class PostgresWire:
    """One session.

    Args:
        path: The server's socket.
        user: The system's user and the server's.
        within_s: For each answer, s.

    Raises:
        OSError: Nobody listens, or the time is over.
        KeyError: There is no such user on this host.
        PostgresError: The login is refused.
    """

    def __init__(self, path: str, user: str = "postgres", within_s: float = 1.0) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._held = b""
        try:
            self._line.settimeout(within_s)
            _connect_as(self._line, path, pwd.getpwnam(user).pw_uid)
            told = {"user": user, "database": "postgres", "application_name": "deployer", "client_encoding": "UTF8"}
            body = b"".join(b"%s\0%s\0" % (name.encode(), value.encode()) for name, value in told.items()) + b"\0"
            self._line.sendall(struct.pack("!II", len(body) + 8, 196608) + body)
            for _ in self._answers():
                pass
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave."""
        self._line.close()

    def rows(self, statement: str) -> List[Row]:
        """Run one statement and give its rows as text. Errors: ``OSError`` and ``PostgresError``, as above."""
        body = statement.encode() + b"\0"
        self._line.sendall(b"Q" + struct.pack("!I", len(body) + 4) + body)
        return [_row(message) for kind, message in self._answers() if kind == b"D"]

    def _answers(self) -> Iterator[Tuple[bytes, bytes]]:
        """Give the messages up to the one that says that the server is ready."""
        refused = ""
        for _ in range(_MOST_ROWS):
            kind, message = self._message()
            if kind == b"Z":
                if refused:
                    raise PostgresError(refused)
                return
            if kind == b"R" and struct.unpack_from("!I", message)[0] != 0:
                raise PostgresError("it wants a password")
            if kind == b"E":
                refused = _fields(message).get("M", "refused")
            yield kind, message
        raise PostgresError("an answer without an end")

    def _message(self) -> Tuple[bytes, bytes]:
        head = self._taken(5)
        [length] = struct.unpack("!I", head[1:])
        if not 4 <= length <= _MOST_MESSAGE_BYTES:
            raise PostgresError("a message of %d bytes" % length)
        return head[:1], self._taken(length - 4)

    def _taken(self, count: int) -> bytes:
        while len(self._held) < count:
            chunk = self._line.recv(1 << 16)
            if not chunk:
                raise ConnectionError("the server closed the connection")
            self._held += chunk
        taken, self._held = self._held[:count], self._held[count:]
        return taken


def _connect_as(line: socket.socket, path: str, uid: int) -> None:
    """Connect as another user: the kernel notes at that moment whose the peer is."""
    own = os.geteuid()
    if own == uid or own != 0:
        line.connect(path)
        return
    os.seteuid(uid)
    try:
        line.connect(path)
    finally:
        os.seteuid(own)


def _fields(message: bytes) -> Dict[str, str]:
    texts = message.decode("utf-8", "replace").split("\0")
    return {text[0]: text[1:200] for text in texts if text}


def _row(message: bytes) -> Row:
    [columns] = struct.unpack_from("!H", message)
    found: Row = []
    at = 2
    for _ in range(columns):
        [length] = struct.unpack_from("!i", message, at)
        at += 4
        found.append(None if length < 0 else message[at : at + length].decode("utf-8", "replace"))
        at += max(0, length)
    return found

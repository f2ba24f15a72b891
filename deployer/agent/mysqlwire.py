"""A connection to MariaDB or MySQL over its own socket that stays open: a client for each question costs a process.

Only what statements of ours need: the login that the server knows by the peer of the socket, no password, no TLS,
answers as text.
"""

from __future__ import annotations

import socket
import struct
from typing import List, Optional, Tuple

SOCKET = "/run/mysqld/mysqld.sock"
Row = List[Optional[str]]

#: LONG_PASSWORD, PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH.
_CAPABILITIES = 0x1 | 0x200 | 0x8000 | 0x80000
_MOST_PACKET_BYTES = 1 << 20
_MOST_PACKETS = 20_000
_UTF8MB4 = 45
_OK, _END, _FAILED, _NULL = 0x00, 0xFE, 0xFF, 0xFB
_QUERY = b"\x03"


class MysqlError(Exception):
    """The server refused, or what came is not its protocol."""


class MysqlWire:
    """One session.

    Args:
        path: The server's socket.
        user: Whom the server shall take us for; it knows by the process's own user.
        within_s: For each answer, s.

    Attributes:
        version: What the server calls itself.

    Raises:
        OSError: Nobody listens, or the time is over.
        MysqlError: The login is refused.
    """

    def __init__(self, path: str = SOCKET, user: str = "root", within_s: float = 1.0) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        self._held = b""
        self._number = 0
        try:
            self._line.settimeout(within_s)
            self._line.connect(path)
            self.version = self._log_in(user)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave."""
        self._line.close()

    def rows(self, statement: str) -> List[Row]:
        """Run one statement and give its rows as text; none for one without rows.

        Raises:
            OSError: The connection fails, or the time is over; it is of no use any more.
            MysqlError: The server refuses.
        """
        self._number = 0
        self._send(_QUERY + statement.encode())
        first = self._answer()
        if first[0] == _OK:
            return []
        columns, _ = _whole(first, 0)
        for _ in range(columns + 1):  # their descriptions, and the end of these
            self._answer()
        found: List[Row] = []
        while len(found) < _MOST_PACKETS:
            packet = self._answer()
            if packet[0] == _END and len(packet) < 9:
                return found
            found.append(_row(packet, columns))
        raise MysqlError("more rows than any of our questions has")

    def _log_in(self, user: str) -> str:
        hello = self._answer()
        version = hello[1 : hello.index(b"\0", 1)].decode("utf-8", "replace")
        about = struct.pack("<IIB23x", _CAPABILITIES, _MOST_PACKET_BYTES, _UTF8MB4)
        self._send(about + user.encode() + b"\0" + b"\0" + b"auth_socket\0")
        for _ in range(4):
            if self._answer()[0] == _OK:
                return version
            self._send(b"")  # another way to log in: we have nothing to show but who we are
        raise MysqlError("the login does not end")

    def _send(self, data: bytes) -> None:
        self._line.sendall(struct.pack("<I", len(data))[:3] + bytes([self._number & 0xFF]) + data)
        self._number += 1

    def _answer(self) -> bytes:
        head = self._taken(4)
        length, self._number = int.from_bytes(head[:3], "little"), head[3] + 1
        if not 0 < length <= _MOST_PACKET_BYTES:
            raise MysqlError("a packet of %d bytes" % length)
        packet = self._taken(length)
        if packet[0] == _FAILED:
            raise MysqlError(packet[9:200].decode("utf-8", "replace"))
        return packet

    def _taken(self, count: int) -> bytes:
        while len(self._held) < count:
            chunk = self._line.recv(1 << 16)
            if not chunk:
                raise ConnectionError("the server closed the connection")
            self._held += chunk
        taken, self._held = self._held[:count], self._held[count:]
        return taken


def _whole(packet: bytes, at: int) -> Tuple[int, int]:
    """Read a length-encoded number; give it and where it ends."""
    if at >= len(packet):
        raise MysqlError("an answer that ends before its end")
    first = packet[at]
    size = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    if not size:
        return first, at + 1
    return int.from_bytes(packet[at + 1 : at + 1 + size], "little"), at + 1 + size


def _row(packet: bytes, columns: int) -> Row:
    found: Row = []
    at = 0
    for _ in range(columns):
        if packet[at : at + 1] == bytes([_NULL]):
            found.append(None)
            at += 1
            continue
        length, at = _whole(packet, at)
        found.append(packet[at : at + length].decode("utf-8", "replace"))
        at += length
    return found

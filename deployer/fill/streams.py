"""A visitor who speaks HTTP/2: as many requests at once as nginx takes of him, whose answers he reads slowly.

Frames and the few header fields that are needed are written and read here (RFC 9113, RFC 7541): a library would be one
more dependency of the installed program, for a test.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Iterator

from deployer.fill.connection import BreaksOffError, Connection

#: Requests of one connection at once; nginx is configured to take so many.
STREAMS = 16
#: What he reads for each of them a second, bytes.
READ_BYTES = 2048

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
#: ``:status`` in the static table, from this place on.
FIRST_STATUS = 8
STATUSES = (200, 204, 206, 304, 400, 404, 500)
HEADER_BYTES = 9


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Write a frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def fields(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Write header fields: literal, never indexed, as they are."""
    return b"".join(b"\x10" + _text(name.lower()) + _text(value) for name, value in pairs)


def status_of(block: bytes) -> int:
    """Read the status of an answer, which is its first field.

    Raises:
        ValueError: It is written in a way that nginx does not use.
    """
    while block and block[0] >> 5 == 1:  # the table's size is changed
        block = block[1:]
    first = block[0] if block else 0
    if first >> 7:
        place = (first & 0x7F) - FIRST_STATUS
        if 0 <= place < len(STATUSES):
            return STATUSES[place]
    elif first & 0x3F == FIRST_STATUS and block[1:2] == b"\x03":
        return int(block[2:5])
    raise ValueError(f"no status in {block[:8].hex()}")


def frames_in(buffer: bytearray) -> Iterator[tuple[int, int, int, bytes]]:
    """Take all whole frames from the beginning of what came: kind, flags, stream and payload."""
    while len(buffer) >= HEADER_BYTES:
        length = int.from_bytes(buffer[:3], "big")
        if len(buffer) < HEADER_BYTES + length:
            return
        kind, flags, stream = struct.unpack(">BBI", buffer[3:HEADER_BYTES])
        payload = bytes(buffer[HEADER_BYTES : HEADER_BYTES + length])
        del buffer[: HEADER_BYTES + length]
        yield kind, flags, stream & 0x7FFFFFFF, payload


async def ask_by_streams(connection: Connection) -> None:
    """Keep ``STREAMS`` requests open until it is time to leave.

    Raises:
        BreaksOffError: The host takes no more requests on this connection, or it is time to connect again.
        OSError: It broke off.
        ValueError: What came is no answer.
        asyncio.IncompleteReadError: The host broke off.
    """
    visitor = _Streams(connection)
    connection.writer.write(PREFACE + frame(SETTINGS, 0, 0))
    while not connection.is_over:
        connection.writer.write(visitor.asks())
        data = await connection.reader.read(STREAMS * READ_BYTES)
        if not data:
            raise asyncio.IncompleteReadError(b"", None)
        connection.writer.write(visitor.answers(data))
        await connection.pause()


class _Streams:
    """The streams of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._open: set[int] = set()
        self._next = 1
        self._rest = bytearray()
        self._is_going = False

    def asks(self) -> bytes:
        """Open streams until there are enough; gives what is to be sent for it."""
        if self._is_going and not self._open:
            raise BreaksOffError
        visit, found = self._connection.visit, b""
        while len(self._open) < STREAMS and not self._is_going:
            path = visit.path_of(self._connection.visitor)
            pseudo = (":method", "GET"), (":scheme", "https"), (":authority", visit.server_name), (":path", path)
            block = fields([*pseudo, *visit.headers.items()])
            found += frame(HEADERS, END_STREAM | END_HEADERS, self._next, block)
            self._open.add(self._next)
            self._next += 2
        return found

    def answers(self, data: bytes) -> bytes:
        """Look at what came; gives what is to be sent so that as much more comes."""
        self._rest += data
        seen, found = self._connection.seen, b""
        for kind, flags, stream, payload in frames_in(self._rest):
            if kind == HEADERS:
                seen.statuses[status_of(payload)] += 1
            elif kind == DATA and payload:
                more = struct.pack(">I", len(payload))
                found += frame(WINDOW_UPDATE, 0, 0, more)
                if not flags & END_STREAM:
                    found += frame(WINDOW_UPDATE, 0, stream, more)
            elif kind == RST_STREAM:
                seen.failures["read: a stream was reset"] += 1
            elif kind == GOAWAY:
                self._is_going = True
            elif kind in (SETTINGS, PING) and not flags & ACK:
                found += frame(kind, ACK, 0, payload if kind == PING else b"")
            if kind == RST_STREAM or (kind in (HEADERS, DATA) and flags & END_STREAM):
                self._open.discard(stream)
        return found


def _text(text: str) -> bytes:
    """Write a text: its length in seven bits, or seven bits of ones and then seven of the rest at a time."""
    found = text.encode()
    if len(found) < 0x7F:
        return bytes([len(found)]) + found
    rest, length = len(found) - 0x7F, bytearray([0x7F])
    while rest >= 0x80:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*length, rest]) + found

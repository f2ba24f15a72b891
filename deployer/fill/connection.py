"""A visitor's connection, and an answer of HTTP/1.1 read from it as quickly or slowly as the visitor likes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from deployer.fill.visit import PATIENCE_S, Seen, Visit

#: What a slow visitor's kernel takes at once, bytes.
RECEIVE_BUFFER_BYTES = 4096
HTTP1, HTTP2 = "http/1.1", "h2"


class BreaksOffError(Exception):
    """A visitor wants to connect again."""


@runtime_checkable
class _ReadsAhead(Protocol):
    """A transport that takes more than it was asked for, TLS's above all."""

    def set_read_buffer_limits(self, high: int) -> None:
        """Say how much that may be, bytes."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of one visitor.

    Attributes:
        visit: What he does.
        visitor: His number.
        reader: Where answers come from.
        writer: Where requests go.
        seen: What he saw.
        end: When he leaves, by the loop's clock, s.
        again: He breaks off once it is set; None: he does not.
    """

    visit: Visit
    visitor: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    seen: Seen
    end: float
    again: threading.Event | None

    @property
    def is_over(self) -> bool:
        """Whether it is time to leave."""
        return asyncio.get_running_loop().time() >= self.end

    async def pause(self, pause_s: float = 1.0) -> None:
        """Do nothing for a while.

        Raises:
            BreaksOffError: ``again`` was set.
        """
        if self.again is not None and self.again.is_set():
            raise BreaksOffError
        if not self.is_over:
            await asyncio.sleep(pause_s)


async def connect(
    visit: Visit, *, protocol: str = HTTP1, ahead_bytes: int | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect as a visit says.

    Args:
        visit: Where to.
        protocol: What is spoken over TLS.
        ahead_bytes: What may come before it is asked for; None: as much as the kernel and TLS take.

    Raises:
        OSError: The host refuses, or breaks off.
        TimeoutError: It took too long.
    """
    raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if ahead_bytes is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    raw.settimeout(0)
    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.get_running_loop().sock_connect(raw, (visit.address, visit.port))
            context = None
            if visit.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                context.set_alpn_protocols([protocol])
            name = visit.server_name if visit.tls else None
            limit = ahead_bytes or 2**16
            reader, writer = await asyncio.open_connection(sock=raw, ssl=context, server_hostname=name, limit=limit)
    except BaseException:
        raw.close()
        raise
    if ahead_bytes is not None and isinstance(writer.transport, _ReadsAhead):
        writer.transport.set_read_buffer_limits(
            high=ahead_bytes
        )  # TLS would take 256 KiB before the sender has to wait
    return reader, writer


async def read_answer(
    reader: asyncio.StreamReader, at_once_bytes: int, between: Callable[[], Awaitable[None]] | None = None
) -> int:
    """Read one answer and give its status.

    Args:
        reader: Where it comes from.
        at_once_bytes: What is read at once.
        between: Awaited after each piece of the body.

    Raises:
        ValueError: What came is no HTTP/1.1.
        asyncio.IncompleteReadError: The host broke off.
    """
    status = int((await reader.readuntil(b"\r\n")).split(b" ", 2)[1])
    length, chunked = 0, False
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif name.lower() == "transfer-encoding":
            chunked = "chunked" in value.lower()
    tail = b""
    while chunked or length:
        data = await reader.read(at_once_bytes if chunked else min(at_once_bytes, length))
        if not data:
            raise asyncio.IncompleteReadError(b"", None)
        length -= 0 if chunked else len(data)
        tail = (tail + data)[-5:]
        if chunked and tail == b"0\r\n\r\n":
            break
        if between is not None:
            await between()
    return status

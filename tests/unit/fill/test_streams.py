"""HTTP/2 as the fill test's visitors speak it, against a server that keeps to the letter of the frames."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter

import pytest

from deployer.fill import connection
from deployer.fill.connection import BreaksOffError, Connection
from deployer.fill.streams import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    STREAMS,
    WINDOW_UPDATE,
    ask_by_streams,
    fields,
    frame,
    frames_in,
    status_of,
)
from deployer.fill.visit import Seen, Visit

BODY = b"x" * 700


class Server:
    """Answers each stream in two pieces; the third one it resets."""

    def __init__(self, *, goes_after: int = 0) -> None:
        self.goes_after = goes_after
        self.most_open = self.acknowledged = 0
        self.open: set[int] = set()
        self.blocks: list[bytes] = []
        self.window: Counter[int] = Counter()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(PREFACE)) == PREFACE
        writer.write(frame(SETTINGS, 0, 0, struct.pack(">HI", 3, 16)))
        buffer = bytearray()
        while data := await reader.read(65536):
            buffer += data
            for kind, flags, stream, payload in frames_in(buffer):
                if kind == HEADERS:
                    assert flags == END_STREAM | END_HEADERS
                    self.blocks.append(payload)
                    self.open.add(stream)
                elif kind == SETTINGS and flags & ACK:
                    self.acknowledged += 1
                elif kind == WINDOW_UPDATE:
                    self.window[stream] += int.from_bytes(payload, "big")
            self.most_open = max(self.most_open, len(self.open))
            if len(self.open) == STREAMS:
                await self._answer(writer)
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        for stream in sorted(self.open)[:4]:
            self.open.discard(stream)
            if stream == 5:
                writer.write(frame(RST_STREAM, 0, stream, bytes(4)))
                continue
            writer.write(frame(HEADERS, END_HEADERS, stream, b"\x88"))
            writer.write(frame(DATA, 0, stream, BODY) + frame(DATA, END_STREAM, stream, BODY))
        if self.goes_after and len(self.blocks) >= self.goes_after:
            for stream in self.open:
                writer.write(frame(HEADERS, END_HEADERS | END_STREAM, stream, b"\x48\x03429"))
            self.open.clear()
            writer.write(frame(GOAWAY, 0, 0, bytes(8)))


async def meet(server: Server, duration_s: float) -> Seen:
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    visit = Visit("127.0.0.1", port, "test.example", tls=False, paths=["/long"], connections=1, duration_s=duration_s)
    reader, writer = await connection.connect(visit)
    seen = Seen()
    end = asyncio.get_running_loop().time() + duration_s
    try:
        await ask_by_streams(Connection(visit, 0, reader, writer, seen, end, None))
    finally:
        writer.transport.abort()
        listening.close()
    return seen


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    async def pause(_self: Connection, _pause_s: float = 1.0) -> None:
        await asyncio.sleep(0.02)

    monkeypatch.setattr(Connection, "pause", pause)


def test_so_many_streams_are_kept_open():
    server = Server()
    seen = asyncio.run(meet(server, 0.4))
    assert server.most_open == STREAMS
    assert seen.statuses[200] > STREAMS
    assert seen.failures == {"read: a stream was reset": 1}
    assert server.acknowledged == 1
    assert len(set(server.blocks)) == 1


def test_what_was_read_may_come_again():
    server = Server()
    seen = asyncio.run(meet(server, 0.4))
    assert server.window[1] == len(BODY)  # after the second piece the stream is over
    assert 0 < server.window[0] <= seen.statuses[200] * 2 * len(BODY)
    assert server.window[0] % len(BODY) == 0


def test_a_host_that_is_going_is_left_once_all_is_answered():
    with pytest.raises(BreaksOffError):
        asyncio.run(meet(Server(goes_after=STREAMS), 5))


@pytest.mark.parametrize(
    ("block", "status"),
    [(b"\x88", 200), (b"\x8e\x40", 500), (b"\x20\x88", 200), (b"\x48\x03429", 429), (b"\x08\x03503\x88", 503)],
)
def test_a_status_as_nginx_writes_it(block, status):
    assert status_of(block) == status


@pytest.mark.parametrize("block", [b"", b"\x82", b"\x48\x82\x10\x03", b"\x40\x01a\x01b"])
def test_a_status_that_nobody_reads_is_said_to_be_none(block):
    with pytest.raises(ValueError, match="no status"):
        status_of(block)


def test_long_texts_have_lengths_of_several_bytes():
    """The example of RFC 7541, C.1.2: 1337 is 31, 154, 10 in five bits; in seven it is 127, 186, 9."""
    assert fields([("A", "b" * 1337)]) == b"\x10\x01a\x7f\xba\x09" + b"b" * 1337
    assert fields([("a", "b" * 127)]) == b"\x10\x01a\x7f\x00" + b"b" * 127


def test_half_a_frame_waits_for_its_other_half():
    whole = frame(DATA, END_STREAM, 7, b"abc")
    buffer = bytearray(whole + whole[:-1])
    assert list(frames_in(buffer)) == [(DATA, END_STREAM, 7, b"abc")]
    buffer += whole[-1:]
    assert list(frames_in(buffer)) == [(DATA, END_STREAM, 7, b"abc")]

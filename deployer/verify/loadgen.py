"""The load generator: one file, standard library only, Python >= 3.9; sent to where the load shall come from.

It is talked to by lines: a job as JSON comes on stdin; ``{"event": "ready"}`` goes out when the connections are open;
the line ``go`` begins the load; then come a ``progress`` line each second and one ``result``. The line ``stop``, the
end of stdin or, if the job says so, silence end it early, at once. Any other line means that somebody still listens.

A job:

- ``mode``. ``hold``: connections are opened, kept, and each asks now and then (``request_every_s``); one that is lost
  is an error. ``closed``: each connection asks again when it has its answer: what can be carried (``max_requests``
  bounds it). ``open``: requests arrive at ``rate_per_s`` whatever the server does; ``arrivals`` ``even`` (shifted by
  ``offset_share`` of their distance; with ``burst`` so many are due at once, and then none for as long as they are
  worth) or ``poisson`` (with a ``seed``). Latency counts from the time at which a request was due, so that a stalled
  server cannot hide the requests that it kept from being sent.
- ``address``, ``port``, ``path``, ``host``, ``headers``; ``tls``: null, or ``server_name``, ``verify``, ``ca_file``.
- ``connections``, never more sockets; ``opened_per_s``; ``duration_s``; ``timeout_s`` of a request; ``drain_s`` for
  what is under way at the end; ``silence_s`` after which nobody is taken to listen; ``cpus`` to run on.
- ``expect``: ``status``, ``headers`` that hold a text, ``body`` that is in its first MiB, ``body_min_bytes``;
  ``count_header``: values of that header are counted.

Its own lateness and share of a core are part of the result: a generator at its limit has measured itself.

In this order: how times are counted, what a job says, how an answer is read and judged, sockets, what is counted, and
``Load``, which brings them together.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import json
import os
import random
import select
import selectors
import socket
import ssl
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Document = dict[str, Any]
Emit = Callable[[Document], None]

READ_BYTES = 1 << 16
#: What is kept of a body for its check, and the longest header; bytes.
BODY_LIMIT_BYTES = 1 << 20
HEAD_LIMIT_BYTES = 1 << 16
#: Due requests that wait for a free connection; more are dropped, and are errors.
BACKLOG_LIMIT = 200_000
#: Requests that are sent or queued between two looks at what the server says.
ARRIVALS_AT_ONCE = 1000
#: Handshakes under way at the same time; a listen queue of Debian's default holds them.
OPENING_AT_ONCE = 100
#: A connection that was lost is opened again after this time: a refusing server is not hammered; s.
REOPEN_AFTER_S = 0.2
#: Between two looks at what is overdue; s.
WATCH_EVERY_S = 0.1
#: Headers that are remembered; servers send the same one for a second.
HEADS_LIMIT = 512
#: Values of the counted header, kinds of errors with a text: a server may make up ever new ones.
KINDS_LIMIT = 20

clock = time.perf_counter


# -- counting times


class Histogram:
    """Counts of times in buckets at most 0.4 % wide; memory is bounded, adding up loses nothing.

    Microseconds up to 511 have a bucket each; above that every doubling is cut in 256.
    """

    __slots__ = ("count", "counts", "max_us", "sum_us")

    SIZE = 256 * 30

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.count = 0
        self.sum_us = 0
        self.max_us = 0

    def record(self, seconds: float) -> None:
        """Count one time, s; less than nothing counts as nothing, more than a day as the last bucket."""
        value = int(seconds * 1e6)
        if value < 0:  # noqa: PLR1730 - a call of max() costs more than the rest of the line; this is the hot path
            value = 0
        shift = value.bit_length() - 9
        index = value if shift <= 0 else min((shift << 8) + (value >> shift), self.SIZE - 1)
        self.counts[index] = self.counts.get(index, 0) + 1
        self.count += 1
        self.sum_us += value
        if value > self.max_us:  # noqa: PLR1730 - see above
            self.max_us = value

    def percentile_ms(self, share: float) -> float | None:
        """Give the time that ``share`` (0 to 1) of the counted ones kept, ms; None when nothing was counted."""
        if not self.count:
            return None
        wanted = max(1, -int(-share * self.count // 1))  # rounded up: the time of a request that happened
        seen = 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= wanted:
                return min(_middle_us(index), self.max_us) / 1000
        return self.max_us / 1000

    def document(self) -> Document:
        """Give the histogram as data."""
        filled = [[index, self.counts[index]] for index in sorted(self.counts)]
        return {"counts": filled, "max_us": self.max_us, "sum_us": self.sum_us}

    def add(self, document: Document) -> None:
        """Add the counts of a ``document``, of another time, process or host.

        Raises:
            ValueError: It is not one.
        """
        for index, number in document["counts"]:
            if not (isinstance(index, int) and isinstance(number, int) and 0 <= index < self.SIZE and number > 0):
                raise ValueError("not a histogram")
            self.counts[index] = self.counts.get(index, 0) + number
            self.count += number
        self.sum_us += int(document["sum_us"])
        self.max_us = max(self.max_us, int(document["max_us"]))


def _middle_us(index: int) -> float:
    shift = (index >> 8) - 1
    if shift <= 0:
        return index
    low = (index - (shift << 8)) << shift
    return low + ((1 << shift) - 1) / 2


# -- what a job says


class Job:
    """A job, read once.

    Raises:
        KeyError, TypeError, ValueError, OSError: It makes no sense, or its address leads nowhere.
    """

    def __init__(self, document: Document) -> None:
        self.mode = str(document["mode"])
        self.connections = int(document["connections"])
        self.duration_s = float(document["duration_s"])
        self.timeout_s = float(document.get("timeout_s", 10.0))
        self.drain_s = float(document.get("drain_s", 5.0))
        self.silence_s = float(document.get("silence_s") or "inf")
        self.open_every_s = 1.0 / max(1.0, float(document.get("opened_per_s", 250)))
        limit = document.get("max_requests")
        self.max_requests = float("inf") if limit is None else int(limit)
        address = str(document["address"])
        self.request = _request(document, address)
        self.tls = _tls(document.get("tls"))
        self.server_name = str((document.get("tls") or {}).get("server_name") or address)
        self.verified = bool((document.get("tls") or {}).get("verify"))
        self.family, self.sockaddr = _resolved(address, int(document["port"]))
        self.arrivals = iter(()) if self.mode == "closed" else _arrivals(document)


def _request(document: Document, address: str) -> bytes:
    headers = {"Host": str(document.get("host") or address), "User-Agent": "deployer-verify", "Accept": "*/*"}
    headers.update(document.get("headers") or {})
    lines = [f"GET {document.get('path', '/')} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header or path holds a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _tls(tls: Document | None) -> ssl.SSLContext | None:
    if not tls:
        return None
    context = ssl.create_default_context(cafile=tls.get("ca_file"))
    if not tls.get("verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a self-made certificate; the report says that it was not checked
    return context


def _resolved(address: str, port: int) -> tuple[int, Any]:
    family, _, _, _, sockaddr = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    return int(family), sockaddr


def _arrivals(document: Document) -> Iterator[float]:
    """Give the times at which requests are due, s from the beginning; the same for the same seed."""
    if document["mode"] == "hold":
        rate = int(document["connections"]) / float(document.get("request_every_s", 5.0))
    else:
        rate = float(document["rate_per_s"])
    if document.get("arrivals") == "poisson":
        return _poisson(rate, int(document.get("seed", 1)))
    return _even(rate, float(document.get("offset_share", 0.0)), int(document.get("burst", 1)))


def _even(rate: float, offset_share: float, burst: int) -> Iterator[float]:
    count = 0
    while True:
        yield (count // burst * burst + offset_share) / rate
        count += 1


def _poisson(rate: float, seed: int) -> Iterator[float]:
    dice, at = random.Random(seed), 0.0  # noqa: S311 - spacing of arrivals, nothing secret
    while True:
        at += dice.expovariate(rate)
        yield at


# -- answers


class Broken(Exception):  # noqa: N818 - it is about the connection, and never leaves this file
    """A connection or an answer is no good; the argument is the kind of error."""


class Head:
    """What matters of an answer's header; ``seen`` counts its answers."""

    __slots__ = ("chunked", "close", "counted", "encoded", "length", "seen", "status", "wrong")

    def __init__(self, text: bytes, expect: Document, count_header: str) -> None:
        lines = text.split(b"\r\n")
        first = lines[0].split(b" ", 2)
        if len(first) < 2 or not first[0].startswith(b"HTTP/1.") or not first[1].isdigit():
            raise Broken("protocol", "no status line")
        fields: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
        self.seen = 0
        self.status = int(first[1])
        self.chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        length = fields.get("content-length", "")
        self.length = int(length) if length.isdigit() else -1
        if self.status in (204, 304):
            self.length, self.chunked = 0, False
        connection = fields.get("connection", "").lower()
        ends_itself = self.chunked or self.length >= 0
        old = first[0] == b"HTTP/1.0" and "keep-alive" not in connection
        self.close = "close" in connection or old or not ends_itself
        self.encoded = fields.get("content-encoding", "").lower()
        self.counted = fields.get(count_header, "")[:40]
        self.wrong = "" if self.status == expect.get("status", 200) else "status"
        for name, value in (expect.get("headers") or {}).items():
            if name.lower() not in fields or value.lower() not in fields[name.lower()].lower():
                self.wrong = self.wrong or "header"


class Expected:
    """What a good answer is, and the headers that came."""

    def __init__(self, document: Document) -> None:
        self._expect: Document = document.get("expect") or {}
        self._count_header = str(document.get("count_header") or "").lower()
        self._body = str(self._expect.get("body") or "").encode()
        self._body_min_bytes = int(self._expect.get("body_min_bytes") or 0)
        self._heads: dict[bytes, Head] = {}
        self._statuses: dict[str, int] = {}
        self._values: dict[str, int] = {}
        self.example: Document | None = None
        #: Bodies are kept until they were looked at; the first one for the example.
        self.wants_bodies = True

    def head(self, text: bytes) -> Head:
        """Read a header, or remember it.

        Raises:
            Broken: It is none.
        """
        head = self._heads.get(text)
        if head is None:
            head = Head(text, self._expect, self._count_header)
            if len(self._heads) >= HEADS_LIMIT:
                self._forget()
            self._heads[text] = head
            if self.example is None:
                self.example = {"head": text[:2000].decode("latin-1"), "body_bytes": None}
        return head

    def wrong_body(self, head: Head, pieces: list[bytes]) -> str:
        """Say what is wrong with a body, or nothing."""
        body = b"".join(pieces)
        if self.example and self.example["body_bytes"] is None:
            self.example["body_bytes"] = len(body)
            self.wants_bodies = bool(self._body or self._body_min_bytes)
        if head.encoded in ("gzip", "deflate"):
            try:
                body = zlib.decompressobj(47).decompress(body, BODY_LIMIT_BYTES)
            except zlib.error:
                return "body"
        return "body" if len(body) < self._body_min_bytes or self._body not in body else ""

    def counted(self) -> Document:
        """Give how many answers had each kind of status, and each value of the counted header."""
        self._forget()
        return {"statuses": self._statuses, "header_values": self._values}

    def _forget(self) -> None:
        for head in self._heads.values():
            if not head.seen:
                continue
            status = f"{head.status // 100}xx"
            self._statuses[status] = self._statuses.get(status, 0) + head.seen
            if self._count_header and (head.counted in self._values or len(self._values) < KINDS_LIMIT):
                self._values[head.counted] = self._values.get(head.counted, 0) + head.seen
            head.seen = 0
        self._heads.clear()


class Answer:
    """One answer while it comes, piece by piece."""

    __slots__ = ("_chunk_left", "_expected", "_kept_bytes", "_left", "_rest", "_trailer", "body", "head", "pieces")

    def __init__(self, expected: Expected) -> None:
        self._expected = expected
        self.head: Head | None = None
        self.body: list[bytes] | None = None
        self.pieces = 0
        self._kept_bytes = 0
        self._rest = b""
        self._left = 0
        self._chunk_left = 0
        self._trailer = False

    def feed(self, data: bytes) -> bool:
        """Take a piece; say whether that was the end of it.

        Raises:
            Broken: It is no answer.
        """
        self.pieces += 1
        while self.head is None:
            data = self._rest + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > HEAD_LIMIT_BYTES:
                    raise Broken("protocol", "an endless header")
                self._rest = data
                return False
            head = self._expected.head(data[:end])
            data, self._rest = data[end + 4 :], b""
            if 100 <= head.status < 200:
                self.pieces += 1
                if self.pieces > KINDS_LIMIT:
                    raise Broken("protocol", "interim answers without end")
                if not data:
                    return False
                continue
            self.head, self._left = head, head.length
            self.body = [] if self._expected.wants_bodies else None
        if self.head.chunked:
            return self._chunks(data)
        self._keep(data)
        if self.head.length < 0:
            return False
        self._left -= len(data)
        if self._left < 0:
            raise Broken("protocol", "more bytes than Content-Length says")
        return self._left == 0

    def _keep(self, data: bytes) -> None:
        if self.body is not None and self._kept_bytes < BODY_LIMIT_BYTES:
            self.body.append(data)
            self._kept_bytes += len(data)

    def _chunks(self, data: bytes) -> bool:
        if self._rest:
            data, self._rest = self._rest + data, b""
        at = 0
        while at < len(data):
            if self._chunk_left:  # the line end behind a chunk is counted with it
                step = min(self._chunk_left, len(data) - at)
                self._keep(data[at : at + min(step, max(0, self._chunk_left - 2))])
                self._chunk_left -= step
                at += step
                continue
            end = data.find(b"\r\n", at)
            if end < 0:
                if len(data) - at > 1024:
                    raise Broken("protocol", "an endless chunk size")
                self._rest = data[at:]
                return False
            line, at = data[at:end], end + 2
            if self._trailer:
                if not line:
                    return True
                continue
            try:
                size = int(line.split(b";", 1)[0], 16)
            except ValueError:
                raise Broken("protocol", "a chunk size that is no number") from None
            if size < 0:
                raise Broken("protocol", "a chunk of less than nothing")
            self._chunk_left, self._trailer = (size + 2, False) if size else (0, True)
        return False


# -- sockets


class Poll:
    """What is ready: epoll where there is one, else the best that ``selectors`` has (macOS)."""

    def __init__(self, *, plain: bool = False) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") and not plain else None
        self._selector = None if self._epoll else selectors.DefaultSelector()

    def watch(self, fd: int, *, write: bool, new: bool) -> None:
        """Watch a descriptor for reading, or for writing alone."""
        if self._epoll:
            (self._epoll.register if new else self._epoll.modify)(fd, select.EPOLLOUT if write else select.EPOLLIN)
        elif self._selector:
            events = selectors.EVENT_WRITE if write else selectors.EVENT_READ
            (self._selector.register if new else self._selector.modify)(fd, events)

    def forget(self, fd: int) -> None:
        """Watch it no longer."""
        if self._epoll:
            self._epoll.unregister(fd)
        elif self._selector:
            self._selector.unregister(fd)

    def ready(self, timeout_s: float) -> Iterable[int]:
        """Wait for something, and give the descriptors."""
        if self._epoll:
            return [fd for fd, _ in self._epoll.poll(timeout_s, 2048)]
        return [key.fd for key, _ in self._selector.select(timeout_s)] if self._selector else []


#: States of a connection; from IDLE on it is open.
GONE, CONNECTING, SHAKING, IDLE, BUSY = range(5)


class Connection:
    """One connection and what was asked on it last."""

    __slots__ = ("answer", "due", "fd", "sent", "sock", "state", "until")

    def __init__(self) -> None:
        self.sock: Any = None
        self.fd = -1
        self.state = GONE
        self.until = 0.0
        self.due = self.sent = 0.0
        self.answer: Answer | None = None


class Commands:
    """Lines on stdin: the job, then ``go`` and ``stop``; its end is a stop too."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.go = self.stop = False
        self.heard_at = clock()
        self._rest = b""

    def job(self) -> Document:
        """Wait for the first line."""
        while b"\n" not in self._rest:
            data = os.read(self.fd, READ_BYTES)
            if not data:
                raise ValueError("no job came")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        job = json.loads(line)
        self._look()
        if not isinstance(job, dict):
            raise TypeError("a job is an object")
        return job

    def read(self) -> None:
        """Take what is there."""
        data = os.read(self.fd, READ_BYTES)
        self.heard_at = clock()
        self._rest += data
        self._look()
        self.stop = self.stop or not data

    def _look(self) -> None:
        *lines, self._rest = self._rest.split(b"\n")
        self.go = self.go or b"go" in lines
        self.stop = self.stop or b"stop" in lines


# -- what is counted


class Counts:
    """What was asked and what came of it, in all and in the second that runs."""

    def __init__(self) -> None:
        self.planned = self.sent = self.done = self.late_answers = 0
        self.bytes_in = self.bytes_out = 0
        self.errors: dict[str, int] = {}
        self.first_errors: dict[str, str] = {}
        self.service, self.late = Histogram(), Histogram()
        self.of_second = Histogram()
        self._latency = Histogram()
        self._before = (0, 0)

    @property
    def failures(self) -> int:
        """All errors together."""
        return sum(self.errors.values())

    def fail(self, kind: str, text: str = "") -> None:
        """Count an error, and remember the first of its kind."""
        self.errors[kind] = self.errors.get(kind, 0) + 1
        if kind not in self.first_errors and len(self.first_errors) < KINDS_LIMIT:
            self.first_errors[kind] = text[:200]

    def second(self) -> Document:
        """Say what came since this was asked last."""
        now, histogram = (self.done, self.failures), self.of_second
        done, errors = (each - before for each, before in zip(now, self._before))  # noqa: B905 - 3.9 has no strict
        self._before, self.of_second = now, Histogram()
        document = histogram.document()
        self._latency.add(document)
        shares = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99}
        percentiles = {name: histogram.percentile_ms(share) for name, share in shares.items()}
        return {"done": done, "errors": errors, **percentiles, "latency": document}

    def latency(self) -> Histogram:
        """Give the latency of all; what is recorded afterwards is lost."""
        self._latency.add(self.of_second.document())
        return self._latency


# -- the load


class Load:
    """One run of one job."""

    def __init__(self, document: Document, commands: Commands, poll: Poll | None = None) -> None:
        self.job = Job(document)
        self.expected = Expected(document)
        self.commands = commands
        self.poll = poll or Poll()
        self.counts = Counts()
        self.connections = [Connection() for _ in range(self.job.connections)]
        self.by_fd: dict[int, Connection] = {}
        self.idle: deque[Connection] = deque()
        self.backlog: deque[float] = deque()
        self.to_open: deque[tuple[float, Connection]] = deque((0.0, each) for each in self.connections)
        self.opening = self.alive = self.established = self.in_flight = self.reopened = self.closed_idle = 0
        self.alive_min: int | None = None
        self.backlog_max = 0
        self.tls_is = ""
        self.running = False
        self.end = 0.0
        self.next_watch = self.next_open = 0.0
        #: The last answer that came whole and was good: the same bytes again are as good.
        self.same = b""
        self.same_head: Head | None = None

    def run(self, emit: Emit) -> Document:
        """Open, wait for go, load, drain; give the result."""
        self.poll.watch(self.commands.fd, write=False, new=True)
        began = clock()
        self.prepare()
        opened_s = clock() - began
        emit({"event": "ready", "alive": self.alive, "wanted": self.job.connections, "opened_s": round(opened_s, 3)})
        while not (self.commands.go or self.commands.stop):
            self.serve(0.2)  # connections that the server closes meanwhile are seen
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing below makes cycles; a collection of thousands of objects is a pause
        usage, waited, begin = time.process_time(), cpu_waited_s(), clock()
        self.running, self.end, self.alive_min = True, begin + self.job.duration_s, self.alive
        if self.job.mode == "closed":
            self.idle, ready = deque(), list(self.idle)
            for each in ready:
                if each.state == IDLE:
                    self.free(each, clock())
        self.work(begin, emit)
        wall_s = max(1e-6, clock() - begin)
        load_s = max(1e-3, min(clock(), self.end) - begin)
        cpu_share, waited_now = (time.process_time() - usage) / wall_s, cpu_waited_s()
        wait_share = None if waited is None or waited_now is None else round((waited_now - waited) / wall_s, 4)
        self.drain()
        own = {"opened_s": round(opened_s, 3), "cpu_share": round(cpu_share, 4), "cpu_wait_share": wait_share}
        return {"event": "result", "duration_s": round(load_s, 4), **own, **self.result()}

    def prepare(self) -> None:
        """Open the connections; every one has been tried once or is open at the end."""
        wanted = self.job.connections
        give_up = clock() + self.job.timeout_s + wanted * self.job.open_every_s * 1.5
        while self.established < wanted and not self.commands.stop:
            now = clock()
            tries = self.established + self.counts.failures
            if now > give_up or (tries >= wanted and not self.opening and self.alive < wanted):
                return
            self.open_some(now)
            self.serve(0.002 if self.to_open else 0.05)

    def work(self, begin: float, emit: Emit) -> None:
        """Load until the time is up."""
        arrivals, closed, counts = self.job.arrivals, self.job.mode == "closed", self.counts
        due = begin + next(arrivals, float("inf"))
        tick = begin + 1.0
        while not self.commands.stop:
            now = clock()
            if now >= tick:
                emit({"event": "progress", "t_s": round(now - begin, 2), **self.state(), **counts.second()})
                tick += 1.0
            if now >= self.end and due >= self.end:
                break
            for _ in range(ARRIVALS_AT_ONCE):
                if due > now or due >= self.end:
                    break
                counts.planned += 1
                counts.late.record(now - due)
                self.arrive(due, now)
                due = begin + next(arrivals, float("inf"))
                now = clock()
            if self.to_open:
                self.open_some(now)
            if closed and self.exhausted() and not self.in_flight:
                break
            patience_s = min(due, self.end, tick, self.to_open[0][0] if self.to_open else tick) - clock()
            self.serve(min(max(patience_s, 0.001 if self.to_open else 0.0), 0.1))

    def drain(self) -> None:
        """Wait for the answers that are under way; what does not come is an error, and counts with its age."""
        until = clock() + self.job.drain_s
        while (self.in_flight or self.backlog) and clock() < until and not self.commands.stop:
            if self.backlog:
                self.open_some(clock())
            self.serve(0.001 if self.backlog and self.to_open else 0.02)
        if self.commands.stop:
            return  # it was us who left
        now = clock()
        unfinished = [each.due for each in self.connections if each.state == BUSY] + list(self.backlog)
        for due in unfinished:
            self.counts.of_second.record(now - due)
        if unfinished:
            self.counts.errors["unfinished"] = len(unfinished)

    # -- connections

    def open_some(self, now: float) -> None:
        """Start connections that are due, at the bounded rate."""
        while self.to_open and self.opening < OPENING_AT_ONCE and self.to_open[0][0] <= now >= self.next_open:
            _, each = self.to_open.popleft()
            # a rate, without making up for time that was lost: never a burst
            self.next_open = max(self.next_open, now - 0.02) + self.job.open_every_s
            try:
                sock = socket.socket(self.job.family, socket.SOCK_STREAM)
            except OSError as error:
                self.counts.fail("generator_sockets", str(error))
                self.to_open.append((now + REOPEN_AFTER_S, each))
                continue
            sock.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.sock, each.fd, each.state, each.until = sock, sock.fileno(), CONNECTING, now + self.job.timeout_s
            self.opening += 1
            self.by_fd[each.fd] = each
            self.poll.watch(each.fd, write=True, new=True)
            code = sock.connect_ex(self.job.sockaddr)
            if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK):
                self.lose(each, _kind(code), os.strerror(code))

    def advance(self, each: Connection) -> None:
        """Take the next step of a connection that is being opened."""
        try:
            if each.state == CONNECTING:
                code = each.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    self.lose(each, _kind(code), os.strerror(code))
                    return
                if self.job.tls is None:
                    self.opened(each)
                    return
                name = self.job.server_name
                each.sock = self.job.tls.wrap_socket(each.sock, server_hostname=name, do_handshake_on_connect=False)
                each.state = SHAKING
            each.sock.do_handshake()
        except ssl.SSLWantReadError:
            self.poll.watch(each.fd, write=False, new=False)
        except ssl.SSLWantWriteError:
            self.poll.watch(each.fd, write=True, new=False)
        except ssl.SSLCertVerificationError as error:
            self.lose(each, "tls_certificate", str(error.verify_message))
        except (OSError, ValueError) as error:
            self.lose(each, "tls", str(error))
        else:
            self.tls_is = self.tls_is or f"{each.sock.version()} {(each.sock.cipher() or ('?',))[0]}"
            self.opened(each)

    def opened(self, each: Connection) -> None:
        """Count a connection that is open, and use it if there is something to ask."""
        self.poll.watch(each.fd, write=False, new=False)
        each.state = IDLE
        self.opening -= 1
        self.alive += 1
        self.established += 1
        self.free(each, clock())

    def lose(self, each: Connection, kind: str, text: str = "", *, again_s: float = REOPEN_AFTER_S) -> None:
        """Close a connection; it is opened again later. A kind is an error, an empty one is none."""
        if each.state == GONE:
            return
        if kind:
            self.counts.fail(kind, text)
        if each.state in (CONNECTING, SHAKING):
            self.opening -= 1
        else:
            self.alive -= 1
            if self.alive_min is not None:
                self.alive_min = min(self.alive_min, self.alive)
        if each.state == BUSY:
            self.in_flight -= 1
        each.state = GONE
        with contextlib.suppress(OSError, KeyError):  # a TLS wrap that fails has closed it already
            self.poll.forget(each.fd)
        self.by_fd.pop(each.fd, None)
        each.sock.close()
        each.sock = None
        if not self.running or clock() < self.end or self.backlog:  # what was due is asked after the end too
            self.reopened += self.running
            self.to_open.append((clock() + again_s, each))

    def serve(self, timeout_s: float) -> None:
        """Handle what is ready, and what is overdue."""
        by_fd = self.by_fd
        for fd in self.poll.ready(timeout_s):
            each = by_fd.get(fd)
            if each is None:
                if fd == self.commands.fd:
                    self.commands.read()
            elif each.state >= IDLE:
                self.read(each)
            else:
                self.advance(each)
        now = clock()
        if now >= self.next_watch:
            self.next_watch = now + WATCH_EVERY_S
            self.watch(now)

    def watch(self, now: float) -> None:
        """Give up what takes too long: requests, handshakes, and a silent master."""
        if now - self.commands.heard_at > self.job.silence_s:
            self.commands.stop = True
        for each in list(self.by_fd.values()):
            if each.until <= now and each.state != IDLE:
                if each.state == BUSY:
                    self.counts.of_second.record(now - each.due)  # it took at least this long
                self.lose(each, "timeout" if each.state == BUSY else "connect_timeout")

    # -- requests

    def arrive(self, due: float, now: float) -> None:
        """Send a request that is due on the connection that has been idle longest, or queue it."""
        while self.idle:
            each = self.idle.popleft()
            if each.state == IDLE:
                self.ask(each, due, now)
                return
        if len(self.backlog) < BACKLOG_LIMIT:
            self.backlog.append(due)
            self.backlog_max = max(self.backlog_max, len(self.backlog))
        else:
            self.counts.fail("dropped", "too many requests waited for a free connection")

    def free(self, each: Connection, now: float) -> None:
        """Give an idle connection its next request."""
        if self.job.mode != "closed":
            if self.backlog:
                self.ask(each, self.backlog.popleft(), now)
            else:
                self.idle.append(each)
        elif not self.running:
            self.idle.append(each)
        elif now < self.end and not self.exhausted():
            self.counts.planned += 1
            self.ask(each, now, now)

    def exhausted(self) -> bool:
        """Say whether a bounded number of requests is used up."""
        return self.counts.planned >= self.job.max_requests

    def ask(self, each: Connection, due: float, now: float) -> None:
        """Send the request; it is small, so it goes out whole or the connection is no good."""
        each.due, each.sent, each.state, each.until = due, now, BUSY, now + self.job.timeout_s
        each.answer = None
        self.counts.sent += 1
        self.in_flight += 1
        try:
            count = each.sock.send(self.job.request)
        except OSError as error:  # ssl.SSLError is one
            self.lose(each, "send", str(error))
            return
        if count != len(self.job.request):
            self.lose(each, "send", "the request did not fit the socket's buffer")
            return
        self.counts.bytes_out += count

    def read(self, each: Connection) -> None:
        """Read what there is of an answer."""
        try:
            while True:
                data = each.sock.recv(READ_BYTES)
                self.counts.bytes_in += len(data)
                if data == self.same and each.answer is None and each.state == BUSY and self.same_head:
                    self.answered(each, self.same_head, "")
                    return
                if not data:
                    self.ended(each)
                    return
                if each.state != BUSY:
                    self.lose(each, "unasked", repr(data[:60]))
                    return
                if self.take(each, data):
                    return
                if self.job.tls is None and len(data) < READ_BYTES:
                    return
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except Broken as broken:
            self.lose(each, broken.args[0], repr(broken.args[1:])[:200])
        except ValueError as error:  # numbers of 5000 digits
            self.lose(each, "protocol", str(error))
        except ssl.SSLEOFError:
            self.ended(each)
        except OSError as error:
            self.lose(each, "reset" if each.state == BUSY else self.idle_loss(), str(error))

    def take(self, each: Connection, data: bytes) -> bool:
        """Take a piece of an answer; say whether that was the end of it."""
        answer = each.answer = each.answer or Answer(self.expected)
        if not answer.feed(data) or answer.head is None:
            return False
        wrong = self.finish(each, answer, answer.head)
        if answer.pieces == 1 and not wrong and not answer.head.close:
            self.same, self.same_head = data, answer.head
        return True

    def finish(self, each: Connection, answer: Answer, head: Head) -> str:
        """Judge an answer that is whole; say what is wrong with it."""
        wrong = head.wrong or ("" if answer.body is None else self.expected.wrong_body(head, answer.body))
        self.answered(each, head, wrong)
        return wrong

    def ended(self, each: Connection) -> None:
        """Take note that the server closed the connection."""
        head = each.answer.head if each.answer else None
        if each.state != BUSY:
            self.lose(each, self.idle_loss(), "closed by the server while nothing was asked")
        elif each.answer and head and head.length < 0 and not head.chunked:
            self.finish(each, each.answer, head)  # its end is the end of the body
        elif head:
            self.lose(each, "short_body", "the server closed in the middle of a body")
        else:
            self.lose(each, "closed_busy", "the server closed instead of answering")

    def idle_loss(self) -> str:
        """Count an idle connection that the server closed; only a held one is an error."""
        self.closed_idle += 1
        return self.loss_is()

    def loss_is(self) -> str:
        """Name the error that the end of a connection is: none, unless connections are to be held."""
        return "closed_idle" if self.job.mode == "hold" else ""

    def answered(self, each: Connection, head: Head, wrong: str) -> None:
        """Count an answer and use the connection again."""
        now, counts = clock(), self.counts
        head.seen += 1
        if wrong:
            # not in the histogram: an error page is fast
            counts.fail(wrong, f"status {head.status}")
        else:
            counts.done += 1
            counts.of_second.record(now - each.due)
            if self.job.mode != "closed":
                counts.service.record(now - each.sent)
            elif now > self.end:
                counts.late_answers += 1
        self.in_flight -= 1
        each.state = IDLE
        if head.close:
            self.lose(each, self.loss_is(), "Connection: close", again_s=0.0)
        else:
            self.free(each, now)

    # -- what is told

    def state(self) -> Document:
        """Say how it stands."""
        return {"alive": self.alive, "in_flight": self.in_flight, "backlog": len(self.backlog)}

    def result(self) -> Document:
        """Give what was measured, as data."""
        counts, job = self.counts, self.job
        return {
            "mode": job.mode,
            "planned": counts.planned,
            "sent": counts.sent,
            "done": counts.done,
            "done_in_time": counts.done - counts.late_answers,
            "stopped": self.commands.stop,
            "errors": dict(sorted(counts.errors.items())),
            "first_errors": counts.first_errors,
            **self.expected.counted(),
            "http_bytes_in": counts.bytes_in,
            "http_bytes_out": counts.bytes_out,
            "connections": {
                "wanted": job.connections,
                "established": self.established,
                "alive_min": self.alive if self.alive_min is None else self.alive_min,
                "alive_end": self.alive,
                "closed_idle": self.closed_idle,
                "reopened": self.reopened,
            },
            "latency": counts.latency().document(),
            "service": counts.service.document(),
            "late": counts.late.document(),
            "backlog_max": self.backlog_max,
            "rss_mib": rss_mib(),
            "tls": {"is": self.tls_is, "verified": job.verified} if job.tls else None,
            "example": self.expected.example,
        }


def _kind(code: int) -> str:
    if code == errno.ECONNREFUSED:
        return "connect_refused"
    if code in (errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS):
        return "generator_sockets"
    return "connect"


# -- the process


def cpu_waited_s() -> float | None:
    """Give how long this process was ready and had no core, s; None where the kernel does not say."""
    try:
        with open("/proc/self/schedstat", encoding="ascii") as file:  # noqa: PTH123 - one small file, one way
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def rss_mib() -> float:
    """Give the most memory that this process has held, MiB."""
    try:
        # getrusage would give the peak of the process that started this one, if that was higher
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - see above
            return round(next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024, 1)
    except (OSError, StopIteration):
        import resource  # noqa: PLC0415 - not everywhere; a generator without it still generates

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return round(peak / (1024 * 1024 if sys.platform == "darwin" else 1024), 1)


def _make_room(connections: int) -> None:
    """Raise the limit of open files as far as is needed.

    Raises:
        ValueError: The hard limit is too low.
    """
    import resource  # noqa: PLC0415 - see above

    wanted = connections + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise ValueError(f"{connections} connections need more open files than this process may have ({hard})")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    """Run the job of stdin; exit status 0 for a result, 2 for a job that is no good, 3 when nobody reads any more."""

    def emit(document: Document) -> None:
        text = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        while text:
            text = text[os.write(1, text) :]

    try:
        commands = Commands(0)
        job = commands.job()
        if job.get("cpus") and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, job["cpus"])
        _make_room(int(job["connections"]))
        load = Load(job, commands, Poll(plain=bool(job.get("plain_poll"))))
    except (OSError, ValueError, TypeError, KeyError) as error:
        emit({"event": "error", "message": f"{type(error).__name__}: {error}"})
        return 2
    try:
        emit(load.run(emit))
    except BrokenPipeError:
        return 3  # who asked is gone
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The load generator: one file, standard library only, Python >= 3.9, run as a process of its own.

A job comes as one JSON line on stdin. When the connections are open, ``{"event": "ready"}`` goes out and the
generator waits for a line ``go``; then come a ``progress`` line each second and one ``result``. A line ``stop``,
or the end of stdin, ends the load early. Three models:

- ``hold``: connections are opened at a bounded rate, kept, and each asks now and then; one that is lost is an error.
- ``closed``: each connection asks again when it has its answer. It measures what can be carried.
- ``open``: requests arrive at a given rate whatever the server does, and latency counts from the time at which a
  request was due, so that a stalled server cannot hide the requests that it kept from being sent.

Its own lateness and share of a core are part of the result: a generator at its limit has measured itself.
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
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]

READ_BYTES = 1 << 16
#: What is kept of a body for a body check, and of a header that does not end; bytes.
BODY_LIMIT_BYTES = 1 << 20
HEAD_LIMIT_BYTES = 1 << 16
#: Due requests that wait for a free connection; more are dropped, and are errors.
BACKLOG_LIMIT = 200_000
#: Handshakes under way at the same time; a listen queue of Debian's default holds them.
OPENING_AT_ONCE = 100
#: A connection that was lost is opened again after this time: a refusing server is not hammered; s.
REOPEN_AFTER_S = 0.2
#: Between two looks at what is overdue; s.
WATCH_EVERY_S = 0.1
#: Parsed heads that are remembered; servers send the same one for a second.
HEADS_LIMIT = 512

clock = time.perf_counter


class Histogram:
    """Counts of times in buckets 0.4 % wide; memory is bounded, merging loses nothing.

    Microseconds up to 511 have a bucket each; above that every doubling is cut in 256.
    """

    __slots__ = ("count", "counts", "max_us", "sum_us")

    SIZE = 256 * 30

    def __init__(self) -> None:
        self.counts = [0] * self.SIZE
        self.count = 0
        self.sum_us = 0
        self.max_us = 0

    def record(self, seconds: float) -> None:
        """Count one time, s; less than nothing counts as nothing, more than a day as the last bucket."""
        value = int(seconds * 1e6)
        if value < 0:  # noqa: PLR1730 - a call of max() costs more than the rest of the line; this is the hot path
            value = 0
        shift = value.bit_length() - 9
        index = value if shift <= 0 else (shift << 8) + (value >> shift)
        self.counts[index if index < self.SIZE else self.SIZE - 1] += 1
        self.count += 1
        self.sum_us += value
        if value > self.max_us:  # noqa: PLR1730 - see above
            self.max_us = value

    def percentile_ms(self, share: float, without: list[int] | None = None) -> float | None:
        """Give the time that ``share`` (0 to 1) of the counted ones kept, ms; None when nothing was counted.

        Args:
            share: 0.95 for the 95th percentile.
            without: Earlier ``counts`` to leave out, for the percentile of what came since.
        """
        counts = self.counts
        if without is not None:
            counts = [now - before for now, before in zip(counts, without)]  # noqa: B905 - Python 3.9 has no strict
        total = sum(counts)
        if not total:
            return None
        wanted = max(1, -int(-share * total // 1))  # rounded up: the time of a request that happened
        seen = 0
        for index, number in enumerate(counts):
            seen += number
            if seen >= wanted:
                return min(_middle_us(index), self.max_us) / 1000
        return self.max_us / 1000

    def document(self) -> Document:
        """Give the histogram as data; only buckets that hold something."""
        filled = [[index, number] for index, number in enumerate(self.counts) if number]
        return {"counts": filled, "max_us": self.max_us, "sum_us": self.sum_us}

    def add(self, document: Document) -> None:
        """Add the counts of a ``document``, of another process or host.

        Raises:
            ValueError: It is not one.
        """
        for index, number in document["counts"]:
            if not (isinstance(index, int) and isinstance(number, int) and 0 <= index < self.SIZE and number > 0):
                raise ValueError("not a histogram")
            self.counts[index] += number
            self.count += number
        self.sum_us += int(document["sum_us"])
        self.max_us = max(self.max_us, int(document["max_us"]))


def _middle_us(index: int) -> float:
    shift = (index >> 8) - 1
    if shift <= 0:
        return index
    low = (index - (shift << 8)) << shift
    return low + ((1 << shift) - 1) / 2


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

    def ready(self, timeout_s: float) -> list[int]:
        """Wait for something, and give the descriptors."""
        if self._epoll:
            return [fd for fd, _ in self._epoll.poll(timeout_s, 2048)]
        return [key.fd for key, _ in self._selector.select(timeout_s)] if self._selector else []


class Broken(Exception):  # noqa: N818 - it is about the connection, and never leaves this file
    """A connection or an answer is no good; the argument is the kind of error."""


class Head:
    """What matters of an answer's header."""

    __slots__ = ("chunked", "close", "counted", "encoded", "expected", "length", "status")

    def __init__(self, text: bytes, expect: Document, count_header: str) -> None:
        lines = text.split(b"\r\n")
        first = lines[0].split(b" ", 2)
        if len(first) < 2 or not first[0].startswith(b"HTTP/1.") or not first[1].isdigit():
            raise Broken("protocol")
        fields: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(b":")
            fields[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
        self.status = int(first[1])
        self.chunked = "chunked" in fields.get("transfer-encoding", "").lower()
        length = fields.get("content-length", "")
        self.length = int(length) if length.isdigit() else -1
        if self.status in (204, 304):
            self.length, self.chunked = 0, False
        connection = fields.get("connection", "").lower()
        self.close = "close" in connection or (first[0] == b"HTTP/1.0" and "keep-alive" not in connection)
        self.encoded = fields.get("content-encoding", "").lower()
        self.counted = fields.get(count_header, "")[:40]
        self.expected = ""
        if self.status != expect.get("status", 200):
            self.expected = "status"
        for name, value in (expect.get("headers") or {}).items():
            if value.lower() not in fields.get(name.lower(), "").lower() or name.lower() not in fields:
                self.expected = self.expected or "header"


#: States of a connection.
GONE, CONNECTING, SHAKING, IDLE, BUSY = range(5)


class Connection:
    """One connection and where its answer stands."""

    __slots__ = (
        "body",
        "chunk_left",
        "due",
        "fd",
        "head",
        "left",
        "rest",
        "sent",
        "sock",
        "state",
        "trailer",
        "until",
    )

    def __init__(self) -> None:
        self.sock: Any = None
        self.fd = -1
        self.state = GONE
        self.until = 0.0
        self.start(0.0, 0.0)

    def start(self, due: float, sent: float) -> None:
        """Expect an answer."""
        self.due = due
        self.sent = sent
        self.head: Head | None = None
        self.rest = b""
        self.left = 0
        self.chunk_left = -1
        self.trailer = False
        self.body: list[bytes] | None = None


class Load:
    """One run of one job."""

    def __init__(self, job: Document, commands: Commands, poll: Poll | None = None) -> None:
        self.job = job
        self.mode = str(job["mode"])
        self.commands = commands
        self.poll = poll or Poll()
        self.wanted = int(job["connections"])
        self.timeout_s = float(job.get("timeout_s", 10.0))
        self.expect: Document = job.get("expect") or {}
        self.count_header = str(job.get("count_header") or "").lower()
        self.header_values: dict[str, int] = {}
        self.wants_body = str(self.expect.get("body") or "").encode()
        self.body_min_bytes = int(self.expect.get("body_min_bytes") or 0)
        self.request = _request(job)
        self.tls = _tls(job)
        self.where = (str(job["address"]), int(job["port"]))
        self.family, self.sockaddr = _resolve(*self.where)
        self.connections = [Connection() for _ in range(self.wanted)]
        self.by_fd: dict[int, Connection] = {}
        self.idle: deque[Connection] = deque()
        self.backlog: deque[float] = deque()
        self.to_open: deque[tuple[float, Connection]] = deque((0.0, each) for each in self.connections)
        self.opening = self.alive = self.established = self.in_flight = self.reopened = self.closed_idle = 0
        self.sent = self.done = self.bytes_in = self.bytes_out = self.planned = self.late_answers = 0
        self.alive_min: int | None = None
        self.backlog_max = 0
        self.errors: dict[str, int] = {}
        self.first_errors: dict[str, str] = {}
        self.statuses: dict[str, int] = {}
        self.latency, self.service, self.late = Histogram(), Histogram(), Histogram()
        self.heads: dict[bytes, Head] = {}
        self.example: Document | None = None
        self.tls_is = ""
        self.running = False
        self.end = 0.0
        self.stop_asked = False
        self.seconds: list[Document] = []
        self.next_watch = 0.0
        self.open_every_s = 1.0 / max(1.0, float(job.get("opened_per_s", 250)))
        self.next_open = 0.0

    # -- connections

    def open_some(self, now: float) -> None:
        """Start connections that are due, at the bounded rate."""
        while self.to_open and self.opening < OPENING_AT_ONCE and self.to_open[0][0] <= now >= self.next_open:
            _, each = self.to_open.popleft()
            # a rate, without making up for time that was lost: never a burst
            self.next_open = max(self.next_open, now - 0.02) + self.open_every_s
            try:
                sock = socket.socket(self.family, socket.SOCK_STREAM)
            except OSError as error:
                self.fail("generator_sockets", str(error))
                self.to_open.append((now + REOPEN_AFTER_S, each))
                continue
            sock.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            each.sock, each.fd, each.state, each.until = sock, sock.fileno(), CONNECTING, now + self.timeout_s
            self.opening += 1
            self.by_fd[each.fd] = each
            self.poll.watch(each.fd, write=True, new=True)
            code = sock.connect_ex(self.sockaddr)
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
                if self.tls is None:
                    self.poll.watch(each.fd, write=False, new=False)
                    self.established_now(each)
                    return
                name = self.job["tls"].get("server_name") or self.where[0]
                each.sock = self.tls.wrap_socket(each.sock, server_hostname=name, do_handshake_on_connect=False)
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
            self.poll.watch(each.fd, write=False, new=False)
            self.tls_is = self.tls_is or f"{each.sock.version()} {(each.sock.cipher() or ('?',))[0]}"
            self.established_now(each)

    def established_now(self, each: Connection) -> None:
        """Count a connection that is open, and use it if there is something to ask."""
        each.state = IDLE
        self.opening -= 1
        self.alive += 1
        self.established += 1
        self.free(each, clock())

    def free(self, each: Connection, now: float) -> None:
        """Give an idle connection its next request."""
        if self.mode == "closed":
            if self.running and now < self.end and not self.exhausted():
                self.planned += 1
                self.ask(each, now, now)
            elif not self.running:
                self.idle.append(each)
        elif self.backlog:
            self.ask(each, self.backlog.popleft(), now)
        else:
            self.idle.append(each)

    def exhausted(self) -> bool:
        """Say whether a bounded number of requests is used up."""
        limit = self.job.get("max_requests")
        return limit is not None and self.planned >= int(limit)

    def lose(self, each: Connection, kind: str, text: str = "", *, again_s: float = REOPEN_AFTER_S) -> None:
        """Close a connection; it is opened again later. A kind is an error, an empty one is none."""
        if each.state == GONE:
            return
        if kind:
            self.fail(kind, text)
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

    def fail(self, kind: str, text: str = "") -> None:
        """Count an error, and remember the first of its kind."""
        self.errors[kind] = self.errors.get(kind, 0) + 1
        if kind not in self.first_errors and len(self.first_errors) < 20:
            self.first_errors[kind] = text[:200]

    # -- requests

    def ask(self, each: Connection, due: float, now: float) -> None:
        """Send the request; it is small, so it goes out whole or the connection is no good."""
        each.start(due, now)
        self.sent += 1
        self.in_flight += 1
        each.state = BUSY
        each.until = now + self.timeout_s
        try:
            count = each.sock.send(self.request)
        except OSError as error:  # ssl.SSLError is one
            self.lose(each, "send", str(error))
            return
        if count != len(self.request):
            self.lose(each, "send", "the request did not fit the socket's buffer")
            return
        self.bytes_out += count

    def read(self, each: Connection) -> None:
        """Read what there is of an answer."""
        try:
            while True:
                data = each.sock.recv(READ_BYTES)
                if not data:
                    self.ended(each)
                    return
                self.bytes_in += len(data)
                if each.state != BUSY:
                    self.lose(each, "unasked", repr(data[:60]))
                    return
                if self.feed(each, data):
                    self.answered(each)
                    return
                if self.tls is None and len(data) < READ_BYTES:
                    return
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except Broken as broken:
            self.lose(each, broken.args[0], repr(broken.args[1:])[:200])
        except (ValueError, RecursionError) as error:  # numbers of 5000 digits, thousands of interim answers
            self.lose(each, "protocol", str(error))
        except ssl.SSLEOFError:
            self.ended(each)
        except OSError as error:
            self.lose(each, "reset" if each.state == BUSY else self.idle_loss(), str(error))

    def ended(self, each: Connection) -> None:
        """Take note that the server closed the connection."""
        if each.state != BUSY:
            self.lose(each, self.idle_loss(), "closed by the server while nothing was asked")
        elif each.head and each.head.length < 0 and not each.head.chunked:
            self.answered(each)  # its end is the end of the body
        elif each.head:
            self.lose(each, "short_body", "the server closed in the middle of a body")
        else:
            self.lose(each, "closed_busy", "the server closed instead of answering")

    def idle_loss(self) -> str:
        """Count an idle connection that the server closed; only a held one is an error."""
        self.closed_idle += 1
        return "closed_idle" if self.mode == "hold" else ""

    def feed(self, each: Connection, data: bytes) -> bool:
        """Take a piece of an answer; say whether that was the end of it.

        Raises:
            Broken: It is no answer.
        """
        head = each.head
        if head is None:
            if each.rest:
                data = each.rest + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > HEAD_LIMIT_BYTES:
                    raise Broken("protocol", "an endless header")
                each.rest = data
                return False
            text = data[:end]
            head = self.heads.get(text)
            if head is None:
                head = Head(text, self.expect, self.count_header)
                if len(self.heads) >= HEADS_LIMIT:
                    self.heads.clear()
                self.heads[text] = head
                if self.example is None:
                    self.example = {"head": text[:2000].decode("latin-1"), "body_bytes": None}
            if 100 <= head.status < 200:
                each.rest = b""
                return self.feed(each, data[end + 4 :]) if len(data) > end + 4 else False
            each.head, each.rest, each.left = head, b"", head.length
            if self.wants_body or self.body_min_bytes or (self.example and self.example["body_bytes"] is None):
                each.body = []
            data = data[end + 4 :]
        if head.chunked:
            return _chunks(each, data)
        if each.body is not None:
            each.body.append(data)
        if head.length < 0:
            return False
        each.left -= len(data)
        if each.left < 0:
            raise Broken("protocol", "more bytes than Content-Length says")
        return each.left == 0

    def answered(self, each: Connection) -> None:
        """Count an answer and use the connection again."""
        now = clock()
        head = each.head
        if head is None:
            return
        status = f"{head.status // 100}xx"
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if self.count_header and (head.counted in self.header_values or len(self.header_values) < 20):
            self.header_values[head.counted] = self.header_values.get(head.counted, 0) + 1
        wrong = head.expected
        if each.body is not None:
            wrong = wrong or self.wrong_body(each.body, head)
        if wrong:
            # not in the histogram: an error page is fast
            self.fail(wrong, f"status {head.status}")
        else:
            self.done += 1
            self.latency.record(now - each.due)
            if self.mode != "closed":
                self.service.record(now - each.sent)
        if self.running and now > self.end and self.mode == "closed":
            self.late_answers += not wrong
        self.in_flight -= 1
        each.state = IDLE
        if head.close or (head.length < 0 and not head.chunked):
            self.lose(each, "closed_idle" if self.mode == "hold" else "", "Connection: close", again_s=0.0)
        else:
            self.free(each, now)

    def wrong_body(self, pieces: list[bytes], head: Head) -> str:
        """Say what is wrong with a body, or nothing."""
        body = b"".join(pieces)
        if self.example and self.example["body_bytes"] is None:
            self.example["body_bytes"] = len(body)
        if head.encoded in ("gzip", "deflate"):
            try:
                body = zlib.decompressobj(47).decompress(body, BODY_LIMIT_BYTES)
            except zlib.error:
                return "body"
        return "body" if len(body) < self.body_min_bytes or self.wants_body not in body else ""

    # -- the run

    def prepare(self) -> None:
        """Open the connections; every one has been tried once or is open at the end."""
        give_up = clock() + self.timeout_s + self.wanted * self.open_every_s * 1.5
        while self.established < self.wanted and not self.stop_asked:
            now = clock()
            tries = self.established + sum(self.errors.values())
            if now > give_up or (tries >= self.wanted and not self.opening and self.alive < self.wanted):
                return
            self.open_some(now)
            self.serve(0.002 if self.to_open else 0.05)

    def serve(self, timeout_s: float) -> None:
        """Handle what is ready, and what is overdue."""
        for fd in self.poll.ready(timeout_s):
            if fd == self.commands.fd:
                self.stop_asked = self.commands.stop_asked() or self.stop_asked
                continue
            each = self.by_fd.get(fd)
            if each is None:
                continue
            if each.state >= IDLE:
                self.read(each)
            else:
                self.advance(each)
        now = clock()
        if now < self.next_watch:
            return
        self.next_watch = now + WATCH_EVERY_S
        for each in list(self.by_fd.values()):
            if each.state != IDLE and each.until <= now:
                if each.state == BUSY:
                    self.latency.record(now - each.due)  # it took at least this long
                self.lose(each, "timeout" if each.state == BUSY else "connect_timeout")

    def run(self, emit: Any) -> Document:
        """Open, wait for go, load, drain; give the result."""
        self.poll.watch(self.commands.fd, write=False, new=True)
        began = clock()
        self.prepare()
        opened_s = clock() - began
        emit({"event": "ready", "alive": self.alive, "wanted": self.wanted, "opened_s": round(opened_s, 3)})
        while not (self.commands.go or self.stop_asked):
            self.serve(0.2)  # connections that the server closes meanwhile are seen
        gc.collect()
        gc.freeze()
        gc.disable()  # nothing below makes cycles; a collection of thousands of objects is a pause
        usage, waited, begin = time.process_time(), _cpu_waited_s(), clock()
        self.running, self.end = True, begin + float(self.job["duration_s"])
        self.alive_min = self.alive
        if self.mode == "closed":
            self.idle, ready = deque(), list(self.idle)
            for each in ready:
                if each.state == IDLE:
                    self.free(each, clock())
        self.work(begin, emit)
        wall_s = max(1e-6, clock() - begin)
        load_s = max(1e-6, min(clock(), self.end) - begin)
        cpu_s, cpu_wait_s = time.process_time() - usage, _cpu_waited_s()
        unfinished = self.drain()
        wait_share = None if waited is None or cpu_wait_s is None else round((cpu_wait_s - waited) / wall_s, 4)
        return self.result(
            load_s=load_s, cpu_share=cpu_s / wall_s, wait_share=wait_share, opened_s=opened_s, unfinished=unfinished
        )

    def work(self, begin: float, emit: Any) -> None:
        """Load until the time is up."""
        arrivals = _arrivals(self.job) if self.mode != "closed" else iter(())
        due = begin + next(arrivals, float("inf"))
        tick, before = begin + 1.0, list(self.latency.counts)
        counted = (0, 0)
        while not self.stop_asked:
            now = clock()
            if now >= self.end and due >= self.end:
                break
            while due <= now and due < self.end:
                self.planned += 1
                self.late.record(now - due)
                self.arrive(due, now)
                due = begin + next(arrivals, float("inf"))
                now = clock()
            if self.to_open:
                self.open_some(now)
            if self.mode == "closed" and self.exhausted() and not self.in_flight:
                break
            patience_s = min(due, self.end, tick, self.to_open[0][0] if self.to_open else tick) - clock()
            self.serve(min(max(patience_s, 0.001 if self.to_open else 0.0), 0.1))
            if now >= tick:
                second = self.second(now - begin, before, counted)
                before, counted = list(self.latency.counts), (self.done, sum(self.errors.values()))
                self.seconds.append(second)
                emit(dict(second, event="progress"))
                tick += 1.0

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
            self.fail("dropped", "too many requests waited for a free connection")

    def second(self, at_s: float, before: list[int], counted: tuple[int, int]) -> Document:
        """Say what the last second brought."""
        return {
            "t_s": round(at_s, 2),
            "done": self.done - counted[0],
            "errors": sum(self.errors.values()) - counted[1],
            "alive": self.alive,
            "in_flight": self.in_flight,
            "backlog": len(self.backlog),
            "p50_ms": self.latency.percentile_ms(0.50, before),
            "p95_ms": self.latency.percentile_ms(0.95, before),
            "p99_ms": self.latency.percentile_ms(0.99, before),
        }

    def drain(self) -> int:
        """Wait for the answers that are under way; what does not come is an error, and counts with its age."""
        until = clock() + float(self.job.get("drain_s", 5.0))
        while (self.in_flight or self.backlog) and clock() < until and not self.stop_asked:
            if self.backlog:
                self.open_some(clock())
            self.serve(0.001 if self.backlog and self.to_open else 0.02)
        now, unfinished = clock(), 0
        if self.stop_asked:
            return self.in_flight + len(self.backlog)  # it was us who left
        for each in self.connections:
            if each.state == BUSY:
                self.latency.record(now - each.due)
                unfinished += 1
        for due in self.backlog:
            self.latency.record(now - due)
            unfinished += 1
        if unfinished:
            self.errors["unfinished"] = unfinished
        return unfinished

    def result(
        self,
        *,
        load_s: float,
        cpu_share: float,
        wait_share: float | None,
        opened_s: float,
        unfinished: int,
    ) -> Document:
        """Give the result as data."""
        return {
            "event": "result",
            "mode": self.mode,
            "duration_s": round(load_s, 4),
            "opened_s": round(opened_s, 3),
            "planned": self.planned,
            "sent": self.sent,
            "done": self.done,
            "done_in_time": self.done - self.late_answers,
            "unfinished": unfinished,
            "stopped": self.stop_asked,
            "errors": dict(sorted(self.errors.items())),
            "first_errors": self.first_errors,
            "statuses": self.statuses,
            "header_values": self.header_values,
            "http_bytes_in": self.bytes_in,
            "http_bytes_out": self.bytes_out,
            "connections": {
                "wanted": self.wanted,
                "established": self.established,
                "alive_min": self.alive if self.alive_min is None else self.alive_min,
                "alive_end": self.alive,
                "closed_idle": self.closed_idle,
                "reopened": self.reopened,
            },
            "latency": self.latency.document(),
            "service": self.service.document(),
            "late": self.late.document(),
            "backlog_max": self.backlog_max,
            "cpu_share": round(cpu_share, 4),
            "cpu_wait_share": wait_share,
            "rss_mib": _rss_mib(),
            "tls": {"is": self.tls_is, "verified": bool((self.job.get("tls") or {}).get("verify"))}
            if self.tls
            else None,
            "example": self.example,
            "seconds": self.seconds,
        }


def _chunks(each: Connection, data: bytes) -> bool:
    """Take a piece of a chunked body; say whether it ended with it."""
    if each.rest:
        data, each.rest = each.rest + data, b""
    at = 0
    while at < len(data):
        if each.chunk_left > 0:
            step = min(each.chunk_left, len(data) - at)
            if each.body is not None:
                each.body.append(data[at : at + min(step, max(0, each.chunk_left - 2))])
            each.chunk_left -= step
            at += step
            continue
        end = data.find(b"\r\n", at)
        if end < 0:
            if len(data) - at > 1024:
                raise Broken("protocol", "an endless chunk size")
            each.rest = data[at:]
            return False
        line, at = data[at:end], end + 2
        if each.trailer:
            if not line:
                return True
            continue
        try:
            size = int(line.split(b";", 1)[0], 16)
        except ValueError:
            raise Broken("protocol", "a chunk size that is no number") from None
        if size:
            each.chunk_left = size + 2
        else:
            each.trailer = True
    return False


def _request(job: Document) -> bytes:
    headers = {"Host": str(job.get("host") or job["address"]), "User-Agent": "deployer-verify", "Accept": "*/*"}
    headers.update(job.get("headers") or {})
    lines = [f"GET {job.get('path', '/')} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header or path holds a line break")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _tls(job: Document) -> ssl.SSLContext | None:
    tls = job.get("tls")
    if not tls:
        return None
    context = ssl.create_default_context(cafile=tls.get("ca_file"))
    if not tls.get("verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a self-made certificate; the report says that it was not checked
    return context


def _resolve(address: str, port: int) -> tuple[int, Any]:
    family, _, _, _, sockaddr = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    return int(family), sockaddr


def _arrivals(job: Document) -> Iterator[float]:
    """Give the times at which requests are due, s from the beginning; the same for the same seed."""
    count, at = 0, 0.0
    if job["mode"] == "hold":
        rate = int(job["connections"]) / float(job.get("request_every_s", 5.0))
    else:
        rate = float(job["rate_per_s"])
    if job.get("arrivals") == "poisson":
        dice = random.Random(int(job.get("seed", 1)))  # noqa: S311 - spacing of arrivals, nothing secret
        while True:
            at += dice.expovariate(rate)
            yield at
    while True:
        yield count / rate
        count += 1


def _kind(code: int) -> str:
    if code == errno.ECONNREFUSED:
        return "connect_refused"
    if code in (errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS):
        return "generator_sockets"
    return "connect"


def _cpu_waited_s() -> float | None:
    """Give how long this process was ready and had no core, s; None where the kernel does not say."""
    try:
        with open("/proc/self/schedstat", encoding="ascii") as file:  # noqa: PTH123 - one small file, one way
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def _rss_mib() -> float:
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


class Commands:
    """Lines on stdin: the job, then ``go`` and ``stop``; its end is a stop too."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.go = False
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

    def stop_asked(self) -> bool:
        """Read what is there; say whether the load shall end."""
        data = os.read(self.fd, READ_BYTES)
        self._rest += data
        return self._look() or not data

    def _look(self) -> bool:
        *lines, self._rest = self._rest.split(b"\n")
        self.go = self.go or b"go" in lines
        return b"stop" in lines


def main() -> int:
    """Run the job of stdin; exit status 0 for a result, 2 for a job that is no good, 3 when nobody reads any more."""

    def emit(document: Document) -> None:
        os.write(1, json.dumps(document).encode() + b"\n")

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
        result = json.dumps(load.run(emit)).encode() + b"\n"
        while result:
            result = result[os.write(1, result) :]
    except BrokenPipeError:
        return 3  # who asked is gone
    return 0


if __name__ == "__main__":
    sys.exit(main())

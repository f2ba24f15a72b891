"""The client of the agent: one remote process, requests out, events and answers in, a bound on every wait.

The host is not trusted to speak the protocol: it is bounded in size and time before it is looked at.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from deployer.agent import frames
from deployer.errors import AgentError, ConnectError, DeployerError, SudoError
from deployer.transport.outcome import error_from, link_lost
from deployer.transport.startup import Start, explain, harmless, last_lines, silent_start
from deployer.transport.stream import Stream
from deployer.transport.wire import CHUNK_BYTES, Arrived, LinkLost, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from deployer.packing import Program

    Event = Mapping[str, Any]
    OnEvent = Callable[[Event], None]
    Exchange = Generator[dict[str, Any], None, dict[str, Any]]

#: From the command to the agent's magic, a slow sudo included; s.
START_S: Final = 30.0
#: A running agent says every 10 s that it lives; silence for longer is a lost link; s.
SILENCE_S: Final = 45.0
#: What the loader says behind the magic: whether the host has the program that was named.
HAS_KEPT: Final = b"kept\n"
HAS_NOT_KEPT: Final = b"send\n"
#: For what is left of a dead agent's output and its exit status; s.
LAST_WORDS_S: Final = 1.5
#: A login shell may greet before the magic; bytes.
GREETING_LIMIT_BYTES: Final = 64 << 10
#: stderr carries a traceback at most; bytes in all, and the part that is kept.
STDERR_LIMIT_BYTES: Final = 4 << 20
STDERR_KEPT_BYTES: Final = 16 << 10


class Agent:
    """A running agent. One request at a time; after an error of the link or of the protocol it is closed.

    Args:
        wire: The process, started by ``begin.command``.
        begin: How it was started.
        program: What runs; only its name is sent to a host that has kept it.
        place: The host, for people.
        silence_s: The longest time without a byte while a request runs, s.
        start_s: The longest time until the agent's magic, s.
    """

    def __init__(
        self,
        wire: Wire,
        begin: Start,
        program: Program,
        *,
        place: str,
        silence_s: float = SILENCE_S,
        start_s: float = START_S,
    ) -> None:
        self._wire = wire
        self._begin = begin
        self._program = program
        self._place = place
        self._silence_s = silence_s
        self._start_s = start_s
        self._started = False
        self._closed = False
        self._ended = False
        self._out = bytearray()
        self._err = bytearray()
        self._err_bytes = 0
        self._deadline = 0.0
        self._sent_whole = False
        self._status: int | None = None
        self._writing = threading.Lock()

    def call(
        self,
        request: Mapping[str, Any],
        blob: bytes | BinaryIO = b"",
        on_event: OnEvent | None = None,
        *,
        timeout_s: float = 600.0,
    ) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Args:
            request: With its ``op``; the program's name and the first request leave together.
            blob: What the request refers to, at most 512 MiB; a file is read from its current position.
            on_event: Gets each event as it comes; texts in it are harmless for a terminal.
            timeout_s: For all of it, s.

        Returns:
            The ``ok`` document.

        Raises:
            ConnectError: The link was lost, or the time is up; nothing was changed.
            AgentError: The agent did not start, broke off, or did not speak the protocol.
            SudoError: sudo refused.
            HostUnknown: An apply was under way when the link was lost.
            DeployerError: What the agent answered, as the class that its kind and state stand for.
        """
        with contextlib.closing(self._exchange(dict(request), blob, timeout_s)) as exchange:
            while True:
                try:
                    event = next(exchange)
                except StopIteration as end:
                    answer: dict[str, Any] = end.value
                    return answer
                if on_event is not None:
                    on_event(event)

    def stream(self, request: Mapping[str, Any], *, timeout_s: float = 3600.0) -> Stream:
        """Send a request whose events are the point, as ``sample``; iterate over them, ``stop`` any time."""
        return Stream(self, self._exchange(dict(request), b"", timeout_s))

    def close(self) -> None:
        """End the agent: it reads the end of its stdin."""
        if not self._closed:
            self._closed = True
            self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def send_stop(self) -> None:
        """Ask the running request to end early; safe from another thread, harmless when it ended already."""
        with contextlib.suppress(LinkLost):
            self._write(frames.encode({"op": "stop"}))

    def _exchange(self, request: dict[str, Any], blob: bytes | BinaryIO, timeout_s: float) -> Exchange:
        """Send a request at once, and give the generator of its events, which returns the answer."""
        if self._closed:
            raise ConnectError("the agent's channel is closed", where=self._place)
        self._deadline = time.monotonic() + timeout_s
        self._sent_whole = False
        with self._translated(request):
            self._send(request, blob)
        return self._listen(request)

    def _listen(self, request: dict[str, Any]) -> Exchange:
        with self._translated(request):
            while "event" in (document := self._document()):
                if document["event"] != "alive":
                    yield {key: _plain(value) for key, value in document.items()}
        if "ok" in document:
            answer: dict[str, Any] = document["ok"]
            return answer
        raise error_from(document["error"], op=str(request.get("op")), place=self._place)

    @contextlib.contextmanager
    def _translated(self, request: dict[str, Any]) -> Iterator[None]:
        """Close the agent after a broken exchange, and raise what that means for the host."""
        try:
            yield
        except LinkLost as error:
            self._last_words()
            raise self._broken(request, str(error), lost=True) from error
        except frames.ProtocolError as error:
            ended = self._ended  # cut off in the middle of a frame: that is the link, not the protocol
            self._last_words()
            raise self._broken(request, str(error), lost=ended) from error
        except GeneratorExit:
            self.close()  # a half-heard exchange cannot be taken up again
            raise

    def _last_words(self) -> None:
        """Collect what a dead agent left on stderr and its exit status, then close."""
        until = time.monotonic() + LAST_WORDS_S
        patience_bytes = GREETING_LIMIT_BYTES
        while not self._ended and patience_bytes > 0 and time.monotonic() < until:
            arrived = self._wire.read(0.2)
            if not (arrived.out or arrived.err or arrived.ended):
                break  # it is not dead, only silent
            patience_bytes -= len(arrived.out) + len(arrived.err)
            self._out += arrived.out  # a closed account is told on stdout
            self._note(arrived)
        self._status = self._wire.exit_status(LAST_WORDS_S) if self._ended else None
        self.close()

    def _broken(self, request: Mapping[str, Any], reason: str, *, lost: bool) -> DeployerError:
        """Say what a broken exchange means for the host."""
        err = harmless(self._err.decode("utf-8", "replace"))
        if self._status is not None:
            if not self._started:
                return explain(self._status, err, self._out.decode("utf-8", "replace"), self._place)
            reason = f"the agent ended (exit status {self._status}): {last_lines(err, 3) or reason}"
        if request.get("op") == "apply" and self._sent_whole:
            plan = request.get("plan") or {}
            return link_lost(reason, return_after_s=float(plan.get("return_after_s", 0)), place=self._place)
        if self._status is not None:
            return AgentError(reason, where=self._place)
        if lost and not self._started and err.strip():
            return silent_start(reason, err, asked=bool(self._begin.nonce), place=self._place)
        if lost:
            return ConnectError(reason, where=self._place)
        return AgentError(f"the host does not speak the agent's protocol: {reason}", where=self._place)

    # -- out

    def _send(self, request: dict[str, Any], blob: bytes | BinaryIO) -> None:
        source, blob_bytes = _sized(blob)
        head = frames.encode(request, blob_bytes)
        if self._started:
            self._write(head)
        else:
            self._start(head)
        left = blob_bytes
        while left:
            piece = source.read(min(left, CHUNK_BYTES))
            if not piece:
                raise LinkLost("the blob ended early")
            left -= len(piece)
            self._write(piece)
        self._sent_whole = True

    def _write(self, data: bytes) -> None:
        patience_s = min(self._silence_s, self._deadline - time.monotonic())
        with self._writing:
            self._wire.write(data, max(0.1, patience_s))

    # -- in

    def _document(self) -> dict[str, Any]:
        """Read one frame: an event, or an answer that holds an object."""
        frame = frames.read_frame(self._read, max_blob_bytes=0)
        if frame is None:
            raise LinkLost("the connection was lost")
        document = frame[0]
        if "event" in document or isinstance(document.get("ok", document.get("error")), dict):
            return document
        raise frames.ProtocolError("a frame is neither event nor answer")

    def _read(self, count: int) -> bytes:
        while not self._out:
            if self._ended:
                return b""
            self._pump(self._silence_s)
        data = bytes(self._out[:count])
        del self._out[:count]
        return data

    def _pump(self, patience_s: float) -> None:
        """Wait for something to arrive."""
        until = time.monotonic() + patience_s
        arrived = Arrived()
        while not (arrived.out or arrived.err or arrived.ended):
            now = time.monotonic()
            if now >= self._deadline:
                raise LinkLost("the time for the request was up")
            if now >= until:
                raise LinkLost(f"the host was silent for {patience_s:.0f} s")
            arrived = self._wire.read(min(until, self._deadline) - now)
        self._out += arrived.out
        self._note(arrived)
        if self._err_bytes > STDERR_LIMIT_BYTES:
            raise frames.ProtocolError("endless output on stderr")

    def _note(self, arrived: Arrived) -> None:
        self._err += arrived.err
        self._err_bytes += len(arrived.err)
        del self._err[:-STDERR_KEPT_BYTES]
        self._ended = self._ended or arrived.ended

    # -- start

    def _start(self, head: bytes) -> None:
        """Start the agent from the copy that the host has kept, or else from the whole, with its first request."""
        if self._begin.nonce:
            self._pass_sudo()
        self._write(self._program.named(head))
        until = time.monotonic() + self._start_s
        while not self._greeted():
            self._pump_start(until)
        while len(self._out) < len(HAS_KEPT):
            self._pump_start(until)
        word = bytes(self._out[: len(HAS_KEPT)])
        del self._out[: len(HAS_KEPT)]
        if word == HAS_NOT_KEPT:
            self._write(self._program.wire)
        elif word != HAS_KEPT:
            raise frames.ProtocolError(f"it greeted, and then said {harmless(word.decode('utf-8', 'replace'))!r}")

    def _pass_sudo(self) -> None:
        """Answer sudo's prompt, once; the magic without a prompt means that sudo wanted no password.

        Nothing else is sent before the magic: a sudo that asks again would take it for a password.
        """
        nonce = self._begin.nonce.encode()
        until = time.monotonic() + self._start_s
        answered = False
        while not self._greeted():
            if nonce not in self._err:
                self._pump_start(until)
                continue
            if answered:
                self.close()
                raise SudoError(
                    "sudo refused the password", where=self._place, next_step="give the right sudo password"
                )
            answered = True
            del self._err[: self._err.find(nonce) + len(nonce)]
            password = self._begin.password.reveal() if self._begin.password else ""
            self._write(password.encode("utf-8", "surrogateescape") + b"\n")  # a variable may hold any bytes

    def _greeted(self) -> bool:
        """Say whether the magic has come, and drop it and whatever a login shell said before it."""
        found = self._out.find(frames.MAGIC)
        if found >= 0:
            del self._out[: found + len(frames.MAGIC)]
            self._started = True
        elif len(self._out) > GREETING_LIMIT_BYTES:
            first = harmless(self._out[:60].decode("utf-8", "replace"))
            raise frames.ProtocolError(f"it began with {first!r}")
        return self._started

    def _pump_start(self, until: float) -> None:
        if self._ended:
            raise LinkLost("the connection was lost before the agent started")
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise LinkLost(f"the agent did not start within {self._start_s:.0f} s")
        self._pump(left_s)


def _sized(blob: bytes | BinaryIO) -> tuple[BinaryIO, int]:
    if isinstance(blob, bytes):
        return io.BytesIO(blob), len(blob)
    position = blob.tell()
    end = blob.seek(0, io.SEEK_END)
    blob.seek(position)
    return blob, end - position


def _plain(value: Any) -> Any:
    return harmless(value) if isinstance(value, str) else value

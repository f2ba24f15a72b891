"""A program of one file that was sent to a host: it runs as long as its channel is open, and speaks lines."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final, Self

from deployer.agent import frames
from deployer.errors import AgentError, ConnectError, DeployerError
from deployer.transport.startup import explain, harmless, last_lines
from deployer.transport.wire import LinkLost, Wire

if TYPE_CHECKING:
    from deployer.transport.wire import Arrived

#: From the command to the loader's greeting, s.
START_S: Final = 30.0
#: A running program takes a line within this time, or counts as lost; s.
WRITE_S: Final = 5.0
#: For what is left of one that did not start, s.
LAST_WORDS_S: Final = 1.5
#: A login shell may greet before the loader; what is kept of stderr; bytes.
GREETING_LIMIT_BYTES: Final = 64 << 10
STDERR_KEPT_BYTES: Final = 16 << 10


class Sent:
    """The program's stdin and stdout. ``read`` and ``tell`` may be called by two threads.

    Args:
        wire: The process, started with the loader.
        program: What the loader reads: packing's ``wire``.
        place: The host, for people.

    Raises:
        ConnectError: The link was lost before it ran.
        AgentError: The host has no Python that could run it.
    """

    def __init__(self, wire: Wire, program: bytes, *, place: str) -> None:
        self._wire = wire
        self._place = place
        self._out = b""
        self._err = b""
        self._ended = False
        try:
            self._wire.write(program, START_S)
            self._await_greeting(time.monotonic() + START_S)
        except LinkLost as error:
            raise self._not_started(str(error)) from error
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def tell(self, line: str) -> None:
        """Send a line; one that has ended shows at its other end."""
        with contextlib.suppress(LinkLost):
            if self._ended:
                return
            self._wire.write(line.encode() + b"\n", WRITE_S)

    def read(self) -> bytes:
        """Wait for bytes of its stdout; none at its end, or when the link was lost."""
        while not self._out and not self._ended:
            self._take(self._wire.read(1.0))
        data, self._out = self._out, b""
        return data

    def last_words(self) -> str:
        """Say why it ended, as far as is known."""
        return last_lines(harmless(self._err.decode("utf-8", "replace")), 2) or "the link was lost or it was ended"

    def close(self) -> None:
        """Let go of it: its stdin ends, and with that it."""
        self._ended = True
        self._wire.close()

    def _await_greeting(self, until: float) -> None:
        while (found := self._out.find(frames.MAGIC)) < 0:
            if self._ended:
                raise LinkLost("it ended before it had begun")
            if len(self._out) > GREETING_LIMIT_BYTES:
                raise AgentError("the host greets without end", where=self._place)
            if time.monotonic() > until:
                raise LinkLost(f"python3 did not start within {START_S:.0f} s")
            self._take(self._wire.read(1.0))
        self._out = self._out[found + len(frames.MAGIC) :]

    def _not_started(self, reason: str) -> DeployerError:
        """Say why it never ran; a shell without python3 ends before it has read the program."""
        until = time.monotonic() + LAST_WORDS_S
        while not self._ended and time.monotonic() < until:
            self._take(self._wire.read(0.2))
        status = self._wire.exit_status(LAST_WORDS_S) if self._ended else None
        self.close()
        if status is None:
            return ConnectError(reason, where=self._place)
        return explain(status, self._err.decode("utf-8", "replace"), "", self._place)

    def _take(self, arrived: Arrived) -> None:
        self._out += arrived.out
        self._err = (self._err + arrived.err)[-STDERR_KEPT_BYTES:]
        self._ended = self._ended or arrived.ended

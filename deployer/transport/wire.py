"""A wire: one remote process's stdin, stdout and stderr with a bound on every wait.

The agent's client needs no more than this, and so can be tested over pipes and sockets.
"""

from __future__ import annotations

import contextlib
import selectors
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    import paramiko

#: Bytes taken from the channel or given to it at a time.
CHUNK_BYTES: Final = 64 << 10


class LinkLost(Exception):  # noqa: N818 - an event, translated at once by the client
    """The other end is gone, or does not take what is sent to it."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came within a wait: all empty means that the time was up.

    Attributes:
        out: Bytes of stdout.
        err: Bytes of stderr.
        ended: No more will come.
    """

    out: bytes = b""
    err: bytes = b""
    ended: bool = False


class Wire(Protocol):
    """One remote process."""

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send all of ``data``; raise LinkLost if it is not taken within ``timeout_s``."""

    def read(self, timeout_s: float) -> Arrived:
        """Wait up to ``timeout_s`` for something to arrive."""

    def exit_status(self, timeout_s: float) -> int | None:
        """Give the process's exit status, or None if it is not told in time: the link is then lost."""

    def close(self) -> None:
        """Let go of the process: its stdin ends."""


class ChannelWire:
    """A wire over one exec channel of an SSH connection."""

    def __init__(self, channel: paramiko.Channel, on_close: Callable[[], None] = lambda: None) -> None:
        self._channel = channel
        self._on_close = on_close
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel.fileno(), selectors.EVENT_READ)

    def write(self, data: bytes, timeout_s: float) -> None:
        """Send through the channel's window, which the host opens as it reads."""
        deadline = time.monotonic() + timeout_s
        view = memoryview(data)
        while view:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise LinkLost(f"the host took no data for {timeout_s:.0f} s")
            self._channel.settimeout(left_s)
            try:
                sent = self._channel.send(bytes(view[:CHUNK_BYTES]))
            except (OSError, EOFError) as error:  # also paramiko's "Socket is closed" and its timeout
                raise LinkLost(str(error) or "the connection was closed while data was sent") from error
            if sent == 0:
                raise LinkLost("the connection was closed while data was sent")
            view = view[sent:]

    def read(self, timeout_s: float) -> Arrived:
        """Wait on the channel's descriptor, which is readable for stdout, stderr and the end."""
        channel = self._channel
        if not (channel.recv_ready() or channel.recv_stderr_ready() or self._over()):
            try:
                self._selector.select(max(0.0, timeout_s))
            except (ValueError, OSError):  # closed by another thread just now
                return Arrived(ended=True)
        over = self._over()  # before the buffers: what came ahead of the end is then in them
        out = err = b""  # no timeout is set here: another thread may be in write(), and both ready calls are true
        with contextlib.suppress(OSError):
            if channel.recv_stderr_ready():
                err = channel.recv_stderr(CHUNK_BYTES)
            if channel.recv_ready():
                out = channel.recv(CHUNK_BYTES)
        return Arrived(out, err, ended=over and not out and not err)

    def exit_status(self, timeout_s: float) -> int | None:
        """Give the exit status; paramiko says -1 for a process that was killed and for a lost link."""
        if not self._channel.status_event.wait(timeout_s):
            return None
        status = self._channel.recv_exit_status()
        return None if status < 0 else status

    def close(self) -> None:
        """Close the channel, and only then what a reader in another thread may wait on: the close wakes it."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.close()
        self._selector.close()
        self._on_close()

    def _over(self) -> bool:
        return bool(self._channel.eof_received) or bool(self._channel.closed)

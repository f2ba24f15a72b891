"""The agent's loop: read a request, run it, answer; until stdin ends.

stdin and stdout are moved away from descriptors 0 and 1 at once, so that no child process can eat a frame or
write into one. While a request runs, an ``alive`` event is sent every few seconds: silence then means a lost
link, never a slow step. Nothing here raises because the control machine went away: it is reported by
``stopped``.
"""

from __future__ import annotations

import importlib
import os
import select
import signal
import sys
import threading
import time
import traceback
from typing import Any, BinaryIO, Callable, Dict, List, Optional

from . import frames, packed

#: Between two signs of life while a request runs; s.
ALIVE_EVERY_S = 10.0
#: The control machine must take bytes within this time, or counts as gone; s.
WRITE_PATIENCE_S = 30.0

#: Nobody deploys with longer pauses between two requests; an agent whose link died silently ends then; s.
IDLE_S = 3600.0
#: What has begun to arrive goes on arriving; s.
SILENCE_S = 120.0

Document = Dict[str, Any]
Emit = Callable[[Document], None]
Stopped = Callable[[float], bool]


class Peer:
    """The control machine, seen from the host: frames in, frames out, and whether it is still there.

    Args:
        source: Descriptor that frames are read from.
        sink: Descriptor that they are written to.
        ahead: What was read of the first frame already.
    """

    def __init__(self, source: int, sink: int, ahead: bytes = b"") -> None:
        self._ahead = ahead
        self._source = source
        self._sink = sink
        self._writing = threading.Lock()
        self.gone = False
        os.set_blocking(sink, False)

    def request(self) -> Optional[Any]:
        """Wait for the next frame; None when there will be no more, or when nobody has asked for an hour."""
        if self.gone or not (self._ahead or _ready([self._source], [], IDLE_S)):
            return None
        return frames.read_frame(self._read)

    def emit(self, document: Document) -> None:
        """Send one frame; when the control machine does not take it, it counts as gone."""
        data = memoryview(frames.encode(document))
        with self._writing:
            deadline = time.monotonic() + WRITE_PATIENCE_S
            while data and not self.gone:
                patience_s = deadline - time.monotonic()
                if patience_s <= 0 or not _ready([], [self._sink], patience_s):
                    self.gone = True
                    break
                try:
                    data = data[os.write(self._sink, data) :]
                    deadline = time.monotonic() + WRITE_PATIENCE_S
                except BlockingIOError:
                    continue
                except OSError:
                    self.gone = True

    def stopped(self, timeout_s: float = 0.0) -> bool:
        """Wait up to ``timeout_s`` for the end of stdin or a stop frame; say whether one of them came."""
        if self.gone:
            return True
        if not _ready([self._source], [], max(0.0, timeout_s)):
            return self.gone
        try:
            frame = frames.read_frame(self._read, max_blob_bytes=0)
        except (frames.ProtocolError, OSError):
            frame = None
        if frame is None:
            self.gone = True
        # whatever else arrives in the middle of a request is not the protocol: stopping is the safe answer
        return True

    def _read(self, count: int) -> bytes:
        if self._ahead:
            data, self._ahead = self._ahead[:count], self._ahead[count:]
            return data
        if not _ready([self._source], [], SILENCE_S):
            self.gone = True
            return b""
        try:
            return os.read(self._source, count)
        except ConnectionError:
            return b""


def serve(peer: Peer) -> int:
    """Answer requests until there are no more. Returns the process's exit status."""
    while True:
        try:
            frame = peer.request()
        except frames.ProtocolError as error:
            peer.emit({"error": {"kind": "fault", "message": str(error), "state": "untouched"}})
            return 1
        except frames.NoRoomError as error:
            document = {"kind": "disk_full", "state": "untouched", "step": "receive"}
            document["message"] = "the host's disk is full: what was sent cannot be kept (%s)" % error
            document["next"] = "make room on the host (df -h /var/tmp), then run the same command again"
            peer.emit({"error": document})
            continue
        if frame is None:
            return 0
        request, blob = frame
        if request.get("op") == "stop":
            continue  # it crossed with the answer that it was to hasten
        with blob:
            answer = _answer(request, blob, peer)
        try:
            peer.emit(answer)
        except (frames.ProtocolError, ValueError) as error:
            peer.emit(_fault(request, "the answer cannot be sent: %s" % error, "", "unknown"))


def _answer(request: Document, blob: BinaryIO, peer: Peer) -> Document:
    alive = _Alive(peer.emit)
    try:
        return _ok(dispatch(request, blob, peer.emit, peer.stopped))
    except Exception as error:  # whatever it is, the control machine gets an answer
        document = getattr(error, "document", None)  # the apply side's own errors say the host's state
        if callable(document):
            return {"error": document()}
        # an apply that dies of a fault of ours has not said how far it came
        state = "unknown" if request.get("op") == "apply" else "untouched"
        detail = traceback.format_exc(limit=-8)
        return _fault(request, "%s: %s" % (type(error).__name__, error), detail, state)
    finally:
        alive.end()


def dispatch(request: Document, blob: BinaryIO, emit: Emit, stopped: Stopped) -> Document:
    """Run one request by the module that knows it; modules are imported only when they are asked for.

    Raises:
        ValueError: There is no such operation.
    """
    op = request.get("op")
    if op == "observe":
        return _run("observe", request)
    if op == "apply":
        return _run("transaction", request, blob, emit, stopped)
    if op in (
        "awake",
        "back",
        "confirm",
        "deadman",
        "drift",
        "history",
        "mysqlset",
        "oom",
        "recover",
        "status",
        "survey",
        "usage",
    ):
        return _run(op, request)
    if op in ("logs", "mysqlwatch", "sample"):
        return _run(op, request, emit, stopped)
    if op == "readback":
        return _run("readback", request)
    raise ValueError("there is no operation %r" % (op,))


def start(arguments: List[str]) -> int:
    """Start the packed program.

    Without arguments it serves frames. With ``MODULE ARGUMENT...`` it is a copy that stayed on the host, and
    runs ``command(arguments)`` of that module: so the return timer uses the very text that opened
    the transaction.
    """
    os.umask(0o022)
    if arguments:
        return int(_module(arguments[0]).command(arguments[1:]) or 0)
    # a closed connection must reach us as the end of stdin, not as a death in the middle of a return
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.close(nothing)
    return serve(Peer(source, sink, packed.ahead()))


class _Alive:
    """A sign of life every few seconds while a request runs, from a thread of its own."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alive", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(ALIVE_EVERY_S):
            self._emit({"event": "alive"})

    def end(self) -> None:
        self._over.set()
        self._thread.join()


def _ok(result: Document) -> Document:
    return result if set(result) in ({"ok"}, {"error"}) else {"ok": result}


def _fault(request: Document, message: str, detail: str, state: str) -> Document:
    step = str(request.get("op"))
    return {"error": {"kind": "fault", "message": message, "state": state, "step": step, "detail": detail}}


def _run(name: str, *arguments: Any) -> Document:
    answer: Document = _module(name).run(*arguments)
    return answer


def _module(name: str) -> Any:
    if not name.isidentifier():
        raise ValueError("there is no module %r" % (name,))
    return importlib.import_module("." + name, __package__)


def _ready(sources: List[int], sinks: List[int], timeout_s: float) -> bool:
    return any(select.select(sources, sinks, [], timeout_s))


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))

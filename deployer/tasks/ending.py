"""How a task is ended from outside: Ctrl-C, and SIGTERM, as a build server that cancels a job sends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from deployer.tasks.declared import INTERRUPTED

#: Exit code after SIGTERM: what a shell says of a program that it ended.
TERMINATED = 143


class Terminated(KeyboardInterrupt):
    """SIGTERM came: all that a Ctrl-C closes and takes away is closed and taken away."""


@contextmanager
def both_ways() -> Iterator[None]:
    """Let SIGTERM end what runs inside as Ctrl-C does.

    A program that has this library in it and hears the signal itself goes on hearing it; so does one that ignores it.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def code_of(interrupt: KeyboardInterrupt) -> int:
    """Give the exit code that says which of the two it was."""
    return TERMINATED if isinstance(interrupt, Terminated) else INTERRUPTED


def _heard(_number: int, _frame: FrameType | None) -> None:
    raise Terminated

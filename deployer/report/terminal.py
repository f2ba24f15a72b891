"""The two streams: results go to stdout, talk goes to stderr. Colour and movement only where somebody watches."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

#: Width of what is written into a file or a pipe, characters.
PLAIN_WIDTH = 118
#: Tables of fewer characters only show words cut to pieces.
NARROWEST = 40
#: A step without a message that took less is not shown, s.
NOTEWORTHY_S = 0.2


def result_console() -> Console:
    """Give the console for results."""
    return _console(stderr=False)


def talk_console() -> Console:
    """Give the console for talk."""
    return _console(stderr=True)


def remark(line: str) -> None:
    """Print a line of talk as it is."""
    talk_console().print(Text(line), soft_wrap=True)


class ResultsLostError(OSError):
    """What was found or done cannot be written to stdout: its disk is full, it is closed, or it broke."""


def print_document(document: Mapping[str, Any]) -> None:
    """Print one JSON document: the only thing on stdout where ``--json`` is given; in ASCII, so every terminal can.

    Raises:
        BrokenPipeError: Its reader went away.
        ResultsLostError: It cannot be written.
    """
    stream = result_console().file  # unlike sys.stdout it is there even if whoever started us closed it
    try:
        stream.write(json.dumps(document, indent=2) + "\n")
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ResultsLostError(error.errno, error.strerror) from error


class _Console(Console):
    """A console whose reader may go away, or its disk fill up: no more talk then; for results, the error that it is."""

    def on_broken_pipe(self) -> None:
        """Go on in silence if it is talk: a deploy does not end half way because nobody listens."""
        self.quiet = True
        if not self.stderr:
            raise BrokenPipeError

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as ever."""
        try:
            super().print(*objects, **options)
        except BrokenPipeError:
            raise
        except OSError as error:
            self.quiet = True
            if not self.stderr:
                raise ResultsLostError(error.errno, error.strerror) from error


def _console(*, stderr: bool) -> Console:
    if not stderr and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr: a sign that a terminal lacks is no fault
    # what is printed has parts that others wrote, as [emerg] in an error of nginx: nothing in it is a style
    literal: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    console = _Console(stderr=stderr, soft_wrap=False, **literal)
    if not console.is_terminal:
        console = _Console(stderr=stderr, width=_plain_width(), no_color=True, **literal)
    return console


def _plain_width() -> int:
    """Say how wide the lines of a file or a pipe may be: as COLUMNS says, where somebody does."""
    said = os.environ.get("COLUMNS", "")
    return max(NARROWEST, int(said)) if said.isascii() and said.isdigit() and len(said) < len("10000") else PLAIN_WIDTH


class Steps:
    """Progress of long work: a line for each step, and on a terminal a moving one for the step that runs.

    Use as a context manager around the work; ``step`` when something begins, ``say`` for a remark.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or talk_console()
        self._status: Status | None = None
        self._name = self._message = ""
        self._began = 0.0
        self._first = time.monotonic()

    def step(self, name: str, message: str = "") -> None:
        """Note that a step begins, or goes on with something else."""
        if name != self._name:
            self._finish()
            self._name, self._message, self._began = name, "", time.monotonic()
        self._message = message or self._message
        if self._console.is_terminal:
            text = Text.assemble(("  " + name.ljust(14), "bold"), message)
            if self._status is None:
                self._status = self._console.status(text)
                self._status.start()
            else:
                self._status.update(text)
        elif message:
            self._console.print(Text(f"  {time.monotonic() - self._first:6.1f} s  {name:<14} {message}"))

    def say(self, line: str) -> None:
        """Print a remark between the steps."""
        self._console.print(Text("  " + line))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._finish(failed=kind is not None)
        if self._status is not None:
            self._status.stop()

    def _finish(self, *, failed: bool = False) -> None:
        took_s = time.monotonic() - self._began
        # a step that had nothing to do is not worth a line
        if self._name and self._console.is_terminal and (self._message or failed or took_s >= NOTEWORTHY_S):
            mark = ("✗ ", "red") if failed else ("✓ ", "green")
            line = Text.assemble(mark, self._name.ljust(14), f"{took_s:6.1f} s  ", (self._message, "dim"))
            self._console.print(line, no_wrap=True, overflow="ellipsis")
        self._name = ""

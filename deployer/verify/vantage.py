"""Vantages: where load comes from. This machine, a host of the inventory, or the tested host's own loopback.

Each gives generators that run: lines in, lines out, and nothing left behind once they are let go of.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from deployer.errors import DeployerError, Inconclusive
from deployer.packing import Program

if TYPE_CHECKING:
    from deployer.transport.ssh import Remote

PROGRAM: Final = Path(__file__).with_name("loadgen.py")
#: A generator that hears nothing for so long, over a link, stops by itself; s.
SILENCE_S: Final = 5.0
#: sshd's default allows ten channels on a connection; the agent has one.
PROCESSES_MAX: Final = 8
LOOPBACK_ADDRESS: Final = "127.0.0.1"
_READ_BYTES: Final = 1 << 20
_END_S: Final = 2.0


class Generator(Protocol):
    """A generator that runs somewhere."""

    def tell(self, line: str) -> None:
        """Send a line; one that has ended shows at its other end."""

    def read(self) -> bytes:
        """Wait for what it says; nothing at its end."""

    def last_words(self) -> str:
        """Say why it ended, as far as is known."""

    def close(self) -> None:
        """Let go of it: it ends."""


class Vantage(Protocol):
    """Where load comes from.

    Attributes:
        name: For people; empty is this machine.
        jobs: What is other in the job of each of its processes; there is one for each.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see above

    @property
    def jobs(self) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102 - see above

    def start(self) -> Generator:
        """Start one process, which waits for its job.

        Raises:
            Inconclusive: It could not be started.
        """


@dataclass(frozen=True, slots=True)
class Here:
    """This machine.

    Attributes:
        cpus: A process for each of these cores, pinned to it; empty: one process, anywhere.
        program: What runs, if not the load generator: with the packages of this Python.
        folder: Where such a program finds modules of the user's.
    """

    cpus: Sequence[int] = ()
    program: Program | None = None
    folder: str = ""
    name: str = field(default="", init=False)

    @property
    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """A core each."""
        own = {"folder": self.folder} if self.folder else {}
        return [{"cpus": [cpu], **own} for cpu in self.cpus] or [own]

    def start(self) -> Generator:
        """Start a process of this Python."""
        if self.program is None:
            return _Process(["-I", "-S", str(PROGRAM)])
        return _Process(["-I", "-c", "PROGRAM_TEXT = ''\n" + self.program.text])


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """A host that is logged in to: the generator is sent, by a channel for each process, and installed nowhere.

    Attributes:
        remote: The connection; it stays open afterwards.
        name: The host.
        processes: How many run there, 1 to 8; a core each is the most that they can use.
        address: Where the tested server is from there, if that is another place than from here.
        program: What is sent, if not the load generator.
    """

    remote: Remote
    name: str
    processes: int = 1
    address: str = ""
    program: Program | None = None

    @property
    def jobs(self) -> Sequence[Mapping[str, Any]]:
        """All alike: the host's kernel says which core runs which."""
        job: dict[str, Any] = {"silence_s": SILENCE_S, **({"address": self.address} if self.address else {})}
        return [job] * max(1, min(self.processes, PROCESSES_MAX))

    def start(self) -> Generator:
        """Send the generator."""
        try:
            return self.remote.program(self.program or Program(PROGRAM.read_text(encoding="utf-8")))
        except DeployerError as error:
            raise Inconclusive(f"no load can come from {self.name}: {error.message}", where=error.where) from error


class _Process:
    """A generator of this machine; it has ended when it was let go of, whatever it does."""

    def __init__(self, arguments: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for us; the end of its stdin ends the generator
            )
        except OSError as error:
            raise Inconclusive(f"the load generator could not be started: {error}") from error

    def tell(self, line: str) -> None:
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode() + b"\n")

    def read(self) -> bytes:
        return self._process.stdout.read(_READ_BYTES) or b"" if self._process.stdout else b""

    def last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f"exit status {self._process.wait(_END_S)}"
        return "it closed its output"

    def close(self) -> None:
        # the end of its stdin is the generator's stop; one that does not listen is killed, with all that it started
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

"""A server that runs inside a Debian tree: waiting for it, what it said, what it holds, ending it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployer.sandbox import Inside, SandboxError
from deployer.sandbox.programs import last_lines, run, wait_until

_START_TIMEOUT_S: Final = 60
_END_TIMEOUT_S: Final = 60
_KIB_PER_MIB: Final = 1024


@dataclass(frozen=True, slots=True)
class Allowed:
    """A line of a server's log that is no finding.

    Attributes:
        pattern: Regular expression that is found in the line.
        because: Why it is none.
    """

    pattern: str
    because: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server that was started.

    Attributes:
        name: What it is called in error texts.
        place: The inside of the tree that it runs in.
        process: The program of this machine that holds it.
        output: What it prints goes here; it lasts as long as the inside.
        logs: Log files of its own, by their paths inside.
    """

    name: str
    place: Inside
    process: subprocess.Popen[bytes]
    output: Path
    logs: tuple[str, ...] = ()

    @property
    def main(self) -> int:
        """Process id of the server itself, as this machine counts."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children:
            raise SandboxError(f"{self.name} has ended: {last_lines(self.said())}")
        return int(children[0])

    @property
    def children(self) -> tuple[int, ...]:
        """Process ids of the processes that the server started."""
        main = self.main
        return tuple(int(pid) for pid in Path(f"/proc/{main}/task/{main}/children").read_text().split())

    def said(self) -> str:
        """Give all that it printed and logged until now."""
        return self.output.read_text(errors="replace") + "".join(self.place.read(log) for log in self.logs)

    def findings(self, bad: str, allowed: Sequence[Allowed] = ()) -> list[str]:
        """Give the lines of its log that match ``bad``, a regular expression, and that nobody allowed."""
        return findings_in(self.said().splitlines(), bad, allowed)

    def wait(self, answers: Callable[[], bool], *, timeout_s: float = _START_TIMEOUT_S) -> None:
        """Wait until it answers.

        Raises:
            SandboxError: It ended instead, or does not answer in time; with the end of its log.
        """
        wait_until(lambda: self.process.poll() is not None or answers(), timeout_s=timeout_s, step_s=0.05)
        if self.process.poll() is not None:
            raise SandboxError(f"{self.name} ended with {self.process.returncode}: {last_lines(self.said(), 12)}")
        if not answers():
            raise SandboxError(f"{self.name} does not answer within {timeout_s:g} s: {last_lines(self.said(), 12)}")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it as a stop of its unit does, and wait until it is gone.

        Raises:
            SandboxError: It does not end; the kernel ends it with its namespaces.
        """
        if self.process.poll() is None:
            os.kill(self.main, how)
        try:
            self.process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise SandboxError(f"{self.name} does not end: {last_lines(self.said())}") from error


@contextmanager
def started(
    place: Inside,
    name: str,
    words: Sequence[str],
    *,
    user: str = "root",
    logs: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
    open_files: int | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[Server]:
    """Start a server inside a tree, and end it.

    Args:
        place: Where.
        name: What it is called in error texts.
        words: The program and its arguments; it must stay in the foreground.
        user: Who runs it.
        logs: Log files of its own, by their paths inside.
        environment: Variables besides PATH, HOME and LC_ALL.
        open_files: What its unit has as LimitNOFILE.
        stop: The signal that ends it in good order.
    """
    output = Path(f"/proc/{place.holder}/root/run/{name}.output")
    with output.open("ab") as log:
        process = place.start(words, log=log, user=user, environment=environment, open_files=open_files)
    server = Server(name, place, process, output, tuple(logs))
    try:
        server.wait(lambda: _has_child(process))
        yield server
    finally:
        server.end(stop)


def findings_in(lines: Iterable[str], bad: str, allowed: Sequence[Allowed] = ()) -> list[str]:
    """Give the lines that match ``bad``, a regular expression, and that nobody allowed."""
    found = [line.strip() for line in lines if re.search(bad, line)]
    return [line for line in found if not any(re.search(one.pattern, line) for one in allowed)]


def limit_of(pid: int, name: str = "Max open files") -> int:
    """Read the soft limit of a process as the kernel has it."""
    line = next(line for line in Path(f"/proc/{pid}/limits").read_text().splitlines() if line.startswith(name))
    return int(line[len(name) :].split()[0])


def backlogs(place: Inside) -> dict[int, int]:
    """Read at which ports of the inside somebody listens, and how many connections may wait there."""
    text = run(["nsenter", f"--target={place.holder}", "--net", "--", "ss", "-Hltn"], doing="reading the backlogs")
    rows = [line.split() for line in text.splitlines()]
    return {int(row[3].rpartition(":")[2]): int(row[2]) for row in rows}


def memory_mib(pids: Iterable[int]) -> float:
    """Sum what processes hold of anonymous and of shared memory, MiB; what they share is counted once.

    It is what counts against MemoryMax and cannot be given back: Pss_Anon + Pss_Shmem of /proc/PID/smaps_rollup.
    Pages of programs and libraries are not in it. A process that has ended holds nothing.
    """
    total_kib = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total_kib += sum(int(kib) for kib in re.findall(r"^Pss_(?:Anon|Shmem): +(\d+) kB", text, re.MULTILINE))
    return total_kib / _KIB_PER_MIB


def settled_mib(pids: Sequence[int], *, within_s: float = 10, step_s: float = 0.5) -> float:
    """Measure memory until two looks in a row differ by less than 1 %, MiB."""
    last, end = memory_mib(pids), time.monotonic() + within_s
    while time.monotonic() < end:
        time.sleep(step_s)
        now = memory_mib(pids)
        if abs(now - last) <= 0.01 * max(now, 1):
            return now
        last = now
    return last


def peak_mib(pids: Callable[[], Sequence[int]], work: Callable[[], object], *, step_s: float = 0.02) -> float:
    """Do some work and give the most memory that was held meanwhile, MiB.

    Args:
        pids: Whose; asked at each look, as servers make processes for the work.
        work: What is done; its errors are raised here.
        step_s: Time between two looks, s.
    """
    most_mib = 0.0
    with ThreadPoolExecutor(1) as worker:
        doing = worker.submit(work)
        while not doing.done():
            most_mib = max(most_mib, memory_mib(pids()))
            time.sleep(step_s)
        doing.result()
    return most_mib


def _has_child(process: subprocess.Popen[bytes]) -> bool:
    return bool(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())

"""Running the load generator: one process for each core that it may use, started and ended together."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

from deployer.errors import Inconclusive
from deployer.verify.measured import Measured, merge

PROGRAM: Final = Path(__file__).with_name("loadgen.py")
#: What a run may take beyond opening, load and draining before the generator counts as hung, s.
PATIENCE_S: Final = 30.0
#: A result is some 100 KiB; a line beyond this is not ours; bytes.
LINE_LIMIT_BYTES: Final = 32 << 20

Progress = Callable[[Mapping[str, Any]], str]


def _carry_on(_second: Mapping[str, Any]) -> str:
    """Never stop."""
    return ""


def generate(
    name: str, job: Mapping[str, Any], *, cpus: Sequence[int] = (), progress: Progress = _carry_on
) -> Measured:
    """Run one job and give what it measured.

    Args:
        name: The phase, for the result.
        job: As docs of ``loadgen`` say: mode, address, port, connections, duration_s and so on.
        cpus: A process for each of these cores, pinned to it; empty: one process, anywhere.
        progress: Gets each second of the first generator; what it returns, if anything, ends the load.

    Raises:
        Inconclusive: The generator could not run, hung or died: nothing is known about the host.
    """
    jobs = share_out(job, cpus)
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_Process(each)) for each in jobs]
        began_s = _attend(running, _longest_s(job), progress)
        results = [process.result for process in running]
    try:
        return merge(name, job, [result for result in results if result], began_s=began_s)
    except ValueError as error:
        raise Inconclusive(f"the load generator gave no result: {error}", where=name) from error


def share_out(job: Mapping[str, Any], cpus: Sequence[int]) -> list[dict[str, Any]]:
    """Divide a job among cores; the parts add up to the whole."""
    parts = max(1, min(len(cpus), int(job["connections"])))
    jobs = []
    for index in range(parts):
        part = dict(job)
        part["connections"] = _part(int(job["connections"]), index, parts)
        if job.get("max_requests") is not None:
            part["max_requests"] = _part(int(job["max_requests"]), index, parts)
        for key in ("rate_per_s", "opened_per_s"):
            if job.get(key) is not None:
                part[key] = job[key] / parts
        if cpus:
            part["cpus"] = [cpus[index]]
        part["seed"] = int(job.get("seed", 1)) + index
        jobs.append(part)
    return jobs


def _part(whole: int, index: int, parts: int) -> int:
    return whole // parts + (index < whole % parts)


def _longest_s(job: Mapping[str, Any]) -> float:
    timeout_s = float(job.get("timeout_s", 10.0))
    opening_s = timeout_s + 1.5 * int(job["connections"]) / float(job.get("opened_per_s", 250))
    return opening_s + float(job["duration_s"]) + float(job.get("drain_s", 5.0)) + PATIENCE_S


def _attend(running: Sequence[_Process], longest_s: float, progress: Progress) -> float:
    """Wait for all to be ready, let them go together, and read until all are done. Returns when they went."""
    until, went_s = time.monotonic() + longest_s, 0.0
    with selectors.DefaultSelector() as selector:
        for process in running:
            selector.register(process.out, selectors.EVENT_READ, process)
        while any(process.result is None for process in running):
            if time.monotonic() > until:
                raise Inconclusive(f"the load generator did not end within {longest_s:.0f} s")
            for key, _ in selector.select(0.5):
                process = key.data
                for event in process.events():
                    if event["event"] == "ready":
                        process.ready = True
                    elif event["event"] == "progress" and process is running[0] and progress(event):
                        for each in running:
                            each.tell("stop")
                if process.result is not None:
                    selector.unregister(process.out)
            if not went_s and all(process.ready for process in running):
                went_s = time.monotonic()
                for process in running:
                    process.tell("go")
    return went_s


class _Process:
    """One generator; leaving the context ends it, whatever it does."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.result: dict[str, Any] | None = None
        self.ready = False
        self._rest = b""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for us; the end of its stdin ends the generator
            )
        except OSError as error:
            raise Inconclusive(f"the load generator could not be started: {error}") from error
        self.tell(json.dumps(job))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        # the end of its stdin is the generator's stop; one that does not listen is killed
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def out(self) -> int:
        """Descriptor of what it says."""
        return self._process.stdout.fileno() if self._process.stdout else -1

    def tell(self, line: str) -> None:
        """Send a line; a dead generator shows at its other end."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.write(line.encode() + b"\n")

    def events(self) -> list[dict[str, Any]]:
        """Read what there is.

        Raises:
            Inconclusive: It died, or refused the job.
        """
        data = os.read(self.out, 1 << 20)
        *lines, self._rest = (self._rest + data).split(b"\n")
        try:
            events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        except ValueError as error:
            raise Inconclusive(f"the load generator speaks nonsense: {error}") from error
        for event in events:
            if event["event"] == "error":
                raise Inconclusive(f"the load generator cannot run: {event['message']}")
            if event["event"] == "result":
                self.result = event
        if not data and self.result is None:
            raise Inconclusive(f"the load generator died (exit status {self._process.wait()})")
        if len(self._rest) > LINE_LIMIT_BYTES:
            raise Inconclusive("the load generator sends without end")
        return events

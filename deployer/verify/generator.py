"""Running the load generator: processes of one vantage or more, begun together, watched, and ended together."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from deployer.errors import Inconclusive
from deployer.verify.measured import Measured, merge, merge_second
from deployer.verify.vantage import Generator, Here, Vantage

#: What a run may take beyond opening, load and draining before the generator counts as hung, s.
PATIENCE_S: Final = 30.0
#: A generator that was told to stop gives its result within this time, or is let go of; s.
STOP_PATIENCE_S: Final = 2.0
#: Between two looks at whether the load must end, s.
ALARM_EVERY_S: Final = 0.2
#: Between two signs that somebody still listens, s.
HEARTBEAT_S: Final = 1.0
#: A result is some 100 KiB; a line beyond this is not ours; bytes.
LINE_LIMIT_BYTES: Final = 32 << 20

Progress = Callable[[Mapping[str, Any]], str]
Alarm = Callable[[], str]


def _carry_on(_second: Mapping[str, Any]) -> str:
    """Never stop."""
    return ""


def _all_well() -> str:
    """Never stop."""
    return ""


def generate(
    name: str,
    job: Mapping[str, Any],
    *,
    cpus: Sequence[int] = (),
    vantages: Sequence[Vantage] = (),
    progress: Progress = _carry_on,
    alarm: Alarm = _all_well,
) -> Measured:
    """Run one job and give what it measured.

    Args:
        name: The phase, for the result.
        job: As docs of ``loadgen`` say: mode, address, port, connections, duration_s and so on.
        cpus: A process for each of these cores of this machine, pinned to it; empty: one process, anywhere.
        vantages: Where the load comes from, if not from this machine; each process gets an equal part.
        progress: Gets each second, of all generators together; what it returns, if anything, ends the load.
        alarm: Asked five times a second, also before the load begins; what it returns, if anything, ends the load.

    Raises:
        Inconclusive: A generator could not run, hung, died or reached nothing: nothing is known about the host.
    """
    origins = [(vantage, own) for vantage in vantages or [Here(cpus)] for own in vantage.jobs]
    jobs = share_out(job, [own for _, own in origins])
    with contextlib.ExitStack() as stack:
        crew = _Crew()
        for (vantage, _), part in zip(origins, jobs, strict=False):  # fewer jobs, where connections are fewer
            generator = vantage.start()
            stack.callback(generator.close)
            crew.hire(vantage.name, generator, part)
        began_s = crew.attend(_longest_s(job), progress, alarm)
    results = [worker.result for worker in crew.workers if worker.result is not None]
    for worker in crew.workers:
        worker.check_reach(job)
    try:
        return merge(name, job, results, began_s=began_s)
    except ValueError as error:
        raise Inconclusive(f"the load generator gave no result: {error}", where=name) from error


def share_out(job: Mapping[str, Any], owns: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Divide a job among processes; the parts add up to the whole, and even arrivals stay even.

    A burst is divided too: its parts are due at the same time, and come as seldom as the whole.

    Args:
        job: The whole.
        owns: What is other in the part of each process, at least one; those beyond the connections, or beyond the
            requests of a burst, get none.
    """
    burst = int(job.get("burst") or 1)
    parts = max(1, min(len(owns), int(job["connections"]), burst if burst > 1 else len(owns)))
    jobs = []
    for index, own in enumerate(owns[:parts]):
        part = {**job, **own}
        part["connections"] = _part(int(job["connections"]), index, parts)
        if job.get("max_requests") is not None:
            part["max_requests"] = _part(int(job["max_requests"]), index, parts)
        for key in ("rate_per_s", "opened_per_s"):
            if job.get(key) is not None:
                part[key] = job[key] / parts
        part["offset_share"] = index / parts
        if burst > 1:
            part["burst"], part["offset_share"] = _part(burst, index, parts), 0.0
            part["rate_per_s"] = job["rate_per_s"] * part["burst"] / burst
        part["seed"] = int(job.get("seed", 1)) + index
        jobs.append(part)
    return jobs


def _part(whole: int, index: int, parts: int) -> int:
    return whole // parts + (index < whole % parts)


def _longest_s(job: Mapping[str, Any]) -> float:
    timeout_s = float(job.get("timeout_s", 10.0))
    opening_s = timeout_s + 1.5 * int(job["connections"]) / float(job.get("opened_per_s", 250))
    return opening_s + float(job["duration_s"]) + float(job.get("drain_s", 5.0)) + PATIENCE_S


class _Worker:
    """One generator at work, and what it has said so far; a thread of its own listens to it."""

    def __init__(self, place: str, generator: Generator, heard: queue.SimpleQueue[tuple[_Worker, bytes]]) -> None:
        self.who = f"the load generator on {place}" if place else "the load generator"
        self.place = place
        self.generator = generator
        self.is_ready = False
        self.seconds: list[dict[str, Any]] = []
        self.result: dict[str, Any] | None = None
        self._rest = b""
        self._heard = heard
        threading.Thread(target=self._listen, name="generator", daemon=True).start()

    def _listen(self) -> None:
        data = b"-"
        while data:
            try:
                data = self.generator.read()
            except (OSError, ValueError):  # it was let go of
                data = b""
            self._heard.put((self, data))

    def take(self, data: bytes) -> None:
        """Take what it said; nothing is its end.

        Raises:
            Inconclusive: It died, refused the job, or speaks nonsense.
        """
        if not data and self.result is None:
            raise Inconclusive(f"{self.who} died: {self.generator.last_words()}")
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_LIMIT_BYTES:
            raise Inconclusive(f"{self.who} sends without end")
        for line in lines:
            try:
                event = json.loads(line)
                kind = event["event"]
            except (ValueError, KeyError, TypeError) as error:
                raise Inconclusive(f"{self.who} speaks nonsense: {error}") from error
            if kind == "error":
                raise Inconclusive(f"{self.who} cannot run: {event.get('message')}")
            if kind == "ready":
                self.is_ready = True
            elif kind == "progress":
                self.seconds.append(event)
            elif kind == "result":
                self.result = {**event, "seconds": self.seconds}

    def check_reach(self, job: Mapping[str, Any]) -> None:
        """See that one that runs elsewhere reached the server at all: if not, that is the way between them.

        Raises:
            Inconclusive: It did not.
        """
        if not self.place or self.result is None or self.result["stopped"]:
            return
        if not self.result["connections"]["established"]:
            errors = ", ".join(self.result["errors"]) or "no error"
            raise Inconclusive(
                f"no connection came about from {self.place} to port {job['port']} ({errors})",
                where=self.place,
                next_step="see that this host may reach the server there: firewall, address, load_from",
            )


class _Crew:
    """All generators of a run."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []
        self._heard: queue.SimpleQueue[tuple[_Worker, bytes]] = queue.SimpleQueue()

    def hire(self, place: str, generator: Generator, job: Mapping[str, Any]) -> None:
        """Give a generator its job."""
        generator.tell(json.dumps(job))
        self.workers.append(_Worker(place, generator, self._heard))

    def attend(self, longest_s: float, progress: Progress, alarm: Alarm) -> float:
        """Wait for all to be ready, let them go together, and listen until all are done. Returns when they went.

        Raises:
            Inconclusive: One of them failed, or did not end in time.
        """
        until, went_s, stop_until = time.monotonic() + longest_s, 0.0, 0.0
        next_beat, told = 0.0, 0
        while any(worker.result is None for worker in self.workers):
            now = time.monotonic()
            if stop_until and now > stop_until:
                break  # who does not answer has lost its link and stops by itself, or is ended by us
            if now > until:
                raise Inconclusive(f"the load generator did not end within {longest_s:.0f} s")
            if now >= next_beat:
                self._tell("listening")
                next_beat = now + HEARTBEAT_S
            with contextlib.suppress(queue.Empty):
                worker, data = self._heard.get(timeout=ALARM_EVERY_S)
                worker.take(data)
            if not went_s and all(worker.is_ready for worker in self.workers):
                went_s = time.monotonic()
                self._tell("go")
            why = alarm()
            while (second := self._second(told)) is not None:
                told += 1
                why = progress(second) or why
            if why and not stop_until:
                self._tell("stop")
                stop_until = time.monotonic() + STOP_PATIENCE_S
        return went_s or time.monotonic()

    def _tell(self, line: str) -> None:
        for worker in self.workers:
            if worker.result is None:
                worker.generator.tell(line)

    def _second(self, number: int) -> dict[str, Any] | None:
        """Give a second of all together, once all have told theirs."""
        if any(len(worker.seconds) <= number and worker.result is None for worker in self.workers):
            return None
        told = [worker.seconds[number] for worker in self.workers if len(worker.seconds) > number]
        return merge_second(told) if told else None

"""Journeys of a user's own as load: Locust, told what to do and asked what came of it as ``loadgen`` is.

Packed with ``loadgen`` into one program, which runs as a process of its own: with the Python that runs deployer, or,
sent to another host, with the one that has Locust there. Nothing imports this module.

Lines in: the job, ``go``, ``stop``, and anything as a sign that somebody listens. Lines out: ready, progress, result.
The end of stdin, or silence, ends it; what does not listen then is killed with all that it started.
"""

from __future__ import annotations

import _thread
import json
import logging
import os
import sys
import time
import types

# what gevent puts in the place of these would not run while a journey computes
from select import select
from time import sleep
from typing import Any, Final

from . import loadgen

Document = dict[str, Any]

#: Where a host that is not this machine has Locust, if not beside its own python3.
OWN_PYTHON: Final = "~/.local/share/deployer/locust/bin/python"
#: The version that the extra of deployer pins.
LOCUST: Final = "locust==2.47.0"
INSTALL: Final = f"on that host: python3 -m venv {OWN_PYTHON[:-11]} && {OWN_PYTHON[:-6]}pip install {LOCUST}"
#: After a stop, whatever still runs is killed; s.
KILL_AFTER_S: Final = 1.5
KILL: Final = 9
LOOK_S: Final = 0.05
#: More names than this are told as one: a name for each page of a shop is none.
NAMES_LIMIT: Final = 100
OTHER_NAMES: Final = "(other names)"


def start(_arguments: list[str]) -> int:
    """Run the job of stdin; exit status 0 for a result, 2 for a job or journeys that are no good."""
    text = getattr(sys.modules[__package__ or ""], "PROGRAM", "")
    if text:  # it was sent, and runs without the packages of this Python
        own = os.path.expanduser(OWN_PYTHON)  # noqa: PTH111 - one word
        python = own if os.access(own, os.X_OK) else sys.executable
        os.execv(python, [python, "-I", "-c", "PROGRAM_TEXT = ''\n" + text])  # noqa: S606 - no shell is wanted
    if os.getpgid(0) != os.getpid():
        os.setsid()  # all that journeys start is killed with us, and nothing else
    out = os.dup(1)
    os.dup2(2, 1)  # what journeys print is talk

    def emit(document: Document) -> None:
        data = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(out, data) :]

    commands = loadgen.Commands(0)
    try:
        job = commands.job()
        if job.get("cpus") and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, job["cpus"])
        _thread.start_new_thread(_listen, (commands, float(job.get("silence_s") or 0)))
        emit(Journeys(job, commands).run(emit))
    except BrokenPipeError:
        return 3
    except Refused as error:
        emit({"event": "error", "message": str(error)})
        return 2
    # nobody waits for users that wait for an answer, and what they started ends with them
    os.killpg(0, KILL)
    return 0


def _listen(commands: loadgen.Commands, silence_s: float) -> None:
    """Take commands, in a thread that no journey can hold up."""
    while not commands.stop:
        if select([0], [], [], 0.2)[0]:
            commands.read()
        elif silence_s and loadgen.clock() - commands.heard_at > silence_s:
            commands.stop = True
    sleep(KILL_AFTER_S)
    os.killpg(0, KILL)


class Refused(Exception):  # noqa: N818 - what it says is told, and it never leaves this file
    """The job cannot be done."""


class Step:
    """What was asked under one name."""

    def __init__(self) -> None:
        self.done = self.errors = 0
        self.first_error = ""
        self.latency = loadgen.Histogram()


class Journeys:
    """Users of this process, and what they were answered.

    Args:
        job: As ``loadgen`` takes it, with ``journeys`` (the text), ``file`` (its name) and ``folder`` (here).
        commands: What is said on stdin.
    """

    def __init__(self, job: Document, commands: loadgen.Commands) -> None:
        self.job, self.commands = job, commands
        self.users = int(job["connections"])
        self.counts = loadgen.Counts()
        self.steps: dict[str, Step] = {}
        self.is_counting = False
        self.alive_min = self.users
        self.runner = self._runner()

    def _runner(self) -> Any:
        try:
            import locust  # noqa: PLC0415 - it changes the whole process, and may be missing
            from locust.env import Environment  # noqa: PLC0415 - likewise
            from locust.util.load_locustfile import is_user_class  # noqa: PLC0415 - likewise
        except ImportError as error:
            raise Refused(f"Locust is not there for {sys.executable} ({error}); {INSTALL}") from error
        logging.disable()  # what goes wrong is counted and told
        _only_to(self.job)
        _trusting(locust, self.job)
        module = types.ModuleType("journeys")
        module.__file__ = self.job["file"]
        sys.modules["journeys"] = module
        if self.job.get("folder"):
            sys.path.insert(0, self.job["folder"])
        try:
            exec(compile(self.job["journeys"], self.job["file"], "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - the user's own program is what is run here
        except BaseException as error:
            raise Refused(f"{self.job['file']} cannot be read: {type(error).__name__}: {error}") from error
        classes = [item for item in vars(module).values() if is_user_class(item) and item.__module__ == "journeys"]
        if not classes:
            raise Refused(f"{self.job['file']} has no class of users: none derives from HttpUser or FastHttpUser")
        environment = Environment(user_classes=classes, host=_base_url(self.job))
        environment.events.request.add_listener(self.took)
        environment.events.user_error.add_listener(self.failed)
        return environment.create_local_runner()

    def run(self, emit: Any) -> Document:
        """Spawn the users, wait for go, count for as long as the job says; give the result."""
        spawn_per_s = float(self.job.get("opened_per_s") or 100)
        began = loadgen.clock()
        self.runner.start(self.users, spawn_rate=spawn_per_s)
        until = began + float(self.job.get("timeout_s") or 10) + 1.5 * self.users / spawn_per_s
        while self.runner.user_count < self.users and loadgen.clock() < until and not self.commands.stop:
            time.sleep(LOOK_S)
        opened_s = round(loadgen.clock() - began, 3)
        established = self.runner.user_count
        emit({"event": "ready", "alive": established, "wanted": self.users, "opened_s": opened_s})
        while not (self.commands.go or self.commands.stop):
            time.sleep(LOOK_S)
        cpu, waited, begin = time.process_time(), loadgen.cpu_waited_s(), loadgen.clock()
        self.is_counting = True
        self.alive_min = self.runner.user_count
        self._count(begin, emit)
        self.is_counting = False
        wall_s = max(1e-3, loadgen.clock() - begin)
        waited_now = loadgen.cpu_waited_s()
        return {
            "event": "result",
            "duration_s": round(min(wall_s, float(self.job["duration_s"])), 4),
            "opened_s": opened_s,
            "cpu_share": round((time.process_time() - cpu) / wall_s, 4),
            "cpu_wait_share": None
            if waited is None or waited_now is None
            else round((waited_now - waited) / wall_s, 4),
            **self._result(established),
        }

    def _count(self, begin: float, emit: Any) -> None:
        end, tick = begin + float(self.job["duration_s"]), begin + 1.0
        while not self.commands.stop:
            now = loadgen.clock()
            if now >= tick:
                alive = self.runner.user_count
                self.alive_min = min(self.alive_min, alive)
                state = {"alive": alive, "in_flight": alive, "backlog": 0}
                emit({"event": "progress", "t_s": round(now - begin, 2), **state, **self.counts.second()})
                tick += 1.0
            if now >= end:
                return
            time.sleep(max(0.001, min(LOOK_S, end - now, tick - now)))

    def took(self, *, name: str, response_time: float, response_length: int, exception: Any, **more: Any) -> None:
        """Count a request that has ended."""
        if not self.is_counting:
            return
        step, seconds = self._step(name), max(0.0, float(response_time or 0) / 1000)
        self.counts.planned += 1
        self.counts.of_second.record(seconds)
        step.latency.record(seconds)
        if exception is None:
            self.counts.done += 1
            step.done += 1
            self.counts.bytes_in += int(response_length or 0)
        else:
            self._fail(step, _kind(exception, more.get("response")), f"{name}: {exception}")

    def failed(self, *, exception: Any, **_more: Any) -> None:
        """Count what a journey itself raised."""
        if self.is_counting:
            self.counts.planned += 1
            self._fail(self._step("(the script)"), "script", f"{type(exception).__name__}: {exception}")

    def _step(self, name: str) -> Step:
        known = str(name)[:200]
        known = known if known in self.steps or len(self.steps) < NAMES_LIMIT else OTHER_NAMES
        return self.steps.setdefault(known, Step())

    def _fail(self, step: Step, kind: str, text: str) -> None:
        self.counts.fail(kind, text)
        step.errors += 1
        step.first_error = step.first_error or text[:200]

    def _result(self, established: int) -> Document:
        counts = self.counts
        alive = self.runner.user_count
        nothing = loadgen.Histogram().document()
        return {
            "mode": "closed",
            "planned": counts.planned,
            "sent": counts.planned,
            "done": counts.done,
            "done_in_time": counts.done,
            "stopped": self.commands.stop,
            "errors": dict(sorted(counts.errors.items())),
            "first_errors": counts.first_errors,
            "header_values": {},
            "http_bytes_in": counts.bytes_in,
            "connections": {
                "wanted": self.users,
                "established": established,
                "alive_min": self.alive_min,
                "alive_end": alive,
                "closed_idle": 0,
                "reopened": 0,
            },
            "latency": counts.latency().document(),
            "service": nothing,
            "late": nothing,
            "rss_mib": loadgen.rss_mib(),
            "tls": {"is": "TLS", "verified": bool(self.job["tls"].get("verify"))} if self.job.get("tls") else None,
            "steps": {
                name: {
                    "done": step.done,
                    "errors": step.errors,
                    "first_error": step.first_error,
                    "latency": step.latency.document(),
                }
                for name, step in self.steps.items()
            },
        }


def _base_url(job: Document) -> str:
    return f"{'https' if job.get('tls') else 'http'}://{job['host']}"


def _only_to(job: Document) -> None:
    """Have the target's name lead to its address, and no other name anywhere: only that host has allowed load."""
    import gevent  # noqa: PLC0415 - comes with Locust

    name, address = job["host"].partition(":")[0], job["address"]
    hub = gevent.get_hub()
    real = hub.resolver

    class OnlyTarget(type(real)):  # type: ignore[misc] # its class is known at run time alone
        def getaddrinfo(self, host: Any, port: Any, *args: Any, **more: Any) -> Any:
            asked = host.decode() if isinstance(host, bytes) else host
            if asked not in (name, address):
                raise OSError(f"journeys may ask {name} alone, not {asked}: load goes to hosts that allow it")
            return real.getaddrinfo(address, port, *args, **more)

        def gethostbyname(self, host: Any) -> Any:
            return self.getaddrinfo(host, 0)[0][4][0]

    hub.resolver = OnlyTarget(hub)


def _trusting(locust: Any, job: Document) -> None:
    """Do without the check of certificates where deployer does, as with one that a host made for itself."""
    verify = bool((job.get("tls") or {}).get("verify"))
    locust.FastHttpUser.insecure = not verify
    if verify:
        return
    import urllib3  # noqa: PLC0415 - comes with Locust
    from locust.clients import HttpSession  # noqa: PLC0415 - likewise

    urllib3.disable_warnings()
    made = HttpSession.__init__

    def without_check(self: Any, *args: Any, **more: Any) -> None:
        made(self, *args, **more)
        self.verify = False

    HttpSession.__init__ = without_check


def _kind(exception: Any, response: Any) -> str:
    """Name an error as ``loadgen`` does, as far as it is one of these."""
    words = f"{type(exception).__name__} {exception}".lower()
    if getattr(response, "status_code", 0):
        return "journey" if "catchresponse" in words else "status"
    for sign, kind in (
        ("timeout", "timeout"),
        ("timed out", "timeout"),
        ("refused", "connect_refused"),
        ("reset", "reset"),
    ):
        if sign in words:
            return kind
    if "too many open files" in words or "cannot assign requested address" in words:
        return "generator_sockets"
    return "journey" if "catchresponse" in words else "connect"

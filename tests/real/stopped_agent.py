"""The agent, stopped at a step of its transaction, so that a fault happens exactly there.

The product has no hook for this: the text that is sent is the agent's own with a few lines behind two of its modules.
"""

from __future__ import annotations

import contextlib
import json
import struct
import subprocess
from typing import TYPE_CHECKING, Any

from agent_client import Plan, tar_of
from fault_cases import WAY_BACK

from deployer.agent.progress import STEPS
from deployer.packing import LOADER, Program, agent_program, module_sources, pack

if TYPE_CHECKING:
    from swept_host import SweptHost

#: On the host: `at` holds the agent's pid once it has stopped, `go` lets it go on, `over` says that it has an answer.
#: In memory, for a disk may be full.
MARKS = "/run/fault"
_STOP = """

def _stopping(say):
    import os

    def saying(self, message):
        say(self, message)
        if self.step in {steps!r} and message.startswith({message!r}) and not os.path.exists("{marks}/at"):
            with open("{marks}/at.new", "w") as mark:
                mark.write(str(os.getpid()))
            os.rename("{marks}/at.new", "{marks}/at")
            while not os.path.exists("{marks}/go"):
                time.sleep(0.005)

    return saying


Progress.say = _stopping(Progress.say)
"""
_TELL = """

def _telling(emit):
    def emitting(self, document):
        if "event" not in document:
            open("{marks}/over", "w").close()
        emit(self, document)

    return emitting


Peer.emit = _telling(Peer.emit)
"""
#: A step has parts; the one where the most has been done and the most is yet to be done.
PART = {
    "packages": "installing",
    "candidate": "tx: asking it",
    "activate": "restart",
    WAY_BACK: "putting the files back",
}


def stopping_at(step: str, *, part: str = "") -> Program:
    """Pack an agent that stops when it enters a step, or the way back from whichever."""
    sources = module_sources("deployer.agent")
    steps = STEPS if step == WAY_BACK else (step,)
    sources["progress"] += _STOP.format(steps=steps, message=part, marks=MARKS)
    sources["main"] += _TELL.format(marks=MARKS)
    return pack(sources, package="deployer.agent", entry="main")


class Talk:
    """A connection with an agent at its other end, as the control machine has one."""

    def __init__(self, ssh_argv: list[str], program: Program | None = None) -> None:
        self.process = subprocess.Popen(
            [*ssh_argv, f"python3 -I -S -c '{LOADER}'"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin
        assert self.process.stdout
        self._in, self._out = self.process.stdin, self.process.stdout
        self._in.write((program or agent_program()).wire)
        self._in.flush()
        assert self._out.readline() == b"DEPLOYER-AGENT 1\n"

    def ask(self, document: dict[str, Any], blob: bytes = b"") -> None:
        data = json.dumps(document).encode()
        self._in.write(struct.pack(">II", len(data), len(blob)) + data + blob)
        self._in.flush()

    def next(self) -> dict[str, Any] | None:
        """Wait for the next event or answer; None when the connection is lost."""
        head = self._out.read(8)
        if len(head) < 8:
            return None
        size, blob_size = struct.unpack(">II", head)
        told = json.loads(self._out.read(size))
        self._out.read(blob_size)
        return dict(told)

    def answer(self) -> dict[str, Any] | None:
        while (told := self.next()) is not None and "event" in told:
            pass
        return told

    def end(self) -> None:
        for stream in (self._in, self._out):
            with contextlib.suppress(OSError):
                stream.close()
        self.process.kill()
        self.process.wait(10)


class Deploy:
    """A deploy under way, whose agent stands still at a step."""

    def __init__(self, host: SweptHost, plan: Plan, step: str, *, ssh_argv: list[str] | None = None) -> None:
        self.host, self.plan = host, plan
        host.sh(f"rm -rf {MARKS}; mkdir {MARKS}")
        part = PART.get(step, "") if step != "packages" or host.lacks_a_package(plan) else ""
        self.talk = Talk(ssh_argv or host.ssh_argv, stopping_at(step, part=part))
        self.talk.ask(apply_of(plan), tar_of(plan.blobs))
        while (told := self.talk.next()) is not None:
            assert "event" in told, f"it ended before it came to {step}: {told}"
            if (step == WAY_BACK or told.get("step") == step) and told.get("message", "").startswith(part):
                break
        self.pid = int(host.sh(f"until test -s {MARKS}/at; do sleep 0.01; done; cat {MARKS}/at"))

    def go(self) -> None:
        self.host.sh(f"touch {MARKS}/go")

    def wait_until_over(self) -> None:
        """Wait for the answer on the host itself, whoever hears it."""
        self.host.eventually(f"test -e {MARKS}/over", "the agent does not end")


def apply_of(plan: Plan) -> dict[str, Any]:
    return {"op": "apply", "transaction": plan.transaction, "who": "tester@here", "plan": plan.doc}

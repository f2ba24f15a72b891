"""Packages, pip and migrations run in transient units, inside the memory that the budget priced.

A unit of its own also means that what it starts cannot outlive it unseen, and that it is not killed half way
when the connection is lost: `stop_all` ends what a dead transaction left running.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from . import command
from .refusal import Refusal

if TYPE_CHECKING:
    from .progress import Progress

PREFIX = "deployer-work"
MAKE_ROOM = "make room on the host (df -h /), then run the same command again"
#: What a command gets between being told to end and being killed; a return waits for it, s.
STOP_S = 15
KILLED = 255  # what systemd-run makes of a process that died of a signal
_numbers = itertools.count(1)


class Work:
    """The place where a transaction's heavy commands run.

    Args:
        limits: The plan's `work`: the slice and the memory of one command; MiB.
        progress: Looked at while a command runs.
    """

    def __init__(self, limits: Mapping[str, Any], progress: Progress) -> None:
        self.limits = dict(limits)
        self._slice = str(limits["slice"])
        self._memory_max_mib = int(limits["memory_max_mib"])
        self._progress = progress

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        user: str = "root",
        cwd: str = "/",
        environment: Mapping[str, str] | None = None,
        environment_file: str = "",
        credentials: Mapping[str, str] | None = None,
        groups: Sequence[str] = (),
        properties: Sequence[str] = (),
        may_be_cut: bool = True,
    ) -> command.Result:
        """Run a program to its end.

        Args:
            argv: Program and arguments; no secret in them.
            timeout_s: After so many seconds the unit is stopped.
            user: Who runs it.
            cwd: Where.
            environment: Variables, no secret among them.
            environment_file: File with more variables; it may be missing.
            credentials: File by name: the program reads them in `$CREDENTIALS_DIRECTORY`, nobody else can.
            groups: Groups of the host besides the user's own.
            properties: Further unit properties.
            may_be_cut: Whether it ends when the control machine is gone; a package tool is left to finish.
        """
        unit = f"{PREFIX if may_be_cut else 'deployer-packages'}-{os.getpid()}-{next(_numbers)}.service"
        call = [
            "systemd-run",
            "--pipe",
            "--wait",
            "--collect",
            "--quiet",
            f"--unit={unit}",
            f"--slice={self._slice}",
        ]
        settings = [
            f"MemoryMax={self._memory_max_mib}M",
            "MemorySwapMax=0",
            f"RuntimeMaxSec={int(timeout_s) + 5}",
            f"TimeoutStopSec={STOP_S}",
            f"User={user}",
            f"WorkingDirectory={cwd}",
            *(f"LoadCredential={name}:{path}" for name, path in (credentials or {}).items()),
            *([f"EnvironmentFile=-{environment_file}"] if environment_file else []),
            *([f"SupplementaryGroups={' '.join(groups)}"] if groups else []),
            *properties,
        ]
        for setting in settings:
            call += ["-p", setting]
        call += [f"--setenv={name}={value}" for name, value in (environment or {}).items()]
        call.append("--")
        call += [word.replace("$", "$$") for word in argv]  # systemd expands variables in the words of a command
        check = self._progress.check if may_be_cut else None
        try:
            result = command.run(call, timeout_s=self._progress.left_s(timeout_s), check=check)
        except Refusal:
            _stop(unit)
            raise
        if result.timed_out:
            _stop(unit)
        return result


def failure(kind: str, what: str, result: command.Result, *, next: str = "") -> Refusal:  # noqa: A002 - as in the protocol
    """Return the refusal for a command that ended badly; a full disk is called by its name."""
    if command.says_disk_full(result.output):
        lines = [
            line for line in result.output.splitlines() if command.says_disk_full(line)
        ]  # not where it was noticed
        return Refusal("disk_full", f"{what}: the host's disk is full", detail="\n".join(lines[-3:]), next=MAKE_ROOM)
    how = f"ended with status {result.status}"
    if result.timed_out:
        how = "took too long"
    elif result.status == KILLED:
        how = "was killed; most likely it needed more memory than the plan's `work` allows"
    return Refusal(kind, f"{what} {how}", detail=result.output, next=next)


def stop_all() -> None:
    """Stop commands that a dead transaction left running (not the package tool, which must not be cut)."""
    _stop(f"{PREFIX}-*.service")


def _stop(unit: str) -> None:
    command.run(["systemctl", "stop", unit], timeout_s=100)

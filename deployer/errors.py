"""The exception tree. Every error knows which state the host is in, and that state is the exit code.

Nothing here prints. The command line calls ``diagnostics()`` once, at the very end; a library user catches
``DeployerError`` or one of its kinds. Exceptions of other libraries are translated at the one module that
calls the library; one that leaks is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class DeployerError(Exception):
    """Base of everything that deployer raises on purpose.

    Attributes:
        exit_code: What the process exits with; it names the host's state (table: docs/json.md).
        host_state: The host's state in words, for people.
        where: The file, setting, host or step that the error is about; may be empty.
        next_step: What to do now; what is usual for this kind of error if nothing better is known.
    """

    exit_code: ClassVar[int] = 1
    host_state: ClassVar[str] = "unknown to this process"
    usual_next_step: ClassVar[str] = "report this as a fault of deployer, with what is said above"

    def __init__(self, message: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.next_step = next_step or self.usual_next_step

    def diagnostics(self) -> str:
        """Say what happened, where, what state the host is in and what to do next, one line each."""
        lines = [self.message]
        if self.where:
            lines.append(f"  where: {self.where}")
        lines.append(f"  host:  {self.host_state}")
        if self.next_step:
            lines.append("  next:  " + self.next_step.replace("\n", "\n         "))
        return "\n".join(lines)


class UsageError(DeployerError):
    """The command line asks for something that does not exist or contradicts itself. Exit code 2."""

    exit_code = 2
    host_state = "not contacted"
    usual_next_step = "correct the command line; --help after a task's name lists its options"


class InventoryError(DeployerError):
    """The inventory files are wrong. Exit code 2.

    Args:
        problems: One text per fault found, each with file, line, dotted path and what was expected.
    """

    exit_code = 2
    host_state = "not contacted"
    usual_next_step = "correct the inventory and run the same command again"

    def __init__(self, message: str, *, problems: Sequence[str] = (), where: str = "", next_step: str = "") -> None:
        super().__init__(message, where=where, next_step=next_step)
        self.problems = tuple(problems)

    def diagnostics(self) -> str:
        """List every fault of the inventory, then the host's state and what to do."""
        first, *rest = super().diagnostics().splitlines()
        return "\n".join([first, *(f"  {problem}" for problem in self.problems), *rest])


class BudgetError(DeployerError):
    """What is asked for does not fit the hardware; the text is the ledger and what would make it fit. Exit code 3."""

    exit_code = 3
    host_state = "not contacted"
    usual_next_step = "change the inventory and run the same command again"


class RenderError(DeployerError):
    """A template is missing, broken or uses a name that it is not given. Exit code 3."""

    exit_code = 3
    host_state = "not contacted"
    usual_next_step = "correct the template and run the same command again"


class HostUntouched(DeployerError):  # noqa: N818 - the name states the outcome, as the exit code does
    """Something failed before anything on the host was changed. Exit code 4."""

    exit_code = 4
    host_state = "untouched: nothing that serves was changed"
    usual_next_step = "remove the cause and run the same command again"


class ConnectError(HostUntouched):
    """The host could not be reached, or the connection was lost before anything was changed."""

    usual_next_step = "see that the host is up and that ssh.address and ssh.port in the inventory are right"


class AuthError(HostUntouched):
    """The host refused the SSH login."""

    usual_next_step = "see that ssh.user and ssh.key_file in the inventory are right and the host has the public key"


class SudoError(HostUntouched):
    """sudo refused: wrong or missing password, or the user may not use it."""

    usual_next_step = "see on the host what sudo -l says to this user"


class AgentError(HostUntouched):
    """The agent could not run on the host: no python3, too old a python3, or an answer that is not the protocol."""

    usual_next_step = "run the same command again; if it fails again, report it with what is said above"


class LockHeld(HostUntouched):
    """Another deploy holds the host's lock."""

    usual_next_step = "wait until the other one is over, then run the same command again"


class FactsMismatch(HostUntouched):
    """The host is not what the inventory declares: less memory, another release, a missing certificate."""

    usual_next_step = "correct the inventory, or the host, and run the same command again"


class PreparationFailed(HostUntouched):
    """A package, wheel or release could not be prepared; what serves was not touched."""


class ValidationFailed(HostUntouched):
    """The host's own binaries refused the staged files; they never became live."""

    usual_next_step = "correct what the host's own check names, and run the same command again"


class PlanOutdated(HostUntouched):
    """The host changed between plan and apply."""

    usual_next_step = "run the same command again: it looks at the host anew"


class RolledBack(DeployerError):  # noqa: N818 - the name states the outcome
    """The change went live, failed, and the host was put back as it was. Exit code 5."""

    exit_code = 5
    host_state = "restored: it serves as before the deploy"
    usual_next_step = "correct what failed and run the same command again"


class HostUnknown(DeployerError):  # noqa: N818 - the name states the outcome
    """The change failed and the return failed too, or its outcome is not known. Exit code 6."""

    exit_code = 6
    host_state = "UNKNOWN: look at it now"
    usual_next_step = "log in to the host and look at what is named above"


class VerificationFailed(DeployerError):  # noqa: N818 - the name states the outcome
    """The deploy is live, but the host does not keep what the budget promises. Exit code 7."""

    exit_code = 7
    host_state = "live, but not as promised"
    usual_next_step = "look at the objective that was missed in the report"


class HostKeyError(DeployerError):
    """The host's key is unknown or is not the one that is trusted. Exit code 8."""

    exit_code = 8
    host_state = "untouched: not even logged in"
    usual_next_step = "compare the key with the one that the provider's console shows"


class ChangedHostKeyError(HostKeyError):
    """The host shows another key than the one that is trusted for it. Exit code 8, a kind of its own for scripts."""

    usual_next_step = "find out whether the machine was set up anew before anything is sent to it"


class Inconclusive(DeployerError):  # noqa: N818 - the name states the outcome
    """The load test could not tell: the generator, the link or a neighbour was the limit. Exit code 9."""

    exit_code = 9
    host_state = "live; the promise is neither shown nor refuted"
    usual_next_step = "run the load test again from a machine that is less busy or nearer"

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
        next_step: What to do now; may be empty.
    """

    exit_code: ClassVar[int] = 1
    host_state: ClassVar[str] = "unknown to this process"

    def __init__(self, message: str, *, where: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.next_step = next_step

    def diagnostics(self) -> str:
        """Say what happened, where, what state the host is in and what to do next, one line each."""
        lines = [self.message]
        if self.where:
            lines.append(f"  where: {self.where}")
        lines.append(f"  host:  {self.host_state}")
        if self.next_step:
            lines.append(f"  next:  {self.next_step}")
        return "\n".join(lines)


class UsageError(DeployerError):
    """The command line asks for something that does not exist or contradicts itself. Exit code 2."""

    exit_code = 2
    host_state = "not contacted"


class InventoryError(DeployerError):
    """The inventory files are wrong. Exit code 2.

    Args:
        problems: One text per fault found, each with file, line, dotted path and what was expected.
    """

    exit_code = 2
    host_state = "not contacted"

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


class RenderError(DeployerError):
    """A template is missing, broken or uses a name that it is not given. Exit code 3."""

    exit_code = 3
    host_state = "not contacted"


class HostUntouched(DeployerError):  # noqa: N818 - the name states the outcome, as the exit code does
    """Something failed before anything on the host was changed. Exit code 4."""

    exit_code = 4
    host_state = "untouched: nothing was changed"


class ConnectError(HostUntouched):
    """The host could not be reached, or the connection was lost before anything was changed."""


class AuthError(HostUntouched):
    """The host refused the SSH login."""


class SudoError(HostUntouched):
    """sudo refused: wrong or missing password, or the user may not use it."""


class AgentError(HostUntouched):
    """The agent could not run on the host: no python3, too old a python3, or an answer that is not the protocol."""


class LockHeld(HostUntouched):
    """Another deploy holds the host's lock."""


class FactsMismatch(HostUntouched):
    """The host is not what the inventory declares: less memory, another release, a missing certificate."""


class PreparationFailed(HostUntouched):
    """A package, wheel or release could not be prepared; what serves was not touched."""


class ValidationFailed(HostUntouched):
    """The host's own binaries refused the staged files; they never became live."""


class PlanOutdated(HostUntouched):
    """The host changed between plan and apply."""


class RolledBack(DeployerError):  # noqa: N818 - the name states the outcome
    """The change went live, failed, and the host was put back as it was. Exit code 5."""

    exit_code = 5
    host_state = "restored: it serves as before the deploy"


class HostUnknown(DeployerError):  # noqa: N818 - the name states the outcome
    """The change failed and the return failed too, or its outcome is not known. Exit code 6."""

    exit_code = 6
    host_state = "UNKNOWN: look at it now"


class VerificationFailed(DeployerError):  # noqa: N818 - the name states the outcome
    """The deploy is live, but the host does not keep what the budget promises. Exit code 7."""

    exit_code = 7
    host_state = "live, but not as promised"


class HostKeyError(DeployerError):
    """The host's key is unknown or is not the one that is trusted. Exit code 8."""

    exit_code = 8
    host_state = "untouched: not even logged in"


class Inconclusive(DeployerError):  # noqa: N818 - the name states the outcome
    """The load test could not tell: the generator, the link or a neighbour was the limit. Exit code 9."""

    exit_code = 9
    host_state = "live; the promise is neither shown nor refuted"

"""What came of a return: what could not be put back, what a person does about it, what was left on purpose."""

from __future__ import annotations

from typing import Callable

from .refusal import Refusal


class Outcome:
    """What came of a return.

    Attributes:
        problems: What could not be put back; empty means that the host is as before.
        commands: For a person, one or more per problem.
        kept: What was left on purpose.
        told: How each database stands that a migration was run on.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.commands: list[str] = []
        self.kept: list[str] = []
        self.told: list[str] = []

    @property
    def state(self) -> str:
        """The protocol's state."""
        return "unknown" if self.problems else "restored"


class Attempt:
    """Runs a step of the return and notes what went wrong with it, so that the next one is tried all the same."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def __call__(self, step: Callable[[], object], problem: str, remedy: str) -> bool:
        """Run a step; say whether it worked.

        Args:
            step: What is done.
            problem: What it means for the host if it fails.
            remedy: What a person does then; empty if there is no command for it.
        """
        try:
            step()
        except (Refusal, OSError) as error:
            self._outcome.problems.append(f"{problem}: {error}")
            if remedy:
                self._outcome.commands.append(remedy)
            return False
        return True

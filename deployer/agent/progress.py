"""What a running transaction tells the control machine, and the two reasons to give up: it is gone, or time is."""

from __future__ import annotations

import time
from typing import Any, Callable

from .refusal import Refusal

STEPS = (
    "lock",
    "recover",
    "compare",
    "packages",
    "accounts",
    "secrets",
    "releases",
    "room",
    "stage",
    "validate",
    "journal",
    "arm",
    "swap",
    "daemon-reload",
    "sysctls",
    "candidate",
    "activate",
    "dump",
    "gate",
    "confirm",
    "commit",
    "clean-up",
)
"""Every step of a transaction, in order; the way back can follow any step from `arm` to `commit`.

`candidate` and `activate` take turns: an app's migrations, its candidate, its restart, the next app's.
"""


class Progress:
    """The thread of one transaction: its steps with their times, and whether it may go on.

    Args:
        emit: Sends an event to the control machine.
        stopped: Waits up to so many seconds; True as soon as the control machine is gone.
    """

    def __init__(self, emit: Callable[[dict[str, Any]], None], stopped: Callable[[float], bool]) -> None:
        self._emit = emit
        self._stopped = stopped
        self._began: float | None = None
        self._deadline: float | None = None
        self.told_to_stop = False  # set by SIGTERM
        self.watch: Callable[[], object] = lambda: None  # what it raises is a reason to give up, too
        self.step = STEPS[0]
        self.steps: list[dict[str, Any]] = []

    def enter(self, step: str, message: str = "") -> None:
        """Begin a step (or a further part of it); the one before it ends now."""
        self._close()
        self.step = step
        self.steps.append({"step": step, "message": message, "duration_ms": 0})
        self._began = time.monotonic()
        self.say(message)

    def wait(self, holder: str) -> None:
        """Tell once for whom we wait, and give up when the control machine does."""
        self.check()
        message = f"waiting for {holder}"
        if self.steps[-1]["message"] != message:
            self.enter(self.step, message)

    def say(self, message: str) -> None:
        """Tell something about the step that is running."""
        self._emit({"event": "step", "step": self.step, "message": message})

    def limit(self, seconds: float) -> None:
        """From now on `check` refuses when so many seconds have passed."""
        self._deadline = time.monotonic() + seconds

    def left_s(self, at_most_s: float) -> float:
        """Return how long something may still take; s, at least 0.1."""
        if self._deadline is None:
            return at_most_s
        return max(0.1, min(at_most_s, self._deadline - time.monotonic()))

    def check(self, wait_s: float = 0.0) -> None:
        """Wait for so long, look at what is watched, and give up if there is a reason to.

        Raises:
            Refusal: `watch` found something, the control machine is gone, a signal said stop, or the time of the return
                timer is nearly used up.
        """
        if self._stopped(wait_s):
            raise Refusal("fault", "the control machine is gone or asked to stop", step=self.step)
        if self.told_to_stop:
            raise Refusal("fault", "the agent was told to stop by a signal", step=self.step)
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise Refusal("fault", "the deploy took longer than the time that it was given", step=self.step)
        self.watch()

    def finished(self) -> list[dict[str, Any]]:
        """Return the steps with their durations; ms."""
        self._close()
        return self.steps

    def _close(self) -> None:
        if self.steps and self._began is not None:
            self.steps[-1]["duration_ms"] = round((time.monotonic() - self._began) * 1000)
            self._began = None

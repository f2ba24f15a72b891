"""The login over a new connection that a deploy waits for when it changed what leads to the host."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from deployer.errors import AuthError, DeployerError, HostKeyError, PlanOutdated, RolledBack, SudoError
from deployer.transport import Agent

#: Between two attempts, s: sshd or the network may take a moment to come up again.
PAUSE_S = 1.0
#: The last attempt begins within this time, s: whoever is locked out gets the host back sooner than it would return.
TRY_FOR_S = 15.0
#: A login that is refused so often will be refused; asking on would only get us banned.
REFUSALS = 3

_NEXT = "correct what is named above, which let nobody in from here, and deploy again"

Anew = Callable[[], AbstractContextManager[Agent]]


@dataclass
class Confirmation:
    """Logs in anew and tells the agent of that login that the deploy may be committed.

    Attributes:
        anew: Opens a connection of its own, as the first one was made, and starts an agent there.
        transaction: The deploy.
        within_s: How long the host waits for it, s.
        problem: Why it did not work; empty if it did, or was not tried.
        tried: Whether it was.
    """

    anew: Anew
    transaction: str
    within_s: float
    problem: str = ""
    tried: bool = field(default=False, init=False)

    def give(self) -> bool:
        """Log in and confirm; say whether it worked."""
        self.tried = True
        until = time.monotonic() + min(TRY_FOR_S, self.within_s)
        refusals = 0
        while refusals < REFUSALS and time.monotonic() < until:
            if refusals or self.problem:
                time.sleep(PAUSE_S)
            try:
                with self.anew() as agent:
                    agent.call({"op": "confirm", "transaction": self.transaction}, timeout_s=self.within_s)
            except PlanOutdated:
                break  # the host has given up before us
            except DeployerError as error:
                self.problem = error.message
                refusals += isinstance(error, (AuthError, HostKeyError, SudoError))
            else:
                self.problem = ""
                return True
        return False

    def explained(self, error: RolledBack) -> RolledBack:
        """Say why the host was returned, if it was for this."""
        if not self.problem:
            return error
        message = f"{error.message}\n  | the new login: {self.problem}"
        return RolledBack(message, where=error.where, next_step=_NEXT)

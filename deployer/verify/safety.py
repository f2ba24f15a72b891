"""When a load must end by what it sees itself: errors, and a host that neither answers nor tells. Pure.

What the host tells (memory, OOM kills) is the sampler's to say. Whatever of it happens, a load ends within 2 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: More errors than this share of what ended in a second, and so many at the least, end the load.
ERRORS_SHARE: Final = 0.05
ERRORS_LEAST: Final = 10
#: A host that has told nothing for so long and has answered no request in a second counts as gone, s.
SILENCE_S: Final = 1.8


class Guard:
    """What the seconds of the load under way tell."""

    def __init__(self) -> None:
        self._errors = ""
        self._unanswered = False

    def begin(self) -> None:
        """Forget the phase before."""
        self._errors, self._unanswered = "", False

    def heard(self, second: Mapping[str, Any]) -> None:
        """Take a second of the generator's."""
        done, errors = int(second.get("done") or 0), int(second.get("errors") or 0)
        waiting = int(second.get("in_flight") or 0) + int(second.get("backlog") or 0)
        self._unanswered = not done and waiting > 0
        if errors >= ERRORS_LEAST and errors > ERRORS_SHARE * (done + errors):
            self._errors = f"{errors} of {done + errors} requests of a second failed"

    def alarm(self, silence_s: float) -> str:
        """Say why the load must end now; nothing while all is well.

        Args:
            silence_s: Since when the host has told nothing, s.
        """
        if self._errors:
            return self._errors
        if self._unanswered and silence_s > SILENCE_S:
            return f"the host has answered nothing for a second, and told nothing for {silence_s:.0f} s"
        return ""

"""What the agent raises on purpose: the reason, and the state that the host is in."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):  # noqa: N818 - the name says what the host answered
    """An answer other than "done", with the host's state.

    Args:
        kind: One of the protocol's kinds (`lock`, `outdated`, `validation`, `preparation`, `activation`,
            `probe`, `disk_full`, `unsupported`, `fault`).
        message: One line for a person.
        state: `untouched`, `restored` or `unknown`.
        step: The step of the transaction; empty until the transaction fills it in.
        detail: The tail of a command's output, or the list of what was kept.
        next: What a person does now: exact commands if the state is unknown.
    """

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        state: str = "untouched",
        step: str = "",
        detail: str = "",
        next: str = "",  # noqa: A002 - the name that it has in the protocol
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.state = state
        self.step = step
        self.detail = detail
        self.next = next

    def document(self) -> dict[str, Any]:
        """Return the protocol's `error` document."""
        return {
            "kind": self.kind,
            "message": self.message,
            "state": self.state,
            "step": self.step,
            "detail": self.detail,
            "next": self.next,
        }

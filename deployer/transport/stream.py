"""A request whose events are the point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from deployer.transport.client import Agent

    Event = Mapping[str, Any]
    Exchange = Generator[dict[str, Any], None, dict[str, Any]]


class Stream:
    """A request whose events are read as they come: iterate, and ``stop`` from any thread.

    Leaving it as a context stops the request and waits for its answer.

    Attributes:
        answer: The ``ok`` document, once the iteration has ended.
    """

    def __init__(self, agent: Agent, exchange: Exchange) -> None:
        self._agent = agent
        self._exchange = exchange
        self.answer: dict[str, Any] | None = None

    def __iter__(self) -> Iterator[Event]:
        """Give the events up to the answer; raises what ``call`` raises."""
        while self.answer is None:
            try:
                event = next(self._exchange)
            except StopIteration as end:
                self.answer = end.value or {}
                return
            yield event

    def stop(self) -> None:
        """Ask for the end; the iteration then ends with the answer."""
        self._agent.send_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        if kind is not None:
            self._exchange.close()  # ends the agent
        elif self.answer is None:
            self.stop()
            for _ in self:
                pass

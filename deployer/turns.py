"""Hosts at the same time: a thread for each that is under way, as the rollout allows, and everything told in one place.

Nothing is shared between the threads: each has its own connection, and what they tell comes to the caller's thread.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import SimpleQueue
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from deployer.errors import ConnectError, DeployerError
from deployer.rollout import Colour, Rollout

T = TypeVar("T")
#: Gets the step that a host is at and a message; a remark has no step.
Tell = Callable[[str, str], None]


@dataclass(frozen=True, slots=True)
class Told:
    """What a host is at.

    Attributes:
        host: Its name.
        step: The step; empty: the message is a remark.
        message: What there is to say of it; may be empty.
    """

    host: str
    step: str
    message: str


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """A turn that came to its end.

    Attributes:
        host: Whose.
        value: What came of it; None if there is an error.
        error: Why nothing came of it; None if something did.
        colour: How it counts.
        took_s: How long it took, s.
    """

    host: str
    value: T | None
    error: DeployerError | None
    colour: Colour
    took_s: float


class Watch(Protocol):
    """Who is told of everything, in the caller's thread."""

    def began(self, host: str) -> None:
        """A host's turn began."""

    def told(self, told: Told) -> None:
        """A host is at another step, or has a remark."""

    def ended(self, ended: Ended[T]) -> None:
        """A host's turn is over."""


@dataclass(frozen=True, slots=True)
class Turns(Generic[T]):
    """How it went.

    Attributes:
        rollout: Its last state: after Ctrl-C it names the hosts that were still under way.
        ended: Every turn that came to its end, by host, in the order of the ends.
        interrupted: Whether Ctrl-C ended it. What was under way ends with this process, whose connections close then:
            a host in the middle of a deploy returns by itself.
    """

    rollout: Rollout
    ended: Mapping[str, Ended[T]] = field(default_factory=dict)
    interrupted: bool = False


def take_turns(
    rollout: Rollout, work: Callable[[str, Tell], T], colour_of: Callable[[T], Colour], watch: Watch
) -> Turns[T]:
    """Do a work on every host, as its turn comes.

    Args:
        rollout: Which hosts, in which order, how many at the same time.
        work: Gets a host's name and whom to tell of its steps; runs in a thread of its own.
        colour_of: How a result counts. An error counts as red, or as down where the host could not be reached.
        watch: Is told of everything.
    """
    told: SimpleQueue[Told | Ended[T]] = SimpleQueue()
    ended: dict[str, Ended[T]] = {}
    try:
        while not rollout.is_over:
            for host in rollout.may_begin():
                rollout = rollout.begin(host)
                watch.began(host)
                turn = _Turn(host, work, colour_of, told)
                # a daemon: Ctrl-C does not wait for a host that is silent, and closing its connection is what undoes
                threading.Thread(target=turn.run, name=f"host {host}", daemon=True).start()
            news = told.get()
            if isinstance(news, Told):
                watch.told(news)
                continue
            rollout = rollout.end(news.host, news.colour)
            ended[news.host] = news
            watch.ended(news)
    except KeyboardInterrupt:
        return Turns(rollout, ended, interrupted=True)
    return Turns(rollout, ended)


class _Turn(Generic[T]):
    """One host's work in its thread; whatever it ends with is its outcome, and no other host's."""

    def __init__(
        self,
        host: str,
        work: Callable[[str, Tell], T],
        colour_of: Callable[[T], Colour],
        told: SimpleQueue[Told | Ended[T]],
    ) -> None:
        self._host = host
        self._work = work
        self._colour_of = colour_of
        self._told = told
        self._value: T | None = None
        self._colour = Colour.RED
        self._began_s = 0.0

    def run(self) -> None:
        with self:
            value = self._work(self._host, self._tell)
            self._colour, self._value = self._colour_of(value), value

    def _tell(self, step: str, message: str) -> None:
        self._told.put(Told(self._host, step, message))

    def __enter__(self) -> Self:
        self._began_s = time.monotonic()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, raised: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        error = raised if raised is None or isinstance(raised, DeployerError) else _fault(raised, self._host)
        if isinstance(error, ConnectError):
            self._colour = Colour.DOWN
        self._told.put(Ended(self._host, self._value, error, self._colour, time.monotonic() - self._began_s))
        return True


def _fault(raised: BaseException, host: str) -> DeployerError:
    """Make an error of a fault of ours: the others' outcome is not lost by it."""
    text = "".join(traceback.format_exception(raised)).rstrip()
    return DeployerError(f"this is a fault of deployer:\n{text}", where=f"hosts.{host}")

"""Whose turn it is among many hosts: canaries first, then batches, and nothing after a red. Pure.

rollout = Rollout.of(["web1", "web2", "web3"], canary=Share(1), batch=Share(50, is_percent=True))
rollout.may_begin()                                          # ("web1",)
rollout.begin("web1").end("web1", Colour.GREEN).may_begin()  # ("web2",)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from deployer.errors import UsageError

#: Hosts that are worked on at the same time; what one costs this machine stands in docs/benchmarks.md (bench.fleet).
AT_ONCE: Final = 8


class Colour(StrEnum):
    """How a host's turn ended."""

    GREEN = "green"
    """As wanted."""
    DOWN = "down"
    """It could not be reached, so it says nothing about the change."""
    RED = "red"
    """Anything else."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of the hosts.

    Attributes:
        number: A count from 1, or percent from 1 to 100.
        is_percent: Which of them.
    """

    number: int
    is_percent: bool = False

    def of(self, hosts: int) -> int:
        """Say how many that is: percent are rounded down, as nobody wants more than was said, but never to none."""
        return max(1, hosts * self.number // 100) if self.is_percent else min(self.number, hosts)


def read_share(text: str, *, option: str) -> Share | None:
    """Read ``3`` or ``25%``; nothing is None.

    Raises:
        UsageError: It is neither.
    """
    if not text:
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,4})(%?)", text, re.ASCII)
    if not found or (found[2] and int(found[1]) > 100):
        raise UsageError(
            f"{text!r} is no share of the hosts", where=option, next_step=f"{option} 3, or {option} 25%: 1 to 100%"
        )
    return Share(int(found[1]), bool(found[2]))


@dataclass(frozen=True, slots=True)
class Rollout:
    """A fleet and how far it is.

    The canaries go one after the other; within a batch at most ``at_once`` are under way. After the first red no host
    begins, in this batch or a later one; those under way come to their end. A canary has to be green: one that is
    down has shown nothing. Of the others, one that is down stops nobody.

    Attributes:
        waves: The hosts: the canaries, if there are any, then the batches.
        canaries: How many hosts the first wave is a canary of; 0: there is none.
        at_once: How many may be under way at the same time, from 1.
        stops: Whether a red stops it; where nothing is changed, nothing needs to.
        running: Those under way.
        ended: Those that had their turn.
    """

    waves: tuple[tuple[str, ...], ...]
    canaries: int = 0
    at_once: int = AT_ONCE
    stops: bool = True
    running: frozenset[str] = frozenset()
    ended: Mapping[str, Colour] = field(default_factory=dict)

    @classmethod
    def of(
        cls, hosts: Sequence[str], *, canary: Share | None = None, batch: Share | None = None, at_once: int = AT_ONCE
    ) -> Rollout:
        """Share hosts out, in their order.

        Args:
            hosts: Their names, each once.
            canary: How many go first; None: no canary.
            batch: How many of all hosts make a batch; None: all the rest is one.
            at_once: How many may be under way at the same time.
        """
        canaries = canary.of(len(hosts)) if canary else 0
        rest = hosts[canaries:]
        size = batch.of(len(hosts)) if batch else max(1, len(rest))
        batches = tuple(tuple(rest[start : start + size]) for start in range(0, len(rest), size))
        waves = (tuple(hosts[:canaries]), *batches) if canaries else batches
        return cls(waves, canaries=canaries, at_once=at_once)

    @classmethod
    def survey(cls, hosts: Sequence[str], *, at_once: int = AT_ONCE) -> Rollout:
        """Take hosts in their order and stop for nothing: for what changes nothing."""
        return cls((tuple(hosts),), at_once=at_once, stops=False)

    @property
    def hosts(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return tuple(host for wave in self.waves for host in wave)

    @property
    def stopped_by(self) -> str | None:
        """The first host that allows no other to begin; None: it goes on."""
        if not self.stops:
            return None
        first = self.hosts[: self.canaries]
        return next(
            (
                host
                for host, colour in self.ended.items()
                if colour is Colour.RED or (host in first and colour is not Colour.GREEN)
            ),
            None,
        )

    @property
    def not_begun(self) -> tuple[str, ...]:
        """Those that had no turn yet, and after a stop get none."""
        return tuple(host for host in self.hosts if host not in self.ended and host not in self.running)

    @property
    def is_over(self) -> bool:
        """Whether nothing is under way and nothing may begin."""
        return not self.running and not self.may_begin()

    def is_canary(self, host: str) -> bool:
        """Say whether a host is one of the canaries."""
        return host in self.hosts[: self.canaries]

    def may_begin(self) -> tuple[str, ...]:
        """Say which hosts' turn it is now."""
        if self.stopped_by is not None:
            return ()
        for number, wave in enumerate(self.waves):
            waiting = [host for host in wave if host not in self.ended and host not in self.running]
            if waiting or self.running.intersection(wave):
                at_once = 1 if self.canaries and number == 0 else self.at_once
                return tuple(waiting[: max(0, at_once - len(self.running))])
        return ()

    def begin(self, host: str) -> Rollout:
        """Note that a host's turn begins."""
        return replace(self, running=self.running | {host})

    def end(self, host: str, colour: Colour) -> Rollout:
        """Note how it ended."""
        return replace(self, running=self.running - {host}, ended={**self.ended, host: colour})

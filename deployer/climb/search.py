"""What is tried next: one knob by one step, the way that last gained first, and nothing twice. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from deployer.climb.candidates import Candidate, Pins, candidate
from deployer.climb.knobs import DIRECTIONS, Direction, Knob, knobs_of
from deployer.errors import BudgetError
from deployer.inventory import Entry


@dataclass(frozen=True, slots=True)
class Step:
    """One change that is worth a trial.

    Attributes:
        knob: What is turned, from its present value.
        direction: Which way.
        candidate: The host with it.
    """

    knob: Knob
    direction: Direction
    candidate: Candidate

    @property
    def value(self) -> int:
        """What the knob is turned to."""
        return self.candidate.pins[self.knob.path]

    @property
    def words(self) -> str:
        """Say it in a line."""
        return f"{self.knob.path}: {self.knob.value} -> {self.value} {self.knob.unit}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that the budget or the inventory does not allow; nothing of it reaches the host."""

    path: str
    value: int
    because: str


@dataclass(slots=True)
class Search:
    """A climb's way so far.

    Attributes:
        entry: The host as the inventory has it.
        best: The best that is known; at first the host as it is.
        refused: What was not allowed.
    """

    entry: Entry
    best: Candidate
    refused: list[Refused] = field(default_factory=list)
    _tried: set[frozenset[tuple[str, int]]] = field(default_factory=set)
    _gained: tuple[str, Direction] | None = None

    @classmethod
    def of(cls, entry: Entry) -> Search:
        """Begin at the host as the inventory has it.

        Raises:
            BudgetError: It does not even fit now.
        """
        return cls(entry, candidate(entry, {}))

    def next(self) -> Step | None:
        """Give the next step that fits; None: the top is reached, as far as these knobs go."""
        for knob, direction in self._ways():
            value = knob.turned(direction)
            if value is None:
                continue
            pins = {**self.best.pins, knob.path: value}
            key = frozenset(pins.items())
            if key in self._tried:
                continue
            self._tried.add(key)
            try:
                found = candidate(self.entry, pins)
            except BudgetError as error:
                self.refused.append(Refused(knob.path, value, error.message.splitlines()[0]))
                continue
            return Step(knob, direction, found)
        return None

    def keep(self, step: Step) -> None:
        """Go on from a step that gained."""
        back = {**step.candidate.pins, step.knob.path: step.knob.value}
        self._tried.add(frozenset(back.items()))  # where it came from, pinned or derived
        self.best, self._gained = step.candidate, (step.knob.path, step.direction)

    @property
    def pins(self) -> Pins:
        """Pins that have gained so far."""
        return self.best.pins

    def _ways(self) -> Iterator[tuple[Knob, Direction]]:
        knobs = knobs_of(self.best.entry.declaration, self.best.budget)
        ways = [(knob, direction) for knob in knobs for direction in DIRECTIONS]
        ways.sort(key=lambda way: (way[0].path, way[1]) != self._gained)  # stable: else in the order of the knobs
        yield from ways

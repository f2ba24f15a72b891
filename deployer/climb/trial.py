"""The climb: step after step, each in trials of A B B A, and at the end a state of the host that is known.

Whatever happens (a candidate that does not start, an alarm, Ctrl-C, a lost link), the host goes back to what it was.
Each change of state is an ordinary transaction: between two of them the host runs a committed, budgeted set of files.
Should this machine die, the host's own dead man's switch takes it back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from deployer.climb.candidates import Candidate, Pins
from deployer.climb.search import Refused, Search, Step
from deployer.climb.statistics import BLOCK, Decision, Reading, decide, harm_of
from deployer.errors import ConnectError, HostUnknown, HostUntouched, RolledBack
from deployer.inventory import Entry

Say = Callable[[str, str], None]
Clock = Callable[[], float]


class Host(Protocol):
    """What a climb wants of a host."""

    def become(self, candidate: Candidate) -> bool:
        """Deploy a candidate as one transaction; False: the host is that already, file by file."""
        ...

    def read(self) -> Reading:
        """Load the host as it is, for a while."""
        ...

    def leave(self) -> None:
        """Let the host stay as it is; until then it goes back by itself to what it ran before, should we be gone."""
        ...


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a climb may go.

    Attributes:
        trials: Changes that are tried at the most.
        blocks: Blocks of four readings for each at the most.
        seconds: No trial begins after this time, s.
    """

    trials: int = 12
    blocks: int = 3
    seconds: float = 1800.0


@dataclass(frozen=True, slots=True)
class Trial:
    """One change that was tried.

    Attributes:
        step: The change.
        readings: What was read, in order: ``A`` as before, ``B`` changed.
        decision: What became of it.
    """

    step: Step
    readings: tuple[tuple[str, Reading], ...]
    decision: Decision


@dataclass(slots=True)
class Outcome:
    """A climb, as far as it came.

    Attributes:
        trials: What was tried.
        refused: What the budget or the inventory did not allow.
        pins: Pins that gained: to be added to the inventory.
        ended: Why it ended.
        left_as: What the host runs now: ``what it ran before``, ``what gained``, or ``a candidate`` that was not
            returned.
    """

    trials: list[Trial] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    pins: Pins = field(default_factory=dict)
    ended: str = "interrupted"
    left_as: str = "a candidate"


def climb(
    entry: Entry,
    host: Host,
    bounds: Bounds,
    *,
    say: Say,
    clock: Clock,
    keep: bool = False,
    outcome: Outcome | None = None,
) -> Outcome:
    """Look for better settings of a host by trial.

    Args:
        entry: The host as the inventory has it; it must run just that.
        host: Deploys and measures.
        bounds: How far to go.
        say: Gets what is tried, and what came of it.
        clock: Monotonic, s.
        keep: Leave the host with the pins that gained; else it goes back to what the inventory says.
        outcome: Is filled as the climb goes on, for whoever wants what is known after Ctrl-C.

    Returns:
        What was found.

    Raises:
        BudgetError: The host as it is does not fit.
        ConnectError: The host was not reached in the middle of it; it was brought back since.
        HostUnknown: The host could not be brought back; the text says what it runs.
    """
    search = Search.of(entry)
    before, found = search.best, outcome if outcome is not None else Outcome()
    found.refused = search.refused
    try:
        found.ended = _Climb(search, host, bounds, found, say).all(clock)
    finally:
        gained = search.best if keep else before
        _return(host, gained, say)
        found.left_as = "what gained" if gained.pins else "what it ran before"
    return found


@dataclass(frozen=True, slots=True)
class _Climb:
    """One climb under way."""

    search: Search
    host: Host
    bounds: Bounds
    found: Outcome
    say: Say

    def all(self, clock: Clock) -> str:
        """Try one step after the other; gives why it ended."""
        began = clock()
        while len(self.found.trials) < self.bounds.trials:
            if clock() - began > self.bounds.seconds:
                return f"its time of {self.bounds.seconds / 60:.0f} min is over"
            step = self.search.next()
            if step is None:
                return "no step that fits is left"
            name = f"trial {len(self.found.trials) + 1}"
            self.say(name, step.words)
            trial = self._trial(step)
            self.found.trials.append(trial)
            self.say(name, f"{step.words}: {trial.decision.verdict}, {trial.decision.because}")
            if trial.decision.verdict == "keep":
                self.search.keep(step)
                self.found.pins = self.search.pins
        return f"{self.bounds.trials} trials were made"

    def _trial(self, step: Step) -> Trial:
        """Read A B B A until it is clear."""
        readings: list[tuple[str, Reading]] = []
        decision = Decision("go on", 0.0, None, "nothing was read")
        while decision.verdict == "go on":
            for state in BLOCK:
                if why := self._read(step, state, readings):
                    return Trial(step, tuple(readings), Decision("drop", 0.0, None, why))
            decision = decide(readings, step.knob.aim, most_blocks=self.bounds.blocks)
        return Trial(step, tuple(readings), decision)

    def _read(self, step: Step, state: str, readings: list[tuple[str, Reading]]) -> str:
        """Deploy a state and read it; gives why the trial ends here, if it does.

        A candidate that the host refuses is dropped: the transaction left the host as it was.
        """
        try:
            changed = self.host.become(self.search.best if state == "A" else step.candidate)
        except ConnectError:
            raise  # it has been tried again and again: no other candidate would get there
        except (RolledBack, HostUntouched) as error:
            return f"refused: {error.message}"
        if state == "B" and not changed and readings[-1][0] == "A":
            return "it changes no file of the host"
        reading = self.host.read()
        readings.append((state, reading))
        self.say(f"  {state}", ", ".join(f"{kind} {rate:.0f}/s" for kind, rate in reading.req_per_s.items()))
        return harm_of(state, reading)


def _return(host: Host, state: Candidate, say: Say) -> None:
    """Bring the host to a state that is known.

    Raises:
        HostUnknown: It cannot be reached, or does not take it.
    """
    pins = ", ".join(f"{path}: {value}" for path, value in state.pins.items())
    say("return", f"to {pins or 'what the inventory says'}")
    try:
        host.become(state)
        host.leave()
    except (RolledBack, HostUntouched) as error:
        raise HostUnknown(
            "the host could not be brought back: it runs what it ran before, or the last candidate, committed and "
            f"within its budget, from which it goes back by itself some 20 minutes later: {error.message}",
            where=error.where,
            next_step=f"deployer deploy --host {state.entry.name}: it brings back what the inventory says",
        ) from error

"""The host's own record of its deploys: what was done, the way back, and what a dead one left open.

The record lives on the host, so all of this works from any machine that may log in, whatever its inventory makes of
the host's budget by now.

    with on_record(entry) as record:
        for done in record.history():
            print(done.identifier, done.outcome)
        record.apply(record.way_back())
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployer import transport
from deployer.access import login_of
from deployer.apply import Applied, apply, who
from deployer.errors import FactsMismatch
from deployer.inventory import Entry
from deployer.oomkills import Found, put_together
from deployer.plan import Plan, back_plan

if TYPE_CHECKING:
    from deployer.adoption import Found as FoundByHand
    from deployer.transport import Agent, Remote

Say = Callable[[str], None]
#: Nobody watches longer, s.
FOLLOW_S = 24 * 3600.0
#: What was there before the first deploy, as ``--to`` names it.
NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Done:
    """One transaction that ended.

    Attributes:
        identifier: Its name.
        who: User and machine that ran it, as that machine says.
        login: Account that was logged in; None: not known.
        came_from: Address that the login came from; None: not known.
        began: When it began, UTC, ISO 8601.
        ended: When it ended.
        outcome: ``committed``, ``untouched`` or ``restored``; ``set`` where settings of a running server were changed
            without a transaction.
        problem: Why it was not committed.
        back_to: Transaction that it went back to, if it was a way back.
        trial_of: Transaction that it left for a while, if it was a trial of ``tune`` or its way back.
        files: Paths that it replaced.
        units: What was done to which units.
        releases: Releases that came with it.
        databases: How each database stands that it ran a migration on, in words.
        settings: What was set in a running server, former value and new one.
        is_live: Whether it is the last that was committed.
        is_on_record: Whether the host can go back to it.
    """

    identifier: str
    who: str
    login: str | None
    came_from: str | None
    began: str
    ended: str
    outcome: str
    problem: str
    back_to: str | None
    trial_of: str | None
    files: tuple[str, ...]
    units: tuple[str, ...]
    releases: tuple[str, ...]
    databases: tuple[str, ...]
    settings: tuple[str, ...]
    is_live: bool
    is_on_record: bool


@dataclass(frozen=True, slots=True)
class History:
    """What the host's record says.

    Attributes:
        done: Transactions that ended, the newest first.
        left_open: Names of those that did not: a deploy that runs, or one that died.
        running: Who holds the lock (``who``, ``transaction``, ``pid``, ``since``); None: nobody.
    """

    done: tuple[Done, ...]
    left_open: tuple[str, ...]
    running: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Drifted:
    """One thing that is not as the last deploy left it.

    Attributes:
        kind: ``file`` or ``unit``.
        name: Its path or name.
        what: What is other than it was, in words.
    """

    kind: str
    name: str
    what: str


@dataclass
class Record:
    """A host's record, with an agent that reads it."""

    entry: Entry
    agent: Agent = field(repr=False)
    remote: Remote = field(repr=False)

    def history(self, limit: int = 20) -> History:
        """Tell the last transactions: so many, but at least one and at most 200."""
        answer = self.agent.call({"op": "history", "limit": limit}, timeout_s=60)
        done = tuple(_done(line) for line in answer["transactions"])
        return History(done, tuple(answer["open"]), answer["lock"])

    def status(self) -> Mapping[str, Any]:
        """Tell how the host is now, as the agent's ``status`` answers (docs/agent-protocol.md)."""
        return self.agent.call({"op": "status"}, timeout_s=60)

    def oom(self, since: str = "") -> Found:
        """Tell what was killed for want of memory since a time, in journalctl's words; else within a week."""
        return put_together(self.agent.call({"op": "oom", "since": since or None}, timeout_s=180))

    def watch(
        self, units: Sequence[str], on_sample: Callable[[Mapping[str, Any]], None], *, interval_s: float = 1.0
    ) -> None:
        """Look at units and at the whole host again and again, until interrupted."""
        request = {"op": "sample", "units": list(units), "interval_s": interval_s, "max_s": FOLLOW_S}
        with self.agent.stream(request, timeout_s=FOLLOW_S) as stream:
            for event in stream:
                if event.get("event") == "sample":
                    on_sample(event)

    def drift(self) -> tuple[Drifted, ...]:
        """Find what was changed on the host since the last deploy, by its own record; changes nothing."""
        answer = self.agent.call({"op": "drift"}, timeout_s=120)
        return tuple(Drifted(str(one["kind"]), str(one["name"]), str(one["what"])) for one in answer["findings"])

    def survey(self) -> tuple[Mapping[str, Any], FoundByHand]:
        """Tell the host's facts, and what runs there, by hand or not; changes nothing."""
        from deployer import adoption  # noqa: PLC0415 - once in a host's life; each deploy imports the record

        facts = self.agent.call({"op": "observe"}, timeout_s=60)["facts"]
        return facts, adoption.Found.of(self.agent.call(adoption.question(), timeout_s=120))

    def logs(
        self,
        on_line: Callable[[str], None],
        *,
        units: Sequence[str] = (),
        lines: int = 100,
        since: str = "",
        follow: bool = False,
    ) -> None:
        """Read the journal of units.

        Args:
            on_line: Gets each line.
            units: Which; none: all that deploys recorded.
            lines: How many from before, 1 to 5000.
            since: Not older than this, in journalctl's words; none: whatever there is.
            follow: Go on until interrupted.
        """
        request = {"op": "logs", "units": list(units), "lines": lines, "since": since, "follow": follow}
        with self.agent.stream(request, timeout_s=FOLLOW_S if follow else 120) as stream:
            for event in stream:
                if event.get("event") == "line":
                    on_line(str(event.get("text", "")))

    def way_back(self, to: str | None = None) -> Plan:
        """Plan the way back to an earlier transaction; changes nothing.

        Args:
            to: Its name, or ``nothing``: what was there before the first; None: the one before the last.

        Raises:
            FactsMismatch: It is not on record, or something that it needs is gone.
        """
        return back_plan(self.entry.name, self.agent.call({"op": "back", "to": to}, timeout_s=120))

    def apply(
        self, plan: Plan, on_step: Callable[[str, str], None] = lambda _step, _message: None, *, wait_s: float = 0.0
    ) -> Applied:
        """Go that way, in a transaction like any other."""
        return apply(self.agent, plan, {}, on_step, anew=self.remote.anew, wait_s=wait_s)

    def recover(self, *, wait_s: float = 0.0, leave_databases: Sequence[str] = ()) -> tuple[str, ...]:
        """Finish or take back what a dead deploy left open.

        Args:
            wait_s: How long to wait for a deploy that is at work, s.
            leave_databases: Names of databases that stay as they stand, because somebody put them right by hand.

        Returns:
            What was done, a line each; nothing: there was nothing to do.

        Raises:
            LockHeld: A deploy is at work.
            HostUnknown: It cannot be taken back; the error says what to do by hand.
        """
        request = {"op": "recover", "who": who(), "wait_s": wait_s, "leave_databases": list(leave_databases)}
        answer = self.agent.call(request, timeout_s=900 + wait_s)
        return tuple(answer["settled"])


@contextmanager
def on_record(entry: Entry, *, say: Say = lambda _line: None) -> Iterator[Record]:
    """Connect to a host for its record; its budget is not asked for."""
    with transport.connect(login_of(entry), say=say) as remote, remote.agent() as agent:
        yield Record(entry, agent, remote)


def _done(line: Mapping[str, Any]) -> Done:
    def text(name: str) -> str:
        return str(line.get(name) or "")

    def texts(name: str) -> tuple[str, ...]:
        return tuple(str(one) for one in line.get(name) or ())

    return Done(
        identifier=text("transaction"),
        who=text("who"),
        login=line.get("login"),
        came_from=line.get("from"),
        began=text("began"),
        ended=text("ended"),
        outcome=text("outcome"),
        problem=text("problem"),
        back_to=line.get("back_to"),
        trial_of=line.get("trial_of"),
        files=texts("files"),
        units=texts("units"),
        releases=texts("releases"),
        databases=texts("databases"),
        settings=texts("settings"),
        is_live=bool(line.get("live")),
        is_on_record=bool(line.get("on_record")),
    )


def take_back(
    entry: Entry, plan: Plan, transaction: str, tell: Callable[[str, str], None], *, wait_s: float = 0.0
) -> Applied:
    """Go back to what was there before a deploy, by the host's own record.

    Args:
        entry: The host.
        plan: Of the deploy.
        transaction: That it went live as.
        tell: Gets step and message as they come.
        wait_s: How long to wait for another deploy of the host, s.

    Raises:
        FactsMismatch: Somebody else has deployed there since.
    """
    with on_record(entry, say=lambda line: tell("", line)) as record:
        tell("way back", "")
        back = record.way_back(plan.document["last_transaction"] or NOTHING)
        last = back.document["last_transaction"]
        if last != transaction:
            raise FactsMismatch(
                f"somebody has deployed {last} since, so {transaction} is not taken back",
                where=entry.name,
                next_step=f"deployer history --host {entry.name}",
            )
        return record.apply(back, tell, wait_s=wait_s)

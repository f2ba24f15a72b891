"""Many hosts as one report: what came of each, as text and as a document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deployer.apply import Applied
from deployer.errors import DeployerError
from deployer.fleet import Deployed, Fleet, failed_return, worst
from deployer.report.error import error_document
from deployer.report.plan import deploy_document
from deployer.turns import Ended, Turns

SCHEMA = "deployer/fleet/1"
#: What a process says that Ctrl-C ended.
INTERRUPTED = 130
#: Tasks that leave a host other than it was.
CHANGING = ("deploy", "rollback")
T = TypeVar("T")

_COLOURS = {"green": "green", "red": "bold red", "down": "red", "taken back": "yellow", "not taken back": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOutcome:
    """What came of one host.

    Attributes:
        host: Its name.
        state: ``green``, ``red``, ``down``, ``taken back``, ``not taken back``, ``not begun`` or ``interrupted``.
        exit_code: As if it had been the only host; None: nothing came of it.
        took_s: How long it took, the way back left out, s.
        message: What there is to say, in a line.
        document: What the task gives for one host, or an error; None: nothing came of it.
        error: Why it is not green, if an error is why.
        way_back: How it was taken back: its transaction or the error; None: it was not tried.
    """

    host: str
    state: str
    exit_code: int | None = None
    took_s: float | None = None
    message: str = ""
    document: Mapping[str, Any] | None = None
    error: DeployerError | None = None
    way_back: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class FleetReport:
    """What came of all.

    Attributes:
        task: What was done.
        hosts: Each, in the order of their turns.
        stopped_by: The host after which no other was begun; None: all were.
        interrupted: Whether Ctrl-C ended it.
    """

    task: str
    hosts: tuple[HostOutcome, ...]
    stopped_by: str | None = None
    interrupted: bool = False

    @property
    def exit_code(self) -> int:
        """The worst of the hosts', or that of Ctrl-C."""
        codes = [one.exit_code for one in self.hosts if one.exit_code is not None]
        return INTERRUPTED if self.interrupted else worst(codes)


def report_of(
    task: str, turns: Turns[T], document_of: Callable[[T], tuple[Mapping[str, Any], int, str]]
) -> FleetReport:
    """Put together what came of the turns.

    Args:
        task: What was done.
        turns: How it went.
        document_of: Gives a result's document, exit code and line of text.
    """

    def outcome(host: str) -> HostOutcome:
        ended = turns.ended.get(host)
        if ended is None:
            if host in turns.rollout.running:
                return HostOutcome(host=host, state="interrupted", message="it was under way")
            return HostOutcome(host=host, state="not begun")
        if ended.value is None:
            return _failed(ended)
        document, code, message = document_of(ended.value)
        return HostOutcome(
            host=host,
            state=ended.colour.value,
            exit_code=code,
            took_s=ended.took_s,
            message=message,
            document=document,
        )

    hosts = tuple(outcome(host) for host in turns.rollout.hosts)
    return FleetReport(task, hosts, turns.rollout.stopped_by, turns.interrupted)


def deploys_report(fleet: Fleet) -> FleetReport:
    """Put together what came of a deploy and of the ways back."""
    report = report_of("deploy", fleet.deploys, _deployed)
    hosts = tuple(_after_return(one, fleet.returns) for one in report.hosts)
    return FleetReport(report.task, hosts, report.stopped_by, fleet.interrupted)


def _deployed(value: Deployed) -> tuple[Mapping[str, Any], int, str]:
    document = deploy_document(value.plan, value.applied, dict(value.verdict) if value.verdict else None)
    if value.applied is None:
        return document, value.exit_code, "no change"
    changes = f"{len(value.plan.changes)} change" + ("" if len(value.plan.changes) == 1 else "s")
    tested = {0: "", 7: "; the load test missed an objective"}.get(value.exit_code, "; the load test could not tell")
    return document, value.exit_code, f"live, {changes}, transaction {value.applied.transaction}{tested}"


def _failed(ended: Ended[T]) -> HostOutcome:
    error = ended.error or DeployerError("nothing came of it")
    return HostOutcome(
        host=ended.host,
        state=ended.colour.value,
        exit_code=error.exit_code,
        took_s=ended.took_s,
        message=error.message.partition("\n")[0],
        document=error_document(error),
        error=error,
    )


def _after_return(one: HostOutcome, returns: Turns[Applied] | None) -> HostOutcome:
    """Put the way back of a host, if it was tried, in the place of what came of it before."""
    if returns is None or one.host not in returns.rollout.hosts:
        return one
    ended = returns.ended.get(one.host)
    transaction = ended.value.transaction if ended and ended.value else None
    error = ended.error if ended else None
    taken = transaction is not None
    return HostOutcome(
        host=one.host,
        state="taken back" if taken else "not taken back",
        exit_code=failed_return(ended) if ended else one.exit_code,
        took_s=one.took_s,
        message=f"as before, transaction {transaction}" if taken else f"{one.message}; {_why_not(error)}",
        document=one.document,
        error=error,
        way_back={"transaction": transaction, "error": error_document(error) if error else None},
    )


def _why_not(error: DeployerError | None) -> str:
    return error.message.partition("\n")[0] if error else "interrupted before it was taken back"


def print_fleet(console: Console, report: FleetReport) -> None:
    """Print a line for each host, then each error whole."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("host")
    table.add_column("outcome")
    table.add_column("took", justify="right")
    table.add_column("", overflow="fold")
    for one in report.hosts:
        took = "" if one.took_s is None else f"{one.took_s:.1f} s"
        table.add_row(
            Text(one.host, style="bold"), Text(one.state, style=_COLOURS.get(one.state, "dim")), took, Text(one.message)
        )
    console.print(table)
    for one in report.hosts:
        if one.error is not None:
            console.print(Text.assemble("\n", (one.host, "bold"), ": ", one.error.diagnostics()), soft_wrap=True)
    for line in _closing(report):
        console.print(Text("\n" + line), soft_wrap=True)


def _closing(report: FleetReport) -> list[str]:
    begun = [one for one in report.hosts if one.state != "not begun"]
    skipped = len(report.hosts) - len(begun)
    if report.interrupted:
        by_themselves = "; a host in the middle of a change returns by itself" if report.task in CHANGING else ""
        return [f"interrupted: {_hosts(skipped)} not begun{by_themselves}"]
    if report.stopped_by is not None and skipped:
        return [f"stopped by {report.stopped_by}: {_hosts(skipped)} not begun"]
    return []


def _hosts(number: int) -> str:
    return "1 host was" if number == 1 else f"{number} hosts were"


def fleet_document(report: FleetReport) -> dict[str, Any]:
    """Give the report as data; the form is described in docs/json.md."""
    return {
        "schema": SCHEMA,
        "task": report.task,
        "exit_code": report.exit_code,
        "stopped_by": report.stopped_by,
        "interrupted": report.interrupted,
        "hosts": [_host_document(one) for one in report.hosts],
    }


def _host_document(one: HostOutcome) -> dict[str, Any]:
    return {
        "host": one.host,
        "state": one.state,
        "exit_code": one.exit_code,
        "took_s": None if one.took_s is None else round(one.took_s, 2),
        "message": one.message,
        "document": one.document,
        "way_back": one.way_back,
    }

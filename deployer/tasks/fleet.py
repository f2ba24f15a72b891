"""One task, one host or many: with one, everything is printed as ever; with many, a line each and one report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from deployer.fleet import Policy, deploy_fleet
from deployer.inventory import Entry
from deployer.report.fleet import FleetReport, deploys_report, fleet_document, print_fleet, report_of
from deployer.report.hostlines import HostLines
from deployer.report.terminal import print_document, remark, result_console
from deployer.rollout import AT_ONCE, Colour, Rollout, read_share
from deployer.turns import Tell, take_turns

Say = Callable[[str], None]
#: Exit codes of a host as it should be: nothing to say, or changes pending, which were asked for.
NO_FAILURE = (0, 10)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a task has to say of one host.

    Attributes:
        document: As data.
        show: Prints it for people.
        exit_code: What the process ends with if it is the only host.
    """

    document: Mapping[str, Any]
    show: Callable[[Console], None]
    exit_code: int = 0


def ask(
    task: str, entries: Sequence[Entry], look: Callable[[Entry, Tell], Answer], *, json: bool, at_once: int = AT_ONCE
) -> int:
    """Do something on every host that no host's failure need stop, and print what came of it.

    Args:
        task: Its name, for the report.
        entries: The hosts.
        look: What to do; gets whom to tell of steps and remarks.
        json: Print one document instead.
        at_once: On how many hosts at the same time.
    """
    if len(entries) == 1:
        answer = look(entries[0], lambda _step, message: remark(message))
        if json:
            print_document(answer.document)
        else:
            answer.show(result_console())
        return answer.exit_code
    by_name = {entry.name: entry for entry in entries}
    with HostLines(list(by_name)) as lines:
        turns = take_turns(
            Rollout.survey(list(by_name), at_once=at_once),
            lambda host, tell: look(by_name[host], tell),
            lambda answer: Colour.GREEN if answer.exit_code in NO_FAILURE else Colour.RED,
            lines,
        )
    report = report_of(task, turns, lambda answer: (answer.document, answer.exit_code, ""))
    if not json:
        for host in by_name:
            found = turns.ended[host].value if host in turns.ended else None
            if found is not None:
                found.show(result_console())
                result_console().print()
    return _publish(report, json=json)


def deploy_many(entries: Sequence[Entry], policy: Policy, *, canary: str, batch: str, parallel: int, json: bool) -> int:
    """Deploy to many hosts and print what came of it."""
    rollout = Rollout.of(
        [entry.name for entry in entries],
        canary=read_share(canary, option="--canary"),
        batch=read_share(batch, option="--batch"),
        at_once=parallel,
    )
    with HostLines(rollout.hosts) as lines:
        fleet = deploy_fleet(entries, rollout, lines, policy)
    return _publish(deploys_report(fleet), json=json)


def _publish(report: FleetReport, *, json: bool) -> int:
    if json:
        print_document(fleet_document(report))
    else:
        print_fleet(result_console(), report)
    return report.exit_code

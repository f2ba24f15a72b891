"""A deploy of many hosts: canaries first, then batches, nothing after a red, and the way back for what went live.

entries = load_inventory([Path("inventories")]).chosen("web1,shop")
rollout = Rollout.of([entry.name for entry in entries], canary=Share(1))
fleet = deploy_fleet(entries, rollout, watch, Policy(revert_green=True))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deployer.access import login_of
from deployer.apply import Applied
from deployer.deploy import Desired, connected, desired
from deployer.errors import DeployerError, Inconclusive
from deployer.inventory import Entry
from deployer.plan import Plan
from deployer.record import take_back
from deployer.rollout import Colour, Rollout
from deployer.secret import Secret
from deployer.secretvalues import read_secrets, secrets_of_apps
from deployer.turns import Ended, Tell, Turns, Watch, take_turns

#: Gives a verdict as a document and the exit code that it means.
LoadTest = Callable[[Entry, Tell], tuple[dict[str, Any], int]]

#: The worst first: what one process says of many hosts is what needs a person most. Unknown comes before all that is
#: known; then a change that failed once it was live, one that is live and not as promised, and a key that may be
#: somebody else's; then hosts that nothing was changed on, the nearer to the host the worse; then what is no failure.
WORST_FIRST: Final = (6, 1, 5, 7, 8, 4, 3, 2, 9, 10, 0)


def worst(codes: Sequence[int]) -> int:
    """Give the exit code for many hosts; 0 for none."""
    return min(codes, key=WORST_FIRST.index, default=0)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deploy of one host came to.

    Attributes:
        plan: What was to do.
        applied: What was done; None: there was nothing to do.
        verdict: What a load test said, as a document; None: there was none.
        exit_code: 0, or what the load test means.
    """

    plan: Plan
    applied: Applied | None
    verdict: Mapping[str, Any] | None = None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a deploy of many hosts came to.

    Attributes:
        deploys: The deploys.
        returns: The ways back of those that had gone live, if that was wanted and something was red.
    """

    deploys: Turns[Deployed]
    returns: Turns[Applied] | None = None

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.deploys.interrupted or (self.returns is not None and self.returns.interrupted)

    @property
    def failed(self) -> bool:
        """Whether a host stopped the rollout by a failure of its own; a load test that could not tell is none."""
        stopper = self.deploys.rollout.stopped_by
        ended = None if stopper is None else self.deploys.ended.get(stopper)
        return ended is not None and (ended.value is None or ended.value.exit_code != Inconclusive.exit_code)

    @property
    def went_live(self) -> Mapping[str, Deployed]:
        """Those with something new that is live, whatever a load test said of it."""
        found = {host: ended.value for host, ended in self.deploys.ended.items()}
        return {host: value for host, value in found.items() if value is not None and value.applied is not None}


@dataclass(frozen=True, slots=True)
class Policy:
    """How the hosts are to be deployed.

    Attributes:
        template_folders: The user's own templates.
        any_os: Go on with an operating system that is not supported.
        wait_s: How long to wait for another deploy of a host, s.
        load_test: Tests a canary once it is live; nothing else is under way then. None: no load test.
        revert_green: Take back what went live, once a host has stopped the rollout.
    """

    template_folders: tuple[Path, ...] = ()
    any_os: bool = False
    wait_s: float = 0.0
    load_test: LoadTest | None = None
    revert_green: bool = False


def deploy_fleet(entries: Sequence[Entry], rollout: Rollout, watch: Watch, policy: Policy) -> Fleet:
    """Deploy to many hosts, each in a transaction of its own.

    No host is begun where one of them does not fit, cannot be rendered, or lacks a source or a password.

    Args:
        entries: The hosts.
        rollout: Their order.
        watch: Is told of everything.
        policy: How.

    Returns:
        What came of each; errors of hosts are values in it.
    """
    wanted: dict[str, Desired] = {}
    secrets: dict[str, Mapping[str, Secret]] = {}
    refused: dict[str, Ended[Deployed]] = {}
    for entry in entries:
        try:
            login_of(entry)
            wanted[entry.name] = desired(entry, policy.template_folders)
            secrets[entry.name] = read_secrets(secrets_of_apps(entry), entry)
        except DeployerError as error:
            rollout = rollout.end(entry.name, Colour.RED)
            refused[entry.name] = Ended(entry.name, None, error, Colour.RED, 0.0)
            watch.ended(refused[entry.name])
    if refused:
        return Fleet(Turns(rollout, refused))

    def work(host: str, tell: Tell) -> Deployed:
        return _deploy(wanted[host], secrets[host], tell, policy, may_load=rollout.is_canary(host))

    fleet = Fleet(take_turns(rollout, work, _colour, watch))
    if not policy.revert_green or fleet.interrupted or not fleet.failed:
        return fleet

    def back(host: str, tell: Tell) -> Applied:
        deployed = fleet.went_live[host]
        transaction = deployed.applied.transaction if deployed.applied else ""
        return take_back(wanted[host].entry, deployed.plan, transaction, tell, wait_s=policy.wait_s)

    survey = Rollout.survey(tuple(fleet.went_live), at_once=rollout.at_once)
    return Fleet(fleet.deploys, take_turns(survey, back, lambda _applied: Colour.GREEN, watch))


def _deploy(wanted: Desired, secrets: Mapping[str, Secret], tell: Tell, policy: Policy, *, may_load: bool) -> Deployed:
    def say(line: str) -> None:
        tell("", line)

    with connected(wanted, say=say, any_os=policy.any_os, secrets=secrets) as session:
        tell("plan", "")
        plan = session.plan()
        for warning in plan.warnings:
            say(warning)
        if plan.is_empty:
            return Deployed(plan, None)
        applied = session.apply(plan, tell, wait_s=policy.wait_s)
    for note in applied.notes:
        say(note)
    if policy.load_test is None or not may_load or wanted.entry.host.load != "allowed":
        return Deployed(plan, applied)
    verdict, code = policy.load_test(wanted.entry, tell)
    return Deployed(plan, applied, verdict, code)


def _colour(deployed: Deployed) -> Colour:
    return Colour.RED if deployed.exit_code else Colour.GREEN


def failed_return(ended: Ended[Applied]) -> int:
    """Say what it means for the exit code that a host was to be taken back.

    Taken back, it is restored (5), as after a deploy that failed on it alone. Where that failed it is live with what
    was not wanted (7), or not known (6, 1).
    """
    if ended.error is None:
        return 5
    return ended.error.exit_code if ended.error.exit_code in (6, 1) else 7

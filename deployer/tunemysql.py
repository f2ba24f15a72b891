"""Tuning a host's database: watched, told, and applied: dynamic values at once, files by the transaction, or neither.

with session(entry) as host:
    tuning = watch(host, window_s=10)
    done = apply_tuning(host, tuning, restart_allowed=False)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deployer.apply import Applied, who
from deployer.deploy import Session
from deployer.errors import DeployerError, HostUnknown, UsageError
from deployer.inventory import Entry
from deployer.mysqltuning import Proposal, Tuning, question, tune
from deployer.plan import Plan, build_plan
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import TAKER, is_declared

#: What the agent needs besides the window: sizes of all tables, EXPLAIN of each statement, s.
BESIDES_S = 150.0
#: All settings set, a pool resized, everything read back, and given back if one was refused, s.
SET_WITHIN_S = 400.0
#: What a server is recorded to have been started with that does not run with its files: the next deploy restarts it.
OWED = "owed"
#: After a change it is enough to read the settings, s.
LOOK_S = 1.0

_AGAIN = "run tune-mysql for this host again: it shows what runs, and what the files say"

OnStep = Callable[[str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """One setting that was set while the server ran.

    Attributes:
        setting: Its name.
        former: What it was.
        wanted: What was asked for.
        found: What the server has now; it may have rounded.
        said: What the server warned of.
    """

    setting: str
    former: str
    wanted: str
    found: str
    said: str

    @property
    def is_rounded(self) -> bool:
        """Whether the server made a number something near what was asked for."""
        return self.wanted.isdigit() and self.found.isdigit() and int(self.wanted) != int(self.found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was applied.

    Attributes:
        set: What was set while the server ran.
        applied: The transaction that wrote the files; None: they were as they should be.
        restarted: It restarted the server.
        after: What is left to say, from a look afterwards.
    """

    set: tuple[Set, ...]
    applied: Applied | None
    restarted: bool
    after: Tuning

    @property
    def left(self) -> tuple[Proposal, ...]:
        """What still runs otherwise than the budget says: it needs a restart, or a file of somebody else's changed."""
        return self.after.changes

    @property
    def is_whole(self) -> bool:
        """Whether the server runs as the budget says, now and after the next start."""
        return not self.after.changes and not self.after.outranked


def check_tunable(entry: Entry) -> None:
    """See that a host has a database to tune, before anybody connects to it.

    Raises:
        UsageError: The inventory gives this host no MariaDB or MySQL.
    """
    if not is_declared(entry.declaration):
        raise UsageError(f"{entry.name} has no MariaDB or MySQL to tune", where=f"hosts.{entry.name}.services")


def watch(host: Session, *, window_s: float) -> Tuning:
    """Watch the database of a host for a while, and say what there is to change; changes nothing."""
    rendered = host.wanted.rendered
    answer = host.agent.call(question(rendered, window_s), timeout_s=window_s + BESIDES_S)
    return tune(rendered, answer)


def apply_tuning(
    host: Session, tuning: Tuning, *, restart_allowed: bool, on_step: OnStep = lambda _step, _message: None
) -> Done:
    """Make a server run with its budget, now and after the next start.

    Without a restart: what is dynamic is set and read back, and the files are written by a transaction; if that fails,
    the former values are set again. With a restart, if one is needed and allowed, the transaction does all of it.

    Args:
        host: The host, connected.
        tuning: What ``watch`` said.
        restart_allowed: The server may be restarted for what is read at the start alone.
        on_step: Gets step and message as they come.

    Raises:
        UsageError: A deploy would change more on this host than its database's settings.
        RolledBack: A setting was refused, or the transaction failed; all is as before.
        HostUnknown: The former values could not be set again.
    """
    waits = [one for one in tuning.changes if not one.is_dynamic and not one.outranked_by]
    restarts = bool(waits) and restart_allowed
    plan = _plan(host, restarts=restarts, is_owed=bool(waits))
    made: tuple[Set, ...] = ()
    if not restarts:
        made = _set(host, [(one.setting, one.wanted) for one in tuning.changes if one.is_dynamic], on_step)
    applied = None if plan.is_empty else _written(host, plan, made, on_step)
    return Done(set=made, applied=applied, restarted=restarts, after=watch(host, window_s=LOOK_S))


def _written(host: Session, plan: Plan, made: Sequence[Set], on_step: OnStep) -> Applied:
    """Write the files; if that fails, what was set before has its former value again.

    Raises:
        HostUnknown: The former values could not be set again: the running server keeps those of its budget.
    """
    try:
        return host.apply(plan, on_step)
    except HostUnknown as error:  # the files may be the new ones, or the former: nobody knows what would fit them
        raise HostUnknown(_kept(error.message, made), where=error.where, next_step=error.next_step) from error
    except DeployerError as error:
        try:
            _set(host, [(one.setting, one.former) for one in reversed(made)], on_step)
        except DeployerError as again:
            message = f"{_kept(error.message, made)}: {again.message}"
            raise HostUnknown(message, where=again.where, next_step=_AGAIN) from error
        raise
    except KeyboardInterrupt:
        on_step("set", _kept("interrupted", made))
        raise


def _kept(message: str, made: Sequence[Set]) -> str:
    """Say what the running server keeps, whatever became of its files."""
    if not made:
        return message
    names = ", ".join(one.setting for one in made)
    return f"{message}\n  | until its next start the server runs with what was set: {names}"


def _set(host: Session, wanted: Sequence[tuple[str, str]], on_step: OnStep) -> tuple[Set, ...]:
    if not wanted:
        return ()
    on_step("set", f"{len(wanted)} settings of the running server")
    settings = [{"name": name, "value": value} for name, value in wanted]
    request = {"op": "mysqlset", "settings": settings, "who": who()}
    answer = host.agent.call(request, timeout_s=SET_WITHIN_S)
    return tuple(
        Set(
            setting=str(one["name"]),
            former=str(one["former"]),
            wanted=str(one["wanted"]),
            found=str(one["found"]),
            said=str(one["said"]),
        )
        for one in answer["set"]
    )


def _plan(host: Session, *, restarts: bool, is_owed: bool) -> Plan:
    """Plan what writes the server's files, with a restart or without one.

    Without one, a restart that is still owed stays on the record: the next deploy does it.

    Raises:
        UsageError: There is more to change than that.
    """
    wanted = host.wanted
    unit = flavour_of(wanted.rendered.declaration).unit
    seen: Mapping[str, Any] = host.observe()
    if restarts:
        seen = copy.deepcopy(dict(seen))
        seen["units"].setdefault(unit, {})["restart_hash"] = None
    plan = build_plan(wanted.rendered, wanted.releases, seen, host.proofs())
    ours = {one.path for one in wanted.rendered.files if one.wanted.taker == TAKER}
    others = [f"{one.verb} {one.name}" for one in plan.changes if one.name not in {*ours, unit}]
    if others:
        raise UsageError(
            f"a deploy of this host has more to do than its database's settings: {', '.join(others[:3])}",
            where=f"hosts.{wanted.entry.name}",
            next_step=f"deploy --host {wanted.entry.name}, then run this again",
        )
    return plan if restarts else _without_restart(plan, unit, is_owed=is_owed or _drop_in_changes(plan, unit))


def _drop_in_changes(plan: Plan, unit: str) -> bool:
    """Say whether limits change that a process gets at its start."""
    return any(one.kind == "file" and f"/{unit}.d/" in one.name for one in plan.changes)


def _without_restart(plan: Plan, unit: str, *, is_owed: bool) -> Plan:
    document = dict(plan.document)
    document["activations"] = [one for one in document["activations"] if one.get("unit") != unit]
    if is_owed:
        document["units"] = [{**one, "restart_hash": OWED} if one["unit"] == unit else one for one in document["units"]]
    return replace(
        plan, document=document, changes=tuple(one for one in plan.changes if one.kind != "unit" or one.name != unit)
    )

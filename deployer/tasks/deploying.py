"""The tasks that plan and deploy. A deploy without a change is short: it imports nothing that only a change needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from invoke.context import Context

from deployer.apply import Applied
from deployer.deploy import session
from deployer.errors import DeployerError, Inconclusive, UsageError, VerificationFailed
from deployer.fleet import Policy
from deployer.inventory import Entry, Inventory
from deployer.plan import Plan
from deployer.planfile import LIMIT_BYTES, plan_text, read_plan
from deployer.report.error import error_document
from deployer.report.plan import deploy_document, plan_document, print_applied, print_plan
from deployer.report.terminal import Steps, print_document, remark, result_console, talk_console
from deployer.tasks.applying import apply_watched, show_plan, taken_back_watched
from deployer.tasks.fleet import Answer, ask, deploy_many
from deployer.tasks.shell import entries_of, print_error, task
from deployer.turns import Tell

CHANGES_PENDING = 10


@task
def plan(
    _context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    detailed_exitcode: bool = False,
    any_os: bool = False,
    out: str = "",
) -> int:
    """Show what a deploy would change on hosts, with the differences in their files. Changes nothing.

    `--out FILE` keeps the plan: `deployer deploy --host NAME --plan FILE` applies exactly that, or nothing if the host
    has moved since.
    """
    entries, found = entries_of(host, inventory)
    if out and len(entries) > 1:
        raise UsageError("a kept plan is one host's", where="--out", next_step=f"--host {entries[0].name}")

    keep = partial(write_plan, Path(out)) if out else None
    pending = CHANGES_PENDING if detailed_exitcode else 0
    return _plans(entries, found, json=json, any_os=any_os, pending=pending, keep=keep)


def _plans(
    entries: Sequence[Entry],
    found: Inventory,
    *,
    json: bool,
    any_os: bool,
    pending: int = 0,
    keep: Callable[[Plan], None] | None = None,
) -> int:
    def look(entry: Entry, tell: Tell) -> Answer:
        folders = found.template_folders
        with session(entry, template_folders=folders, say=partial(tell, ""), any_os=any_os) as connected:
            planned = connected.plan()
        if keep:
            keep(planned)
        code = 0 if planned.is_empty else pending
        return Answer(plan_document(planned), lambda console: print_plan(console, planned), code)

    return ask("plan", entries, look, json=json)


@task
def deploy(
    context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    no_verify: bool = False,
    any_os: bool = False,
    wait: int = 0,
    plan: str = "",
    rollback_on_fail: bool = False,
    canary: str = "",
    batch: str = "",
    parallel: int = 8,
    revert_green: bool = False,
) -> int:
    """Make a host what the inventory says, or leave it as it was; then load-test it where that is allowed.

    With nothing to change, the host is not load-tested either. `deployer --dry deploy --host NAME` only plans.
    `--rollback-on-fail` goes back to the deploy before if the host missed its objectives by its own fault.

    Many hosts, `--host web1,shop`: after the first that fails no other begins. `--canary 1` sends one ahead, and only
    canaries are load-tested; `--batch 25%` then goes on by quarters.

    Experimental, as it was never deployed and load-tested by the project: MySQL 8.0 and 8.4, MariaDB 11.4, nginx 1.24
    and 1.28, Node.js 22, zram, other kinds of gunicorn's workers. The plan says so for a host that has them.
    """
    entries, found = entries_of(host, inventory)
    only_plan = bool(context.config.run.dry)
    if len(entries) > 1:
        if plan:
            raise UsageError("a kept plan is one host's", where="--plan", next_step=f"--host {entries[0].name}")
        if rollback_on_fail:
            raise UsageError("this is about one host", where="--rollback-on-fail", next_step="--revert-green")
        if only_plan:
            return _plans(entries, found, json=json, any_os=any_os)
        policy = Policy(
            template_folders=found.template_folders,
            any_os=any_os,
            wait_s=wait,
            load_test=None if no_verify else _load_test_of_a_canary,
            revert_green=revert_green,
        )
        return deploy_many(entries, policy, canary=canary, batch=batch, parallel=parallel, json=json)
    entry = entries[0]
    kept = read_kept_plan(Path(plan)) if plan else None
    with session(entry, template_folders=found.template_folders, say=remark, any_os=any_os) as connected:
        if kept:
            connected.check(kept)
        planned = kept or connected.plan()
        if only_plan:
            show_plan(planned, json=json)
            return 0

        def apply(steps: Steps) -> Applied:
            connected.say = steps.say
            return connected.apply(planned, steps.step, wait_s=wait)

        applied = apply_watched(planned, apply)
    return _report(entry, planned, applied, json=json, verify=not no_verify, rollback_on_fail=rollback_on_fail)


def _report(
    entry: Entry, planned: Plan, applied: Applied | None, *, json: bool, verify: bool, rollback_on_fail: bool
) -> int:
    verdict: dict[str, Any] | None = None
    code = 0
    if not json:
        print_applied(result_console(), planned, applied)
    if applied is not None and verify and entry.host.load == "allowed":
        try:
            verdict, code = _load_tested(entry, quiet=json)
        except DeployerError as error:
            # what it says of the host is about the load test alone, and would deny a deploy that is live
            not_tested = f"the deploy is live, but the load test could not run: {error.message}"
            print_error(Inconclusive(not_tested, where=error.where, next_step=error.next_step))
            code = Inconclusive.exit_code
    elif applied is not None and entry.host.load != "allowed":
        talk_console().print("no load test: the inventory does not say `load: allowed`", style="dim")
    # inconclusive is 9: a test that could not tell takes nothing back
    taken_back = None
    if rollback_on_fail and applied is not None and code == VerificationFailed.exit_code:
        taken_back, code = taken_back_watched(entry, planned, applied)
    if json:
        print_document(deploy_document(planned, applied, verdict, taken_back))
    return code


def _load_tested(entry: Entry, *, quiet: bool) -> tuple[dict[str, Any], int]:
    from deployer.tasks.verification import run_verify  # noqa: PLC0415 - a deploy without a change is not load-tested

    return run_verify(entry, quiet=quiet)


def _load_test_of_a_canary(entry: Entry, tell: Tell) -> tuple[dict[str, Any], int]:
    """Test a canary; a test that cannot run does not deny a deploy that is live."""
    from deployer.tasks.verification import load_test  # noqa: PLC0415 - its imports cost time; most deploys have no canary

    try:
        document, code, _ = load_test(entry, tell)
    except DeployerError as error:
        tell("", f"the deploy is live, but the load test could not run: {error.message}")
        return error_document(error), Inconclusive.exit_code
    return document, code


def write_plan(path: Path, planned: Plan) -> None:
    """Keep a plan in a file that only its owner can read: it has the text of every config.

    Raises:
        UsageError: It cannot be written.
    """
    try:
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(plan_text(planned))
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", where="--out") from error


def read_kept_plan(path: Path) -> Plan:
    """Read a plan from its file.

    Raises:
        UsageError: It is not there, too large, or no plan.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", where="--plan") from error
    if len(data) > LIMIT_BYTES:
        raise UsageError(f"{path} is too large for a plan", where="--plan")
    return read_plan(data.decode("utf-8", "replace"), where=str(path))

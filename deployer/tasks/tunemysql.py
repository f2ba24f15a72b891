"""The task that tunes a host's database within its budget."""

from __future__ import annotations

from invoke.context import Context

from deployer.deploy import session
from deployer.errors import VerificationFailed
from deployer.report.terminal import Steps, print_document, remark, result_console, talk_console
from deployer.report.tunemysql import print_done, print_tuning, tuning_document
from deployer.tasks.shell import entry_of, task
from deployer.tunemysql import Done, apply_tuning, check_tunable, watch


@task
def tune_mysql(
    context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    window: int = 10,
    apply: bool = False,
    restart_allowed: bool = False,
) -> int:
    """Watch a host's MariaDB or MySQL, and say what to change and why; with --apply, do what needs no restart.

    Its settings come back to the host's one budget: dynamic ones are set in the running server and read back, and the
    files are written so that a reboot keeps them. What is read at the start alone waits for --restart-allowed. Memory
    that another slice does not need is named as lines for the inventory. Advice on indexes is never applied, and
    durability is what the inventory says.
    """
    entry, found = entry_of(host, inventory)
    check_tunable(entry)
    goes_on = apply and not context.config.run.dry
    done: Done | None = None
    with (
        session(entry, template_folders=found.template_folders, say=remark, with_secrets=goes_on) as connected,
        Steps() as steps,
    ):
        steps.step("watch", f"for {window} s")
        connected.say = steps.say
        tuning = watch(connected, window_s=window)
        if goes_on:
            if not json:
                print_tuning(talk_console(), entry.name, tuning)
            done = apply_tuning(connected, tuning, restart_allowed=restart_allowed, on_step=steps.step)
    if json:
        print_document(tuning_document(entry.name, tuning, done))
    elif done is None:
        print_tuning(result_console(), entry.name, tuning)
    else:
        print_done(result_console(), entry.name, done)
    return VerificationFailed.exit_code if done is not None and not done.is_whole else 0

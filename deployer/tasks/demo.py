"""The demo: the whole line on a local VPS, or the plan's offline half where this machine cannot host one."""

from __future__ import annotations

import shutil
from pathlib import Path

from invoke.context import Context
from rich.text import Text

from deployer import sandbox
from deployer.allocate import allocate
from deployer.apply import Applied
from deployer.deploy import desired, session
from deployer.render import Rendered
from deployer.report.budget import print_budget
from deployer.report.plan import print_applied
from deployer.report.reports import write_reports
from deployer.report.terminal import Steps, remark, result_console, talk_console
from deployer.tasks.applying import apply_watched
from deployer.tasks.sandboxes import start
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import kept_report, run_verify

HOST = "blog1"
REPORT = Path("reports") / f"{HOST}.json"
#: How this program is called where the demo was: it need not be on the PATH.
PROGRAM = "deployer" if shutil.which("deployer") else ".venv/bin/deployer"


@task
def demo(_context: Context, *, inventory: str = "") -> int:
    """Make a local VPS of 1 core and 1 GiB, deploy the example blog to it, load-test it, and leave it running."""
    entry, found = entry_of(HOST, inventory)
    console = result_console()
    _title("1  the budget, from the inventory alone")
    print_budget(console, entry.declaration, allocate(entry.declaration))
    reasons = sandbox.missing_requirements()
    if reasons:
        _title("2  what a first deploy would put on such a host")
        _print_wanted(desired(entry, found.template_folders).rendered)
        talk_console().print(Text(f"\nThis machine cannot host a local VPS: {'; '.join(reasons)}."))
        talk_console().print(
            "So nothing was deployed and nothing load-tested: this is the plan from the inventory alone."
        )
        return 0
    _title("2  a local VPS of that size")
    host = start(entry)
    _title("3  the deploy, over SSH, as one transaction")
    with session(entry, template_folders=found.template_folders, say=remark) as connected:
        plan = connected.plan()

        def apply(steps: Steps) -> Applied:
            connected.say = steps.say
            return connected.apply(plan, steps.step)

        applied = apply_watched(plan, apply)
    print_applied(console, plan, applied)
    _title("4  the load test: does it keep what the budget promises?")
    code = 0
    transaction = applied.transaction if applied else connected.last_transaction
    kept = kept_report(REPORT, transaction)
    if kept is not None:
        console.print(
            f"nothing has changed since {kept['started_at']}, when all {len(kept['lines'])} objectives were kept; "
            f"to test it again: {PROGRAM} verify --host {HOST}",
            soft_wrap=True,
        )
    else:
        document, code = run_verify(entry, quiet=False)
        write_reports(REPORT, [{**document, "transaction": transaction}])
    name = next(iter(entry.host.apps.values())).server_names[0]
    console.print(
        f"The whole report, every second of it: {REPORT}\n"
        f"\nThe host goes on running: curl -k --resolve {name}:443:{host.address} https://{name}/\n"
        f"  {PROGRAM} sandbox.ssh --host {HOST}     log in as root\n"
        f"  {PROGRAM} deploy --host {HOST}          a second deploy changes nothing\n"
        f"  {PROGRAM} sandbox.down --host {HOST}    take it away",
        soft_wrap=True,
    )
    return code


def _print_wanted(rendered: Rendered) -> None:
    wanted = rendered.wanted
    kinds: dict[str, list[str]] = {
        "package": list(wanted.packages),
        "user": [user.name for user in wanted.users],
        "secret": [secret.path for secret in wanted.secrets],
        "file": [file.path for file in rendered.files],
        "database": [database.name for database in wanted.databases],
        "command": [command.name for command in wanted.commands],
        "unit": [unit.unit for unit in wanted.units],
    }
    for kind, names in kinds.items():
        for name in names:
            result_console().print(Text.assemble(("  + ", "green"), f"{kind:<10}", (name, "bold")), soft_wrap=True)


def _title(text: str) -> None:
    result_console().print(Text("\n" + text, style="bold"))

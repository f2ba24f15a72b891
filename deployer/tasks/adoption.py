"""The task that takes over a host that runs a site by hand."""

from __future__ import annotations

from pathlib import Path

from invoke.context import Context

from deployer.adoption import Choices, draft, entry_at
from deployer.apply import Applied
from deployer.deploy import session
from deployer.errors import FactsMismatch, UsageError
from deployer.record import on_record
from deployer.report.adoption import adoption_document, print_adoption
from deployer.report.plan import deploy_document, print_applied, print_notes
from deployer.report.terminal import Steps, print_document, remark, result_console, talk_console
from deployer.tasks.shell import entry_of, task


@task
def adopt(
    context: Context,
    *,
    host: str = "",
    inventory: str = "",
    json: bool = False,
    stop: str = "",
    leave: str = "",
    drop: str = "",
    apply: bool = False,
    wait: int = 0,
    any_os: bool = False,
    write_inventory: str = "",
) -> int:
    """Take over a host that runs a site by hand: show what becomes of everything there; with --apply, do it.

    Without --apply nothing is changed. What nobody should guess has to be said: `--stop myblog.service` for what serves
    the site until now, `--drop shop.example` for a site that nobody serves afterwards. Data are used as they are, and
    files that are replaced are kept. If the takeover fails, the site by hand serves as before; `deployer rollback
    --host NAME --to nothing` brings it back later.

    `--write-inventory FILE` drafts an entry from what was found, for a host of the inventory or for USER@ADDRESS.
    """
    if write_inventory:
        return _write_draft(host, inventory, Path(write_inventory))
    entry, found = entry_of(host, inventory)
    choices = Choices(_names(stop), _names(leave), _names(drop))
    goes_on = apply and not context.config.run.dry
    applied: Applied | None = None
    with session(entry, template_folders=found.template_folders, say=remark, any_os=any_os) as connected:
        adoption = connected.adoption(choices)
        if goes_on and adoption.is_ready and not adoption.plan.is_empty:
            if not json:
                print_adoption(talk_console(), adoption, diffs=False)
            with Steps() as steps:
                connected.say = steps.say
                applied = connected.apply(adoption.plan, steps.step, wait_s=wait)
            print_notes(talk_console(), applied)
    if goes_on and adoption.is_ready:
        if json:
            print_document(deploy_document(adoption.plan, applied, None))
        else:
            print_applied(result_console(), adoption.plan, applied)
        return 0
    print_document(adoption_document(adoption)) if json else print_adoption(result_console(), adoption)
    if not goes_on or adoption.is_ready:
        return 0
    talk_console().print(f"nothing was changed: {len(adoption.lacking)} decisions are lacking")
    return FactsMismatch.exit_code


def _write_draft(host: str, inventory: str, path: Path) -> int:
    entry = entry_at(host) if "@" in host else entry_of(host, inventory)[0]
    with on_record(entry, say=remark) as record:
        text = draft(entry, *record.survey())
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}", where="--write-inventory") from error
    result_console().print(f"{path}: answer the questions in it, then `deployer adopt --host NAME --inventory {path}`")
    return 0


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)

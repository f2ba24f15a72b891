"""The task that asks a host's servers what they run with."""

from __future__ import annotations

from invoke.context import Context
from rich.text import Text

from deployer.deploy import session
from deployer.doctor import diagnose, question
from deployer.errors import VerificationFailed
from deployer.report.doctor import diagnosis_document, print_diagnosis
from deployer.report.terminal import print_document, result_console, talk_console
from deployer.tasks.shell import entry_of, task

#: All servers together answer within this time, or the host is at fault; s.
PATIENCE_S = 120


@task
def doctor(_context: Context, *, host: str = "", inventory: str = "", json: bool = False) -> int:
    """Ask the servers of a host what they really run with, and compare it with the budget. Changes nothing."""
    entry, found = entry_of(host, inventory)
    with session(entry, template_folders=found.template_folders, say=_say, with_secrets=False) as connected:
        rendered = connected.wanted.rendered
        diagnosis = diagnose(rendered, connected.agent.call(question(rendered), timeout_s=PATIENCE_S))
    if json:
        print_document(diagnosis_document(entry.name, diagnosis))
    else:
        print_diagnosis(result_console(), entry.name, diagnosis)
    return 0 if diagnosis.agrees else VerificationFailed.exit_code


def _say(line: str) -> None:
    talk_console().print(Text(line), soft_wrap=True)

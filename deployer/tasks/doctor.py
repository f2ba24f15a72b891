"""The task that asks a host's servers what they run with."""

from __future__ import annotations

from functools import partial

from invoke.context import Context

from deployer.deploy import session
from deployer.doctor import diagnose, question
from deployer.errors import VerificationFailed
from deployer.inventory import Entry
from deployer.report.doctor import diagnosis_document, print_diagnosis
from deployer.tasks.fleet import Answer, ask
from deployer.tasks.shell import entries_of, task
from deployer.turns import Tell

#: All servers together answer within this time, or the host is at fault; s.
PATIENCE_S = 120


@task
def doctor(_context: Context, *, host: str = "", inventory: str = "", json: bool = False) -> int:
    """Ask the servers of hosts what they really run with, and compare it with the budget. Changes nothing."""
    entries, found = entries_of(host, inventory)

    def look(entry: Entry, tell: Tell) -> Answer:
        with session(
            entry, template_folders=found.template_folders, say=partial(tell, ""), with_secrets=False
        ) as connected:
            rendered = connected.wanted.rendered
            diagnosis = diagnose(rendered, connected.agent.call(question(rendered), timeout_s=PATIENCE_S))
        return Answer(
            diagnosis_document(entry.name, diagnosis),
            lambda console: print_diagnosis(console, entry.name, diagnosis),
            0 if diagnosis.agrees else VerificationFailed.exit_code,
        )

    return ask("doctor", entries, look, json=json)

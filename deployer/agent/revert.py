"""The return: everything that a transaction did to the live host is taken back, from the journal alone.

Used by a transaction that fails, by the timer that it armed, and by the next transaction that finds an open
journal. Every step may be done again; a step that fails does not keep the others from being tried.
"""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any, Callable, Collection

from . import (
    accounts,
    activate,
    candidate,
    confirm,
    database,
    dumps,
    migrations,
    releases,
    returntimer,
    staging,
    sysctls,
    systemctl,
    unitreturn,
    work,
)
from .journal import Journal, booted
from .outcome import Attempt, Outcome
from .refusal import Refusal


def return_host(
    journal: Journal, say: Callable[[str], None], cause: str = "", leave_databases: Collection[str] = ()
) -> Outcome:
    """Put the host back and close the journal; if that does not work out, the journal stays open.

    Args:
        journal: An armed transaction.
        say: Told what is being done.
        cause: Why, for the audit log.
        leave_databases: Those that a person says stay as they stand.
    """
    outcome = Outcome()
    outcome.kept += journal.doc["kept"]
    attempt = Attempt(outcome)
    journal.free_reserve()
    journal.doc["returning"] = True
    cause = journal.doc.setdefault("cause", cause)  # a second try does not know why there was a first
    attempt(journal.save, "the journal cannot be written", "df -h /var/lib/deployer")
    attempt(partial(confirm.forget, journal.identifier), "a mark in memory cannot be removed", "")
    work.stop_all()
    candidate.stop_all()
    before: dict[str, Any] = journal.doc["units"]
    if journal.doc["booted"] != booted():  # whatever runs now was started with the new files
        journal.doc["activated"] = list(range(len(journal.doc["activations"])))
    migrations.take_back(journal, attempt, outcome, say, leave_databases)
    touched = activate.units_of([journal.doc["activations"][number] for number in journal.doc["activated"]])
    _undo_databases(journal, attempt, outcome)
    unitreturn.stop_what_did_not_run(touched, before, attempt, say)
    unitreturn.disable_what_packages_enabled(journal, attempt)
    say("putting the files back")
    for recorded in journal.doc["files"]:
        path = recorded["path"]
        backup = f"{journal.directory}/{recorded['copy']}" if recorded.get("copy") else None
        remedy = f"cp {backup} {path}" if backup else f"ls -l {path}"
        attempt(
            partial(staging.put_back, recorded, journal),
            f"{path} cannot be put back",
            remedy,
        )
    attempt(
        lambda: accounts.settle_directories(journal, "before"),
        "a directory's owner or mode cannot be put back",
        "",
    )
    attempt(lambda: staging.remove_made_directories(journal), "a directory that was made cannot be removed", "")
    attempt(
        partial(systemctl.order, "daemon-reload"),
        "systemd cannot read its units again",
        "systemctl daemon-reload",
    )
    sysctls.put_back(journal, attempt)
    migrations.resume(journal)
    unitreturn.start_what_ran(journal, touched, before, attempt, say)
    attempt(candidate.let_all_go, "a unit is held back", f"rm -r {candidate.HELD}")
    running = [unit for unit in touched if unitreturn.is_to_run(before[unit])]
    for unit in unitreturn.unhealthy(running):
        outcome.problems.append(f"{unit} ran before and does not run now")
        outcome.commands += [f"systemctl status {unit}", f"systemctl restart {unit}"]
    attempt(partial(releases.demote, journal.doc.get("made", [])), "a release cannot be marked as never live", "")
    if not outcome.problems:
        journal.close("restored", cause)
        dumps.prune()
        returntimer.disarm(journal)
    else:
        journal.doc["outcome"] = "unknown"
        journal.doc["problems"] = outcome.problems
        attempt(journal.save, "the journal cannot be written", "df -h /var/lib/deployer")
    return outcome


def _undo_databases(journal: Journal, attempt: Attempt, outcome: Outcome) -> None:
    left = list(journal.doc["databases"])
    for server in activate.servers_of(journal.doc["activations"]) if left else ():
        with contextlib.suppress(Refusal):  # after a power cut, or a return that failed half way, it may not run
            systemctl.order("start", server)
    for note in reversed(left):

        def undo(note: dict[str, Any] = note) -> None:
            kept = database.undo(note)
            if kept:
                outcome.kept.append(kept)
            journal.doc["databases"].remove(note)
            journal.save()

        attempt(undo, f"the database {note['name']} cannot be put back", "systemctl --failed")

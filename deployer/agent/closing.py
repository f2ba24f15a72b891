"""How a transaction ends that has not to be returned: committed, or given up before anything was live."""

from __future__ import annotations

from . import manifest, releases, returntimer, staging, unitreturn, validate, work
from .journal import Journal, prune
from .outcome import Attempt, Outcome


def finish_commit(journal: Journal) -> None:
    """Do what follows the point of no return: the manifest, the kept files, the timer, the audit line."""
    journal.free_reserve()  # it was for a return; on a full disk it is what the rest needs
    staging.keep_former(journal)
    manifest.save(journal.doc["manifest"])
    returntimer.disarm(journal)
    staging.discard(journal)
    staging.remove_emptied_directories(journal)
    journal.close("committed")
    prune()
    releases.touch([recorded["target"] for recorded in journal.doc["files"] if recorded.get("target")])
    releases.prune(journal.doc.get("releases", []))


def abandon(journal: Journal, cause: str) -> None:
    """Clear up after a transaction that never went live."""
    work.stop_all()
    staging.discard(journal)
    validate.drop_copies(journal)
    unitreturn.disable_what_packages_enabled(journal, Attempt(Outcome()))
    staging.remove_made_directories(journal)
    journal.close("untouched", cause)
    returntimer.disarm(journal)

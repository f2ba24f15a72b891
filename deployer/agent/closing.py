"""How a transaction ends that has not to be returned: committed, or given up before anything was live."""

from __future__ import annotations

from . import dumps, manifest, packed, releases, returntimer, staging, unitreturn, validate, work
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
    dumps.prune()
    releases.touch([recorded["target"] for recorded in journal.doc["files"] if recorded.get("target")])
    releases.prune(journal.doc.get("releases", []))
    packed.keep()


def abandon(journal: Journal, cause: str) -> None:
    """Clear up after a transaction that never went live.

    Raises:
        OSError: Something cannot be removed now; all else was, and the record stays open for who settles it next.
    """
    work.stop_all()
    try:
        staging.discard(journal)
    finally:  # a directory that became read-only
        validate.drop_copies(journal)
        unitreturn.disable_what_packages_enabled(journal, Attempt(Outcome()))
        staging.remove_made_directories(journal)
        releases.demote(journal.doc.get("made", []))
    journal.close("untouched", cause)
    returntimer.disarm(journal)

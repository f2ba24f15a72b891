"""Settling what a dead transaction left open: at the next deploy, when the timer fires, or at the next boot."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, Callable, Collection

from . import closing, returntimer, revert
from .journal import Journal, open_journals, started
from .lock import Lock
from .refusal import Refusal


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a `recover` request: finish or take back what is open, now, and say what was done.

    Args:
        request: `who`; `wait_s`: how long to wait for a deploy that is at work; `leave_databases`: names of those
            that somebody has put right by hand, or gave up: they stay as they stand.

    Raises:
        Refusal: A deploy is at work, or a transaction cannot be taken back; the host's state is unknown then.
    """
    lock = Lock.acquire(str(request["who"]), "recover", wait_s=float(request.get("wait_s") or 1.0))
    try:
        leave = [str(name) for name in request.get("leave_databases") or ()]
        known = {str(note["name"]) for one in open_journals() for note in one.doc.get("migrations", ())}
        for name in leave:
            if name not in known:
                raise Refusal("unsupported", f"no transaction that was left open has a database {name!r}")
        return {"settled": settle_open(lambda _line: None, leave)}
    finally:
        lock.release()


def settle_open(say: Callable[[str], None], leave_databases: Collection[str] = ()) -> list[str]:
    """Finish or take back every transaction that is still open. The caller holds the lock.

    Args:
        say: Told what is being done.
        leave_databases: Those that a person says stay as they stand.

    Returns:
        What was done, one line each.

    Raises:
        Refusal: One of them cannot be taken back; the host's state is unknown.
    """
    report = []
    for journal in open_journals():
        if journal.state == "committed":
            closing.finish_commit(journal)
            report.append(f"{journal.identifier}: its commit was finished")
        elif journal.state == "preparing":
            closing.abandon(journal, "its process died before anything was live")
            report.append(f"{journal.identifier}: it had changed nothing; its leftovers were removed")
        else:
            say(f"taking back {journal.identifier}, which was left open")
            outcome = revert.return_host(journal, say, "its process died", leave_databases)
            if outcome.problems:
                raise Refusal(
                    "fault",
                    f"the transaction {journal.identifier} was left open and cannot be taken back",
                    state="unknown",
                    detail="\n".join([*outcome.problems, *outcome.told]),
                    next="\n".join(outcome.commands),
                )
            report.append("; ".join([f"{journal.identifier}: it was taken back", *outcome.told]))
    return report


def command(arguments: list[str]) -> int:
    """Return the host if this transaction is still open: what the timer runs.

    A transaction that holds the lock is let finish its own return; one that only hangs is killed first.

    Returns:
        0: nothing to do, or the host is as before. 1: its state is unknown; stderr says what to do.
    """
    journal = Journal.load(arguments[0])
    lock = _lock_of(journal)
    try:
        journal = Journal.load(arguments[0])
        if journal.state == "closed":
            returntimer.disarm(journal)  # it died between its last line and this
            return 0
        for line in settle_open(_log):
            _log(line)
    except Refusal as refusal:
        _log(f"{refusal.message}\n{refusal.detail}\n{refusal.next}")
        return 1
    finally:
        lock.release()
    return 0


def _lock_of(journal: Journal) -> Lock:
    who = f"the return of {journal.identifier}"
    try:
        return Lock.acquire(who, journal.identifier, wait_s=10.0)
    except Refusal:
        pid, ticks = int(journal.doc["pid"]), str(journal.doc["pid_started"])
        if Journal.load(journal.identifier).doc["returning"]:
            try:
                return Lock.acquire(who, journal.identifier, wait_s=300.0)
            except Refusal:
                _log("the transaction's own return hangs")
        if ticks and started(pid) == ticks:
            _log(f"the transaction's process {pid} hangs: it is killed")
            os.kill(pid, signal.SIGKILL)
        return Lock.acquire(who, journal.identifier, wait_s=600.0)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

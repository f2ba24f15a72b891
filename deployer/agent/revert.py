"""The return: everything that a transaction did to the live host is taken back, from the journal alone.

Used by a transaction that fails, by the timer that it armed, and by the next transaction that finds an open
journal. Every step may be done again; a step that fails does not keep the others from being tried.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from functools import partial
from typing import Any, Callable

from . import accounts, activate, database, manifest, releases, returntimer, staging, systemctl, unitstate, work
from .journal import Journal, booted, open_journals, prune, started
from .lock import Lock
from .refusal import Refusal

HEALTHY_WITHIN_S = 30.0
STEADY_S = 1.0
ENABLED = ("enabled", "enabled-runtime", "linked", "linked-runtime")
RUNNING = ("active", "reloading", "activating")


class Outcome:
    """What came of a return.

    Attributes:
        problems: What could not be put back; empty means that the host is as before.
        commands: For a person, one or more per problem.
        kept: What was left on purpose.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.commands: list[str] = []
        self.kept: list[str] = []

    @property
    def state(self) -> str:
        """The protocol's state."""
        return "unknown" if self.problems else "restored"


def return_host(journal: Journal, say: Callable[[str], None], cause: str = "") -> Outcome:
    """Put the host back and close the journal; if that does not work out, the journal stays open.

    Args:
        journal: An armed transaction.
        say: Told what is being done.
        cause: Why, for the audit log.
    """
    outcome = Outcome()
    outcome.kept += journal.doc["kept"]
    attempt = _Attempt(outcome)
    journal.free_reserve()
    journal.doc["returning"] = True
    attempt(journal.save, "the journal cannot be written", "df -h /var/lib/deployer")
    work.stop_all()
    before: dict[str, Any] = journal.doc["units"]
    if journal.doc["booted"] != booted():  # whatever runs now was started with the new files
        journal.doc["activated"] = list(range(len(journal.doc["activations"])))
    touched = activate.units_of([journal.doc["activations"][number] for number in journal.doc["activated"]])
    _undo_databases(journal, attempt, outcome)
    _stop_what_did_not_run(touched, before, attempt, say)
    _disable_what_packages_enabled(journal, attempt)
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
    _start_what_ran(journal, touched, before, attempt, say)
    running = [unit for unit in touched if before[unit]["active"] in RUNNING]
    for unit in _unhealthy(running):
        outcome.problems.append(f"{unit} ran before and does not run now")
        outcome.commands += [f"systemctl status {unit}", f"systemctl restart {unit}"]
    if not outcome.problems:
        journal.close("restored", cause)
        returntimer.disarm(journal)
    else:
        journal.doc["outcome"] = "unknown"
        journal.doc["problems"] = outcome.problems
        attempt(journal.save, "the journal cannot be written", "df -h /var/lib/deployer")
    return outcome


def finish_commit(journal: Journal) -> None:
    """Do what follows the point of no return: the manifest, the kept files, the timer, the audit line."""
    staging.keep_former(journal)
    manifest.save(journal.doc["manifest"])
    returntimer.disarm(journal)
    staging.discard(journal)
    staging.remove_emptied_directories(journal)
    journal.close("committed")
    prune()
    releases.prune(journal.doc.get("releases", []))


def abandon(journal: Journal, cause: str) -> None:
    """Clear up after a transaction that never went live."""
    work.stop_all()
    staging.discard(journal)
    _disable_what_packages_enabled(journal, _Attempt(Outcome()))
    staging.remove_made_directories(journal)
    journal.close("untouched", cause)
    returntimer.disarm(journal)


def settle_open(say: Callable[[str], None]) -> list[str]:
    """Finish or take back every transaction that is still open. The caller holds the lock.

    Returns:
        What was done, one line each.

    Raises:
        Refusal: One of them cannot be taken back; the host's state is unknown.
    """
    report = []
    for journal in open_journals():
        if journal.state == "committed":
            finish_commit(journal)
            report.append(f"{journal.identifier}: its commit was finished")
        elif journal.state == "preparing":
            abandon(journal, "its process died before anything was live")
            report.append(f"{journal.identifier}: it had changed nothing; its leftovers were removed")
        else:
            say(f"taking back {journal.identifier}, which was left open")
            outcome = return_host(journal, say, "its process died")
            if outcome.problems:
                raise Refusal(
                    "fault",
                    f"the transaction {journal.identifier} was left open and cannot be taken back",
                    state="unknown",
                    detail="\n".join(outcome.problems),
                    next="\n".join(outcome.commands),
                )
            report.append(f"{journal.identifier}: it was taken back")
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


class _Attempt:
    """Runs a step of the return and notes what went wrong with it, so that the next one is tried all the same."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome

    def __call__(self, step: Callable[[], object], problem: str, remedy: str) -> bool:
        try:
            step()
        except (Refusal, OSError) as error:
            self._outcome.problems.append(f"{problem}: {error}")
            if remedy:
                self._outcome.commands.append(remedy)
            return False
        return True


def _undo_databases(journal: Journal, attempt: _Attempt, outcome: Outcome) -> None:
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

        attempt(undo, f"the database {note['name']} cannot be put back", "systemctl status mariadb")


def _stop_what_did_not_run(
    touched: list[str], before: dict[str, Any], attempt: _Attempt, say: Callable[[str], None]
) -> None:
    for unit in reversed(touched):
        was = before[unit]
        now = unitstate.show([unit])[unit]
        if was["active"] not in RUNNING and (
            now["active"] not in ("inactive", "failed") or now["sub"] == "auto-restart"
        ):
            say(f"stopping {unit}")
            attempt(
                partial(systemctl.order, "stop", unit),
                f"{unit} cannot be stopped",
                f"systemctl stop {unit}",
            )


def _disable_what_packages_enabled(journal: Journal, attempt: _Attempt) -> None:
    """Disable units that were not enabled before, be it by an activation or by a package that came."""
    units: dict[str, Any] = journal.doc["units"]
    for unit, now in unitstate.show(units).items():
        if now["enabled"] in ENABLED and units[unit]["enabled"] not in ENABLED:
            attempt(
                partial(systemctl.order, "disable", "--quiet", unit),
                f"{unit} cannot be disabled",
                f"systemctl disable {unit}",
            )


def _start_what_ran(
    journal: Journal,
    touched: list[str],
    before: dict[str, Any],
    attempt: _Attempt,
    say: Callable[[str], None],
) -> None:
    """Enable and run again what was enabled and ran, with the same reloads and restarts, in the same order."""
    actions = {
        entry["unit"]: entry.get("action", "start")
        for entry in (journal.doc["activations"][number] for number in journal.doc["activated"])
        if entry["kind"] in ("unit", "stop")
    }
    for unit in touched:
        was, now = before[unit], unitstate.show([unit])[unit]
        if was["enabled"] in ENABLED and now["enabled"] not in ENABLED:
            attempt(
                partial(systemctl.order, "enable", "--quiet", unit),
                f"{unit} cannot be enabled",
                f"systemctl enable {unit}",
            )
        systemctl.forget_failures(unit)
        if was["active"] in RUNNING:
            verb = "reload-or-restart" if actions[unit] == "reload" else actions[unit]
            say(f"{verb} {unit}")
            attempt(
                partial(systemctl.order, verb, unit),
                f"{unit} cannot be started",
                f"systemctl {verb} {unit}",
            )


def _unhealthy(units: list[str]) -> list[str]:
    """Return the units that do not become active, or do not stay it for a moment."""
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    steady_since: float | None = None
    pids: dict[str, int] = {}
    while True:
        states = unitstate.show(units) if units else {}
        bad = [unit for unit, state in states.items() if state["active"] not in ("active", "reloading")]
        now = {unit: state["main_pid"] for unit, state in states.items()}
        if bad or now != pids:
            pids, steady_since = now, time.monotonic()
        if not bad and steady_since is not None and time.monotonic() - steady_since >= STEADY_S:
            return []
        if not units:
            return []
        if time.monotonic() > deadline:
            return bad or units
        time.sleep(0.2)


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

"""The transaction: a plan becomes the host's state as a whole, or the host is as it was.

Up to `arm` nothing live is touched (packages, users and releases that came are kept and do nothing by
themselves). From there on the journal and the timer can put everything back, whoever dies. The commit is one
rename: the journal's state.
"""

from __future__ import annotations

import errno
import signal
from typing import Any, BinaryIO, Callable

from . import (
    accounts,
    activate,
    back,
    closing,
    confirm,
    manifest,
    memorywatch,
    migrations,
    origin,
    packages,
    places,
    probes,
    recover,
    releases,
    returntimer,
    revert,
    secretfiles,
    staging,
    standing,
    sysctls,
    systemctl,
    unitstate,
    validate,
)
from .blobs import Blobs
from .journal import Journal, open_transaction
from .lock import Lock
from .outcome import Outcome
from .progress import Progress
from .refusal import Refusal
from .work import MAKE_ROOM, Work

_FULL = (errno.ENOSPC, errno.EDQUOT)
#: Nobody waits longer for another deploy, s.
MAX_WAIT_S = 3000.0


def run(
    request: dict[str, Any],
    blob: BinaryIO,
    emit: Callable[[dict[str, Any]], None],
    stopped: Callable[[float], bool],
) -> dict[str, Any]:
    """Apply a plan.

    Args:
        request: The protocol's `apply` request.
        blob: The tar of what the plan names.
        emit: Sends progress.
        stopped: Waits up to so many seconds; True as soon as the control machine is gone.

    Returns:
        The protocol's answer: `outcome`, `transaction`, `steps`, `notes`.

    Raises:
        Refusal: The plan is not live; the refusal says what the host's state is.
    """
    progress = Progress(emit, stopped)
    _take_signals(progress)
    identifier, who = places.checked_identifier(request["transaction"]), str(request["who"])
    progress.enter("lock")
    try:
        lock = Lock.acquire(who, identifier, wait_s=_patience_s(request), meanwhile=progress.wait)
    except OSError as error:
        refusal = _refusal(error)
        refusal.step = progress.step
        raise refusal from error
    try:
        journal = _begin(identifier, who, progress)
        journal.doc["back_to"], journal.doc["after"] = (
            request["plan"].get("back_to"),
            manifest.load()["last_transaction"],
        )
        journal.doc.update(origin.of_this_login())
        journal.doc["host"] = str(request.get("host") or "")
        trial_of = request.get("trial_of")
        journal.doc["trial_of"] = None if trial_of is None else places.checked_identifier(trial_of)
        _guarded(_Transaction(request, blob, journal, progress))
    finally:
        lock.release()
    return {
        "outcome": "committed",
        "transaction": identifier,
        "steps": progress.finished(),
        "notes": journal.doc["notes"],
    }


class _Transaction:
    """One plan on its way; `prepare` leaves the host untouched, `go_live` changes it."""

    def __init__(self, request: dict[str, Any], blob: BinaryIO, journal: Journal, progress: Progress) -> None:
        self.plan: dict[str, Any] = request["plan"]
        self._secrets: dict[str, Any] = request.get("secrets") or {}
        self.journal = journal
        self.progress = progress
        self._blob = blob

    def prepare(self) -> None:
        """Everything that can fail before the host changes."""
        plan, journal, progress = self.plan, self.journal, self.progress
        self._work = Work(plan["work"], progress)
        files = plan.get("files", [])
        progress.enter("compare", _files(len(files)))
        staging.compare(files, packages_came=False)
        manifest.compare(plan)
        blobs = Blobs(self._blob)
        activations = plan.get("activations", [])
        journal.doc["activations"] = activations
        journal.doc["units"] = unitstate.show(activate.units_of(activations))  # before a package enables any
        journal.save()
        self._enter("packages")
        came = packages.install(plan.get("packages", []), plan.get("series", {}), self._work, progress)
        self._keep("packages", came)
        self._enter("accounts")
        self._keep("users", accounts.make_users(plan.get("users", [])))
        accounts.make_directories(plan.get("directories", []), journal)
        self._enter("secrets")
        self._keep("secrets", accounts.make_secrets(plan.get("secrets", [])))
        if secretfiles.needed(plan):
            secretfiles.make_key()
        self._enter("releases")
        journal.doc["releases"] = plan.get("releases", [])
        journal.doc["made"] = releases.make(plan.get("releases", []), blobs, self._work, progress)
        self._keep("releases", journal.doc["made"])
        self._enter("room")
        migrations.check_room(activations)
        self._enter("stage", _files(len(files)))
        staging.compare(files, packages_came=bool(came))  # the preparation may have taken minutes
        staging.stage(files, blobs, journal, self._secrets)
        self._enter("validate")
        self._validated = validate.possible()
        if self._validated:
            validate.staged(plan.get("validators", []), journal, progress)
        self._enter("journal")
        staging.keep(journal)
        sysctls.note(plan.get("sysctls", []), journal)
        self._enter("arm")
        returntimer.arm(journal, float(plan["return_after_s"]))
        journal.move("armed")

    def go_live(self) -> None:
        """Swap, activate, gate, commit; whatever this raises, the host has to be returned."""
        plan, journal, progress = self.plan, self.journal, self.progress
        progress.limit(float(plan["return_after_s"]))
        self._enter("swap", _files(len(journal.doc["files"])))
        staging.swap(journal)
        accounts.settle_directories(journal, "after")
        if not self._validated:
            validate.live(plan.get("validators", []), progress)
        if any("/systemd/" in recorded["path"] for recorded in journal.doc["files"]):
            self._enter("daemon-reload")
            systemctl.order("daemon-reload")
        if plan.get("sysctls"):
            self._enter("sysctls")
            sysctls.settle(plan["sysctls"], journal)
            for note in journal.doc["notes"]:
                progress.say(note)
        self._activate()
        self._confirm()
        self._enter("commit")
        journal.doc["notes"] += migrations.news(journal)
        refused = journal.doc.get("refused_sysctls", {})
        journal.doc["manifest"] = manifest.after(
            plan, journal.identifier, refused, back.manifest_of(plan), journal.doc["sysctls"]
        )
        journal.doc["standing"] = standing.of_plan(plan)
        journal.move("committed")

    def _activate(self) -> None:
        """Start what is to run, and hold it against its probes and its memory."""
        plan, progress = self.plan, self.progress
        asked = plan.get("probes", [])
        memory = memorywatch.MemoryWatch([probe["unit"] for probe in asked if probe["kind"] == "unit"])
        progress.watch = memory.look
        try:
            self._enter("activate")
            done = manifest.load()["done"]
            activate.run(plan.get("activations", []), done, self.journal, self._work, progress)
            self._enter("gate")
            probes.gate(asked, float(plan.get("gate_s", 0)), progress)
            memory.hold()
        except Refusal as refusal:
            raise memory.explained(refusal) from refusal

    def _confirm(self) -> None:
        """Where the way to the host itself was changed, wait for somebody who comes that way."""
        changed = self.plan.get("confirm_over_new_connection")
        if changed:
            confirm.expect(self.journal.identifier)
            self._enter("confirm", ", ".join(changed))
            confirm.wait(self.journal.identifier, changed, float(self.plan["confirm_s"]), self.progress)

    def _enter(self, step: str, message: str = "") -> None:
        self.progress.check()
        self.progress.enter(step, message)

    def _keep(self, what: str, names: list[str]) -> None:
        if names:
            self.journal.doc["kept"].append(f"{what}: {', '.join(names)}")
            self.journal.save()


def _patience_s(request: dict[str, Any]) -> float:
    """Say how long to wait for another deploy: as long as was asked for, and a moment for those who only look."""
    return min(MAX_WAIT_S, max(1.0, float(request.get("wait_s") or 0)))


def _files(count: int) -> str:
    return f"{count} file" + ("" if count == 1 else "s")


def _begin(identifier: str, who: str, progress: Progress) -> Journal:
    """Settle what another transaction left open, then open our own record."""
    progress.enter("recover")
    try:
        for line in recover.settle_open(progress.say):
            progress.say(line)
        return Journal.create(identifier, who)
    except (Refusal, OSError) as error:
        refusal = _refusal(error)
        refusal.step = progress.step
        if open_transaction():
            refusal.state = "unknown"
        raise refusal from error


def _guarded(transaction: _Transaction) -> None:
    """Run a transaction to its commit, or leave the host as it was and say so."""
    journal, progress = transaction.journal, transaction.progress
    try:
        transaction.prepare()
        transaction.go_live()
    except Exception as error:  # whatever it is, the host is left as it was
        refusal = _refusal(error)
        refusal.step = progress.step
        if journal.state == "committed":
            pass  # only the clean-up is left; it can be done again by the next transaction
        elif journal.state == "armed":
            raise _returned(refusal, transaction) from error
        else:
            raise _untouched(refusal, journal) from error
    try:
        progress.enter("clean-up")
        closing.finish_commit(journal)
    except (OSError, Refusal) as error:
        progress.say(f"committed; the clean-up is left to the next deploy: {error}")


def _untouched(refusal: Refusal, journal: Journal) -> Refusal:
    try:
        closing.abandon(journal, refusal.message)
    except OSError as error:
        refusal.detail += f"\n(leftovers of this deploy wait for the next deploy, or for `recover`: {error})"
    if journal.doc["kept"]:
        refusal.detail = f"{refusal.detail}\nkept, doing nothing: {'; '.join(journal.doc['kept'])}".strip()
    return refusal


def _returned(refusal: Refusal, transaction: _Transaction) -> Refusal:
    progress, journal = transaction.progress, transaction.journal
    progress.say("failed; the host is returned")
    try:
        outcome = revert.return_host(journal, progress.say, refusal.message)
    except Exception as error:  # the timer will try again with a fresh process
        outcome = Outcome()
        outcome.problems.append(f"{type(error).__name__}: {error}")
        outcome.commands.append(f"journalctl -u deployer-return-{journal.identifier}")
    refusal.state = outcome.state
    if outcome.problems:
        refusal.detail = "\n".join([refusal.detail, "", *outcome.problems]).strip()  # of long ones the end is shown
        refusal.next = "\n".join(outcome.commands)
    if outcome.kept:
        refusal.detail = f"{refusal.detail}\nkept, doing nothing: {'; '.join(outcome.kept)}".strip()
    if outcome.told:
        refusal.detail = "\n".join([refusal.detail, *outcome.told]).strip()
    return refusal


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return Refusal("disk_full", f"the host's disk is full ({error.filename or 'while writing'})", next=MAKE_ROOM)
    if isinstance(error, OSError) and error.errno == errno.EROFS:
        return Refusal("preparation", f"the host's file system is read-only ({error.filename or ''})")
    return Refusal("fault", f"{type(error).__name__}: {error}", detail=_trace(error))


def _trace(error: Exception) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__)[-8:])


def _take_signals(progress: Progress) -> None:
    """A lost terminal does not end us half way; a request to end is heard at the next check."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    def heard(*_: object) -> None:
        progress.told_to_stop = True

    signal.signal(signal.SIGTERM, heard)
    signal.signal(signal.SIGINT, heard)

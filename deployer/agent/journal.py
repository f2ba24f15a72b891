"""A transaction's record on the host: enough to put everything back, written before anything is changed.

States: `preparing` (nothing live was touched) -> `armed` (the return is possible, the swap may have begun) ->
`committed` (the one point of no return; the clean-up can be done again) -> `closed`.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any

from . import durable, places
from .refusal import Refusal

RESERVE_BYTES = 256 << 10
KEPT_TRANSACTIONS = 10
#: Where the line of a transaction that is not closed yet can only be.
AUDIT_TAIL_BYTES = 256 << 10


class Journal:
    """One transaction's journal.

    Attributes:
        identifier: The transaction's id.
        directory: Its directory on the host.
        doc: The record; `save` makes it durable.
    """

    def __init__(self, identifier: str, doc: dict[str, Any]) -> None:
        self.identifier = identifier
        self.directory = f"{places.at(places.TRANSACTIONS)}/{identifier}"
        self.doc = doc

    @classmethod
    def create(cls, identifier: str, who: str) -> Journal:
        """Begin a record.

        Raises:
            Refusal: The id was used before.
        """
        durable.make_directories(places.at(places.TRANSACTIONS), 0o700)
        fresh = cls(places.checked_identifier(identifier), {})
        try:
            os.mkdir(fresh.directory, 0o700)
        except FileExistsError:
            raise Refusal("fault", f"the host has a transaction {identifier} already") from None
        fresh.doc = {
            "transaction": identifier,
            "who": who,
            "state": "preparing",
            "outcome": None,
            "began": timestamp(),
            "pid": os.getpid(),
            "pid_started": started(os.getpid()),
            "booted": booted(),
            "returning": False,
            "files": [],
            "directories": [],
            "made_directories": [],
            "units": {},
            "activated": [],
            "databases": [],
            "migrations": [],
            "sysctls": [],
            "kept": [],
            "notes": [],
        }
        # so that a return can still be recorded on a full disk
        durable.write_new(f"{fresh.directory}/reserve", b"\0" * RESERVE_BYTES, 0o600)
        fresh.save()
        return fresh

    @classmethod
    def load(cls, identifier: str) -> Journal:
        """Read a record; a damaged or missing one is a Refusal."""
        found = cls(places.checked_identifier(identifier), {})
        try:
            with open(f"{found.directory}/journal.json", encoding="utf-8") as stream:
                found.doc = json.load(stream)
        except (OSError, ValueError) as error:
            raise Refusal(
                "fault",
                f"the journal of {identifier} cannot be read: {error}",
                state="unknown",
                next=f"look at {found.directory}, put back what is in its directory before/, then move it away",
            ) from error
        return found

    @property
    def state(self) -> str:
        """The record's state, one of the four above."""
        return str(self.doc["state"])

    def save(self) -> None:
        """Make the record durable."""
        durable.write_document(f"{self.directory}/journal.json", self.doc)

    def move(self, state: str) -> None:
        """Enter a state, durably, or stay in the one before: what is on the disk decides who returns the host."""
        before, self.doc["state"] = self.doc["state"], state
        try:
            self.save()
        except OSError:
            self.doc["state"] = before
            raise

    def free_reserve(self) -> None:
        """Give back the space that was kept for this moment."""
        durable.unlink_quietly(f"{self.directory}/reserve")

    def close(self, outcome: str, problem: str = "") -> None:
        """End the record and add the line to the audit log, once."""
        if self.state == "closed":
            return
        self.free_reserve()
        self.doc["state"], self.doc["outcome"], self.doc["ended"] = "closed", outcome, timestamp()
        line = {
            "transaction": self.identifier,
            "who": self.doc["who"],
            "login": self.doc.get("login"),
            "from": self.doc.get("from"),
            "began": self.doc["began"],
            "ended": self.doc["ended"],
            "outcome": outcome,
            "problem": problem,
            "back_to": self.doc.get("back_to"),
            "trial_of": self.doc.get("trial_of"),
            "files": [entry["path"] for entry in self.doc["files"]],
            "units": [
                f"{entry['action']} {entry['unit']}" if entry["kind"] == "unit" else f"stop {entry['unit']}"
                for entry in self.doc.get("activations", ())
                if entry["kind"] in ("unit", "stop")
            ],
            "releases": [entry["path"] for entry in self.doc.get("releases", ())],
            "databases": [note["said"] for note in self.doc.get("migrations", ()) if note.get("said")],
        }
        if not _is_told(self.identifier):
            durable.append_line(places.at(places.AUDIT), json.dumps(line, sort_keys=True))
        self.save()


def open_journals() -> list[Journal]:
    """Return the transactions that are not closed, oldest first; a directory without a record is dropped."""
    for identifier in _identifiers():
        if not _has_record(identifier):
            shutil.rmtree(f"{places.at(places.TRANSACTIONS)}/{identifier}")  # it died before its first line
    return [one for one in recorded() if one.state != "closed"]


def recorded() -> list[Journal]:
    """Return all transactions on record, oldest first; changes nothing.

    Raises:
        Refusal: A record is damaged.
    """
    found = [Journal.load(identifier) for identifier in _identifiers() if _has_record(identifier)]
    return sorted(found, key=lambda one: str(one.doc["began"]))


def open_transaction() -> str | None:
    """Return the id of a transaction that has gone live and is neither committed nor returned."""
    for identifier in _identifiers():
        try:
            journal = Journal.load(identifier)
        except Refusal:
            continue
        if journal.state == "armed":
            return identifier
    return None


def committed() -> list[Journal]:
    """Return the transactions on record that went live and stayed, oldest first."""
    return [one for one in recorded() if one.state == "closed" and one.doc["outcome"] == "committed"]


def prune() -> None:
    """Remove the oldest closed records beyond the last ten that are live history, and the last ten that failed.

    Trials are not among the ten: a climb makes dozens, and the deploy before it has to stay on record.
    """
    closed = [one for one in recorded() if one.state == "closed"]
    lived = [one for one in closed if one.doc["outcome"] == "committed"]
    deploys = [number for number, one in enumerate(lived) if not one.doc.get("trial_of")]
    oldest = deploys[-KEPT_TRANSACTIONS] if len(deploys) > KEPT_TRANSACTIONS else 0
    failed = [one for one in closed if one.doc["outcome"] != "committed"]
    for journal in (*lived[:oldest], *failed[:-KEPT_TRANSACTIONS]):
        shutil.rmtree(journal.directory)


def timestamp() -> str:
    """Return the time of day in UTC, to the millisecond, in a form that sorts."""
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}Z"


def started(pid: int) -> str:
    """Return when a process started, in the kernel's ticks: with the pid it names one process; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            return stream.read().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return ""


def booted() -> str:
    """Name this run of the host's init: another one after a reboot, of a container too."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
            return f"{stream.read().strip()} {started(1)}"
    except OSError:
        return started(1)


def _is_told(identifier: str) -> bool:
    """Say whether a transaction has its audit line: on a full disk its record can fail to be saved after it."""
    try:
        with open(places.at(places.AUDIT), "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - AUDIT_TAIL_BYTES))
            return f'"transaction": "{identifier}"'.encode() in stream.read()
    except FileNotFoundError:
        return False


def _has_record(identifier: str) -> bool:
    return os.path.exists(f"{places.at(places.TRANSACTIONS)}/{identifier}/journal.json")


def _identifiers() -> list[str]:
    try:
        return sorted(os.listdir(places.at(places.TRANSACTIONS)))
    except FileNotFoundError:
        return []

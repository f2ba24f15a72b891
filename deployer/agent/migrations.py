"""Databases around their migrations: what they were before, a dump of that, and what became of it.

Each has a note in the journal, made before its migration begins. `before_migration: dump` puts the database back when
the transaction is returned, if the migration may have written anything; with `steps` the app's own tool leaves it at a
whole step, and the outcome says at which.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Callable, Collection, Iterator, Mapping

from . import command, dumps, places, systemctl, unitreturn, unitstate
from .dumper import dumper_of
from .progress import Progress
from .refusal import Refusal
from .work import Work

if TYPE_CHECKING:
    from .journal import Journal
    from .outcome import Attempt, Outcome

#: Looks for a moment in which nobody is in the middle of a transaction, before those who are get ended.
TRIES = 30
BETWEEN_S = 0.05

Note = dict[str, Any]


def check_room(activations: list[dict[str, Any]]) -> None:
    """Refuse, before anything is live, where a dump would not fit.

    Raises:
        Refusal: It would not, with the numbers.
    """
    for entry in activations:
        place = entry.get("database")
        if place and place["policy"] == "dump" and dumper_of(place).is_there(place):
            dumps.check_room(place, dumper_of(place).size_bytes(place))


@contextlib.contextmanager
def noted(entry: Mapping[str, Any], journal: Journal, work: Work, progress: Progress) -> Iterator[None]:
    """Note what an app's database is before and after a command that writes to it, and dump it before.

    Raises:
        Refusal: It cannot be dumped; the command has not begun.
    """
    place = entry.get("database")
    note = _note_of(place, journal) if place else None
    if place and note is None:
        note = _begin(place, journal, work, progress)
    if note is None:
        yield
        return
    note["state"], note["seeded"] = "migrating", note["seeded"] or entry.get("once") is not None
    journal.save()
    yield
    note["after"], note["state"] = dumper_of(note).picture(note), "done"
    note["said"] = _said_of(note, note["after"], "is")
    journal.save()


def _note_of(place: Mapping[str, Any], journal: Journal) -> Note | None:
    same = ("server", "name", "path")
    found = (one for one in journal.doc["migrations"] if all(one.get(key) == place.get(key) for key in same))
    return next(found, None)


def _begin(place: Mapping[str, Any], journal: Journal, work: Work, progress: Progress) -> Note | None:
    """Note, and dump, a database of before this transaction; one that it made has nothing to go back to."""
    dumper = dumper_of(place)
    made = [one["name"] for one in journal.doc["databases"] if one["made_database"]]
    if place["name"] in made or not dumper.is_there(place):
        return None
    note: Note = {**place, "state": "dumping", "before": dumper.picture(place), "after": None, "dump": None}
    note |= {"seeded": False, "work": work.limits}
    journal.doc["migrations"].append(note)
    journal.save()
    if place["policy"] == "dump":
        progress.enter("dump", str(place["name"]))
        size_bytes = dumper.size_bytes(place)
        dumps.check_room(place, size_bytes)
        dumps.trim(place["app"], max(0, (int(place["room_mib"]) << 20) - 2 * size_bytes))
        note["dump"] = dumps.take(dumper, place, journal.identifier, dumps.BEFORE, work)
    return note


def take_back(
    journal: Journal,
    attempt: Attempt,
    outcome: Outcome,
    say: Callable[[str], None],
    leave: Collection[str] = (),
) -> None:
    """Put back what was dumped, and say of every database how it stands. The units that use it wait meanwhile.

    Args:
        journal: An armed transaction.
        attempt: Tries each, and notes what went wrong.
        outcome: Gets what is said, and commands for a person.
        say: Told what is being done.
        leave: Databases that a person has put right, or gave up: they stay as they stand.
    """
    for note in reversed(journal.doc.get("migrations", [])):

        def back(note: Note = note) -> None:
            outcome.told.append(_left(note, journal) if note["name"] in leave else _take_back(note, journal, say))

        if not attempt(back, f"the database {note['name']} cannot be put back", ""):
            _explain(note, journal, outcome)


def _explain(note: Note, journal: Journal, outcome: Outcome) -> None:
    """Say of a database that could not be put back what keeps it, and what a person types."""
    server = note["unit"]
    with contextlib.suppress(Refusal, OSError):
        if server and unitstate.show([server])[server]["active"] != "active":
            outcome.problems.append(f"{server} does not run")
            outcome.commands += [f"systemctl status {server}", f"systemctl restart {server}"]
        if note.get("is_lost"):
            stands = _steps(dumper_of(note).picture(note))
            outcome.told.append(f"the database {note['name']} is as its migration left it, {stands}")
    outcome.commands += _commands(note, journal)


def resume(journal: Journal) -> None:
    """Let the units go on that wait; they are restarted right after it."""
    for note in journal.doc.get("migrations", []):
        for unit in note.pop("waiting", []):
            _signal(unit, "SIGCONT")


def news(journal: Journal) -> list[str]:
    """Say how each database stands that was changed."""
    return [note["said"] for note in journal.doc["migrations"] if note["after"] != note["before"]]


def _take_back(note: Note, journal: Journal, say: Callable[[str], None]) -> str:
    if note["state"] in ("restored", "left"):
        return str(note["said"])
    if note["unit"]:
        with contextlib.suppress(Refusal):  # after a power cut, or a return that failed half way, it may not run
            systemctl.order("start", note["unit"])
    dumps.drop_unfinished()
    if note["state"] == "dumping":
        note["said"] = f"the database {note['name']} is as before: its migration had not begun"
    else:
        now = None if note["state"] == "restoring" else dumper_of(note).picture(note)
        if now is not None and (note["dump"] is None or _had_nothing_to_do(note, now)):
            note["said"] = _said_of(note, now, "stays")
        else:
            say(f"putting the database {note['name']} back")
            _restore(note, journal)
            note["said"] = _said_of_restored(note)
            note["state"] = "restored"
    journal.save()
    return str(note["said"])


def _left(note: Note, journal: Journal) -> str:
    """Take a person's word for a database, whatever is in it."""
    try:
        stands = _steps(dumper_of(note).picture(note))
    except Refusal:
        stands = "where nobody can say, as it does not answer"
    dump = f"; the dump taken before its migration is {note['dump']['file']}" if note["dump"] else ""
    note["said"] = f"the database {note['name']} was left as it stands, as somebody asked for: {stands}{dump}"
    note["state"] = "left"
    journal.save()
    return str(note["said"])


def _had_nothing_to_do(note: Note, now: dict[str, Any]) -> bool:
    """Say whether the migration ended well, changed no table and recorded no step: all that came since is visitors'."""
    is_as_before = note["before"] == now == note.get("after")
    return note["state"] == "done" and is_as_before and now["recorded"] is not None and not note["seeded"]


def _restore(note: Note, journal: Journal) -> None:
    dumper = dumper_of(note)
    work = Work(note["work"], Progress(lambda _event: None, _slept))
    _check_dump(note)  # before anybody waits, and before anything in the database is dropped for it
    _let_wait(note, journal)
    try:
        if not note.get("failed"):  # at a second try, what is there is not what visitors wrote
            note["failed"] = dumps.take(dumper, note, journal.identifier, dumps.FAILED, work)
        note["state"] = "restoring"  # from here on it may be gone, should this process be too
        journal.save()
        dumps.run(dumper.restore(note, note["dump"]["file"]), f"putting the database {note['name']} back", work)
        if dumper.picture(note) != note["before"]:
            raise Refusal("fault", f"the database {note['name']} was put back and is not as it was before")
    except (Refusal, OSError):
        resume(journal)
        raise


def _check_dump(note: Note) -> None:
    try:
        dumps.check_whole(dumper_of(note), places.at(note["dump"]["file"]), note["name"])
    except (Refusal, OSError):
        note["is_lost"] = True
        raise
    note["is_lost"] = False


def _let_wait(note: Note, journal: Journal) -> None:
    """Stop what did not run before; let the others stand still, between two transactions of theirs if possible.

    Their sockets stay open: visitors wait. The return restarts them, whether the transaction had come to that or not.
    """
    dumper, before = dumper_of(note), journal.doc["units"]
    new = [unit for unit in note["units"] if unit in before and not unitreturn.is_to_run(before[unit])]
    for unit in new:
        command.run(["systemctl", "stop", unit], timeout_s=100)
    note["waiting"] = [unit for unit in note["units"] if unit not in new]  # jobs that a timer started among them
    journal.doc["activated"] = sorted({*journal.doc["activated"], *_numbers_of(note["units"], journal)})
    journal.save()
    for left in reversed(range(TRIES)):
        for unit in note["waiting"]:
            _signal(unit, "SIGSTOP")
        if not dumper.is_busy(note):
            return
        if left == 0:
            dumper.end_sessions(note)
            return
        for unit in note["waiting"]:
            _signal(unit, "SIGCONT")
        time.sleep(BETWEEN_S)


def _numbers_of(units: list[str], journal: Journal) -> list[int]:
    return [number for number, entry in enumerate(journal.doc["activations"]) if entry.get("unit") in units]


def _signal(unit: str, name: str) -> None:
    command.run(["systemctl", "kill", f"--signal={name}", unit], timeout_s=20)  # one that is gone needs none


def _slept(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _commands(note: Note, journal: Journal) -> list[str]:
    """Say what a person types who reads that a database could not be put back."""
    again = f"deployer recover --host {journal.doc.get('host') or 'HOST'}"
    if note["dump"] is None:
        return [f"{again}   # tries again"]
    leave = f"{again} --leave-database {note['name']}   # once it is as you want it: it stays as it stands then"
    if note.get("is_lost"):
        return [f"ls -l {note['dump']['file']}   # of no use; nothing was put back from it", leave]
    return [
        f"{again}   # tries again, as the host does by itself once within minutes and at each boot",
        f"{dumper_of(note).by_hand(note, note['dump']['file'])}   # on the host, as root, if that fails",
        leave,
    ]


def _said_of_restored(note: Note) -> str:
    dump, failed = note["dump"], note["failed"]
    return (
        f"the database {note['name']} was restored from the dump taken before its migration "
        f"({dump['taken']}, {_kib(dump)} KiB, {dump['file']}), and stands {_steps(note['before'])}; "
        f"what was written between then and now is in {failed['file']} ({_kib(failed)} KiB)"
    )


def _said_of(note: Note, now: dict[str, Any], verb: str) -> str:
    name, before = note["name"], note["before"]
    if now == before:
        text = f"the database {name} {verb} as before its migration, {_steps(now)}"
    elif now["recorded"] == before["recorded"]:
        text = f"the database {name} {verb} changed, {_steps(now)}: its tables are others than before its migration"
        if note["state"] == "migrating":
            text += ", so a step was left half done, which the next migration has to go on from"
    else:
        text = f"the database {name} {verb} {_steps(now)}; before its migration it stood {_steps(before)}"
    return f"{text}; the dump taken before is {note['dump']['file']}" if note["dump"] else text


def _steps(picture: Mapping[str, Any]) -> str:
    recorded = picture["recorded"]
    if recorded is None:
        return "at a step that no table known here records"
    if not recorded:
        return "before the first recorded step"
    return f"at {len(recorded)} recorded step{'s' if len(recorded) > 1 else ''}, the last: {recorded[-1]}"


def _kib(dump: Mapping[str, Any]) -> int:
    return max(1, int(dump["bytes"]) >> 10)

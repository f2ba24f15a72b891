"""The dead man's switch of trials: the host goes back by itself when nobody says any more that he tries.

Each trial is a committed transaction, so no return of its own waits for it. Who tries winds the switch before each of
them and while he reads. A timer looks every minute; it and its note are files, so that a power cut ends neither. Only
trials are taken back: where somebody has deployed since, the host is theirs.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from typing import Any

from . import back, durable, packed, places, recover, systemctl, transaction
from .journal import booted, committed
from .refusal import Refusal

NOTE = places.STATE + "/deadman.json"
PROGRAM = places.STATE + "/deadman.py"
UNITS = "/etc/systemd/system/"
SERVICE = "deployer-deadman.service"
TIMER = "deployer-deadman.timer"
LINK = UNITS + "timers.target.wants/" + TIMER
#: Of one winding, s: less would go off in the middle of a deploy, more is no switch.
SHORTEST_S, LONGEST_S = 1.0, 86400.0
LOOKS_EVERY_S = 60
#: A deploy that is at work may end first, s.
LOCK_WAIT_S = 600.0
#: A way back that fails is tried again so often: each try may restart services.
TRIES = 5

_SERVICE_TEXT = """\
# Written by deployer while it tries settings on this host; gone when that is done.
[Unit]
Description=deployer: go back to {to} when nobody tries any more
ConditionPathExists={program}

[Service]
Type=oneshot
ExecStart={python} -I -S {program} deadman look
TimeoutStartSec=1800
"""
_TIMER_TEXT = """\
# Written by deployer while it tries settings on this host; gone when that is done.
[Unit]
Description=deployer: looks whether somebody still tries

[Timer]
OnActiveSec={every_s}
OnUnitInactiveSec={every_s}
AccuracySec=1
"""

Document = dict[str, Any]


def run(request: Document) -> Document:
    """Answer a `deadman` request: wind the switch, or take it away.

    Args:
        request: `to`: the committed transaction to go back to, None: take the switch away; `within_s`: when, unless
            it is wound again; `who`, and the `host`'s name.

    Raises:
        Refusal: There is no way back to that transaction, or the timer cannot be started; nothing was changed.
    """
    if request.get("to") is None:
        remove()
        return {"wound": None}
    to, within_s = places.checked_identifier(request["to"]), float(request["within_s"])
    if not SHORTEST_S <= within_s <= LONGEST_S:
        raise Refusal("fault", f"a switch is wound for {SHORTEST_S:.0f} to {LONGEST_S:.0f} s, not for {within_s:g}")
    if (_note() or {}).get("to") != to:
        back.run({"to": to})
        _start(to)  # before the note: without one a look does nothing
    _write_note({"to": to, "who": str(request["who"]), "host": str(request["host"]), "within_s": within_s, "tries": 0})
    return {"wound": to}


def remove() -> None:
    """Take the switch away: the host stays as it is."""
    durable.unlink_quietly(places.at(NOTE))  # first: without it a look does nothing
    if os.path.exists(places.at(UNITS + TIMER)):
        systemctl.order("stop", TIMER)
        for path in (LINK, UNITS + TIMER, UNITS + SERVICE, PROGRAM):
            durable.unlink_quietly(places.at(path))
        systemctl.order("daemon-reload")


def command(_arguments: list[str]) -> int:
    """Look whether somebody still tries; if nobody does, go back: what the timer runs.

    Returns:
        0: somebody does, or the host is back. 1: it is not, and stderr says why; the next look tries again.
    """
    note = _note()
    if note is None or not _is_due(note):
        return 0
    try:
        _go_back(note)
    except Exception as error:  # whatever it is, it is tried so often and not for ever
        note["tries"] += 1
        _log(str(getattr(error, "message", "")) or f"{type(error).__name__}: {error}")
        if note["tries"] < TRIES:
            _write_note(note, wind=False)
        else:
            _log(f"given up after {TRIES} tries: deployer history, then deployer rollback --to {note['to']}")
            remove()
        return 1
    remove()
    return 0


def _go_back(note: Document) -> None:
    who = f"{note['who']}, who does not answer any more"
    for line in recover.run({"who": who, "wait_s": LOCK_WAIT_S})["settled"]:
        _log(line)
    if not _are_trials(note["to"]):
        _log("somebody has deployed since: the host stays as it is")
        return
    plan = back.run({"to": note["to"]})["plan"]
    if not (plan["files"] or plan["activations"] or plan["sysctls"]):
        return
    request = {"transaction": _name(), "who": who, "host": note["host"], "plan": plan, "trial_of": note["to"]}
    transaction.run({**request, "wait_s": LOCK_WAIT_S}, io.BytesIO(), _say, _nobody_stops)


def _are_trials(to: str) -> bool:
    records = committed()
    named = [one.identifier for one in records]
    return to in named and all(one.doc.get("trial_of") == to for one in records[named.index(to) + 1 :])


def _start(to: str) -> None:
    program = packed.text()
    if program is None:
        raise Refusal("fault", "this agent is not a packed program, so it cannot leave a copy for the way back")
    durable.write_over(places.at(PROGRAM), program, 0o600)
    durable.make_directories(os.path.dirname(places.at(LINK)))
    text = _SERVICE_TEXT.format(to=to, program=PROGRAM, python=sys.executable or "/usr/bin/python3")
    durable.write_over(places.at(UNITS + SERVICE), text.encode(), 0o644)
    durable.write_over(places.at(UNITS + TIMER), _TIMER_TEXT.format(every_s=LOOKS_EVERY_S).encode(), 0o644)
    durable.unlink_quietly(places.at(LINK))
    os.symlink(UNITS + TIMER, places.at(LINK))
    durable.sync_directory(os.path.dirname(places.at(LINK)))
    systemctl.order("daemon-reload")
    systemctl.order("restart", TIMER)


def _note() -> Document | None:
    try:
        with open(places.at(NOTE), encoding="utf-8") as stream:
            found: Document = json.load(stream)
    except (FileNotFoundError, ValueError):
        return None
    return found


def _write_note(note: Document, *, wind: bool = True) -> None:
    wound = {"wound_s": time.monotonic(), "booted": booted()} if wind else {}
    durable.make_directories(places.at(places.STATE), 0o700)
    durable.write_document(places.at(NOTE), {**note, **wound})


def _is_due(note: Document) -> bool:
    """Say whether it is time; after a reboot the time counts anew, as whoever tries may have waited for it too."""
    wound_s = note["wound_s"] if note["booted"] == booted() else 0.0
    return bool(time.monotonic() - wound_s >= note["within_s"])


def _name() -> str:
    return time.strftime("%Y%m%dt%H%M%S", time.gmtime()) + "-" + os.urandom(3).hex()


def _say(event: Document) -> None:
    if event.get("event") == "step":
        _log(f"{event.get('step', '')} {event.get('message', '')}".rstrip())


def _nobody_stops(timeout_s: float) -> bool:
    time.sleep(max(0.0, timeout_s))
    return False


def _log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)

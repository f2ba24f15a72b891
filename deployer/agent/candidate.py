"""A candidate: a new release has to answer where no visitor is led before what serves visitors is restarted.

Where the host has no memory for two, a process of the old release makes room: its unit is restarted at once, but waits
before its program for as long as a file is there. So its socket, which systemd holds, belongs to a unit that is
starting: visitors wait, and none of them makes systemd start the new release before it has answered.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from . import command, durable, places, probes, systemctl, unitstate
from .refusal import Refusal

if TYPE_CHECKING:
    from .progress import Progress

#: The units that wait have a file of their name here; gone with a reboot.
HELD = "/run/deployer-held"
#: All candidates, whoever started them.
CANDIDATES = ("app-*@candidate.service", "app-*@candidate.socket")
#: How long a candidate has to go on answering, s.
STEADY_S = 0.5
#: How long one may answer wrongly while visitors wait for it, s.
WRONG_FOR_S = 1.0
#: Within which a process that makes room has ended; what it has begun is finished first, s.
ROOM_WITHIN_S = 60.0


def prove(entry: dict[str, Any], progress: Progress) -> None:
    """Start a candidate, ask it, and stop it again. What serves visitors is not touched, but for a unit that it holds.

    Args:
        entry: The activation: `name` of the app, `unit`, `socket_unit`, `holds`, `probe`.
        progress: Looked at all the time.

    Raises:
        Refusal: Kind `activation` or `probe`: it does not start or does not answer, with its last words.
    """
    unit = entry["unit"]
    stop_all()  # of a dead transaction
    if entry.get("holds"):
        _hold(entry["holds"], progress)
    try:
        for one in filter(None, (entry.get("socket_unit"), unit)):
            systemctl.order("start", one, timeout_s=progress.left_s(systemctl.ORDER_TIMEOUT_S), check=progress.check)
        progress.enter("candidate", f"{entry['name']}: asking it")
        patience_s = WRONG_FOR_S if entry.get("holds") else probes.READY_WITHIN_S
        asked = [{"kind": "unit", "unit": unit}, entry["probe"]]
        probes.gate(asked, STEADY_S, progress, wrong_for_s=patience_s)
    except Refusal as refusal:
        if refusal.kind in ("activation", "probe"):
            refusal.message = f"the new release of {entry['name']} took no visitors: {refusal.message}"
        raise
    finally:
        stop_all()


def stop_all() -> None:
    """Stop candidates, whoever started them; none may be there."""
    command.run(["systemctl", "stop", *CANDIDATES], timeout_s=60)
    command.run(["systemctl", "reset-failed", *CANDIDATES], timeout_s=20)


def is_held(unit: str) -> bool:
    """Say whether a unit waits for a candidate."""
    return os.path.exists(places.at(f"{HELD}/{unit}"))


def let_go(unit: str) -> None:
    """Let a unit start that waits."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(places.at(f"{HELD}/{unit}"))


def let_all_go() -> None:
    """Let all units start that wait, whoever made them; none may."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(places.at(HELD))


def _hold(unit: str, progress: Progress) -> None:
    """Stop a unit's process and keep the next from starting; visitors wait at its socket.

    Raises:
        Refusal: Kind `activation`: the process does not end.
    """
    durable.make_directories(places.at(HELD))
    with open(places.at(f"{HELD}/{unit}"), "wb"):
        pass
    systemctl.order("restart", "--no-block", unit)
    deadline = time.monotonic() + progress.left_s(ROOM_WITHIN_S)
    while True:
        state = unitstate.show([unit])[unit]
        if state["sub"] == "start-pre" or state["active"] in ("inactive", "failed"):
            return
        if time.monotonic() > deadline:
            raise Refusal("activation", f"{unit} does not end", detail=systemctl.last_words(unit))
        progress.check(0.1)

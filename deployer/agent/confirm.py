"""The confirmation of a deploy that may have locked everybody out: somebody logs in anew before it is committed.

The connection that a deploy came over proves nothing: sshd and firewalls let those live that stand. So the agent waits
for a second one, started by a login that was made after the swap and became root as the first did. A file in memory
stands for the wait. Whoever takes it away has ended the wait, one way or the other, and only one can.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Sequence

from . import durable, places
from .journal import Journal
from .refusal import Refusal

if TYPE_CHECKING:
    from .progress import Progress

FOLDER = "/run/deployer"
LOOK_EVERY_S = 0.1


def expect(identifier: str) -> None:
    """From now on a transaction can be confirmed."""
    durable.make_directories(places.at(FOLDER), 0o700)
    durable.write_over(_path(identifier), b"")


def wait(identifier: str, changed: Sequence[str], within_s: float, progress: Progress) -> None:
    """Wait until a transaction is confirmed.

    Args:
        identifier: The transaction, which was `expect`ed before.
        changed: Why it has to be: what leads to this host and was changed.
        within_s: How long to wait; s.
        progress: Looked at all the while.

    Raises:
        Refusal: Kind `probe`: nobody came in time, or who waited for us has gone.
    """
    until = time.monotonic() + within_s
    why = f"nobody did so within {within_s:.0f} s"
    while os.path.exists(_path(identifier)) and time.monotonic() < until:
        try:
            progress.check(LOOK_EVERY_S)
        except Refusal as refusal:
            why = refusal.message
            break
    if forget(identifier):
        raise Refusal("probe", f"the host could not be reached anew after a change of {', '.join(changed)}: {why}")


def forget(identifier: str) -> bool:
    """Take no confirmation any more; say whether one was still awaited."""
    try:
        os.unlink(_path(identifier))
    except FileNotFoundError:
        return False
    return True


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a `confirm` request: `transaction` may be committed, as far as the way to this host is concerned.

    Raises:
        Refusal: Kind `outdated`: it does not wait, or does so no more.
    """
    identifier = places.checked_identifier(request["transaction"])
    journal = Journal.load(identifier)
    if journal.state != "armed" or journal.doc["returning"] or not forget(identifier):
        raise Refusal("outdated", f"the transaction {identifier} waits for no confirmation", step="confirm")
    return {"transaction": identifier}


def _path(identifier: str) -> str:
    return f"{places.at(FOLDER)}/{identifier}.unconfirmed"

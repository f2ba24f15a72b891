"""One transaction at a time: a flock, which the kernel frees when its holder dies. Nothing is unlocked by hand."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any, Callable

from . import durable, places
from .refusal import Refusal

#: Who waits no longer than this is not told for whom: it may be somebody who only looks, s.
_QUIET_S = 1.0


class Lock:
    """The host's lock, held until `release` or the end of the process."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def acquire(
        cls, who: str, transaction: str, wait_s: float = 1.0, meanwhile: Callable[[str], object] = lambda _holder: None
    ) -> Lock:
        """Take the lock.

        Args:
            who: `user@machine`, shown to others while it is held.
            transaction: The id it is held for.
            wait_s: How long to try. One second hides observers, which look at the lock for an instant.
            meanwhile: Told who holds it while we wait; what it raises ends the wait.

        Raises:
            Refusal: Somebody else holds it; the message names the holder.
        """
        durable.make_directories(places.at(places.STATE), 0o700)
        handle = os.open(places.at(places.LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            _take(handle, wait_s, meanwhile)
        except BaseException:
            os.close(handle)
            raise
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        holder = {"who": who, "transaction": transaction, "pid": os.getpid(), "since": since}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        return cls(handle)

    def release(self) -> None:
        """Free the lock. The file stays: removing it would let two processes lock two files of one name."""
        os.ftruncate(self._handle, 0)
        os.close(self._handle)


def _take(handle: int, wait_s: float, meanwhile: Callable[[str], object]) -> None:
    began = time.monotonic()
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited_s = time.monotonic() - began
            if waited_s >= wait_s:
                raise _held() from None
            if waited_s >= _QUIET_S:
                meanwhile(_who_holds())
            time.sleep(0.05)
        else:
            return


def holder() -> dict[str, Any] | None:
    """Return who holds the lock (`who`, `transaction`, `pid`, `since`), or None if nobody does."""
    try:
        handle = os.open(places.at(places.LOCK), os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _written(os.pread(handle, 4096, 0))
    finally:
        os.close(handle)
    return None


def _written(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"who": "unknown", "transaction": "", "pid": 0, "since": ""}


def _who_holds() -> str:
    now = holder() or {}
    return f"{now.get('who', 'unknown')}, since {now.get('since', '?')}, pid {now.get('pid', '?')} on the host"


def _held() -> Refusal:
    return Refusal(
        "lock",
        f"another deploy is running: {_who_holds()}",
        step="lock",
        next="wait until it has ended (--wait SECONDS does), then run the same again; the lock goes with its process",
    )

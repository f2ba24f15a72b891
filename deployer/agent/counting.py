"""The counters of a host's servers while it is sampled: each asked over one connection that stays open.

A client for each question would cost a process; so a second's questions cost a few system calls. Nothing is made for
it: no user, no password. Root's own way in over the server's socket is used, statements are the constants of ours, in
sessions that may only read. Who does not answer in time is left alone for a while, and told as None.
"""

from __future__ import annotations

import struct
import time
from typing import Any, Callable, Dict, Optional

from . import countdatabase, countnginx, countredis

Document = Dict[str, Any]

#: A server that did not answer is asked again after so long, s.
AGAIN_AFTER_S = 5.0
#: Nothing is asked more often, however short the interval, s.
LEAST_PAUSE_S = 0.9
_FAULTS = (OSError, ValueError, KeyError, IndexError, struct.error, *countdatabase.REFUSALS)

#: How the session with each server is opened, by its name and what the request says of it.
OPENED: Dict[str, Callable[[Document], Any]] = {
    "mariadb": countdatabase.Mysql,
    "mysql": countdatabase.Mysql,
    "postgresql": countdatabase.Postgresql,
    "redis": countredis.Redis,
    "valkey": countredis.Redis,
    "nginx": countnginx.Nginx,
}


class Servers:
    """All servers of a host that are asked.

    Args:
        asked: By server what has to be known to ask it; servers that nobody here knows are left out.
    """

    def __init__(self, asked: Document) -> None:
        self._counted = {name: Counted(OPENED[name], about) for name, about in asked.items() if name in OPENED}

    def sample(self) -> Document:
        """Give what each tells; None for one that does not answer."""
        return {name: one.sample() for name, one in self._counted.items()}

    def close(self) -> None:
        """Leave them."""
        for one in self._counted.values():
            one.close()


class Counted:
    """One server: its session, opened when it is needed and again after it broke.

    Args:
        opened: Opens a session, which has ``count``, ``RISING`` and ``close``.
        about: What it has to know.
    """

    def __init__(self, opened: Callable[[Document], Any], about: Document) -> None:
        self._opened, self._about = opened, about
        self._session: Any = None
        self._before: Dict[str, int] = {}
        self._rose: Dict[str, int] = {}
        self._last: Optional[Document] = None
        self._asked_at = self._not_before = float("-inf")

    def sample(self) -> Optional[Document]:
        """Give what it tells; what only rises is told as what came since the beginning."""
        now = time.monotonic()
        if now < max(self._not_before, self._asked_at + LEAST_PAUSE_S):
            return self._last
        self._asked_at = now
        try:
            if self._session is None:
                self._session = self._opened(self._about)
                now = time.monotonic()
            found: Document = self._session.count()
        except _FAULTS:
            self.close()
            self._not_before, self._last = time.monotonic() + AGAIN_AFTER_S, None
            return None
        found["answer_ms"] = round(1000 * (time.monotonic() - now), 2)
        for name in self._session.RISING:
            if name in found:
                found[name] = self._risen(name, found[name])
        self._last = found
        return found

    def _risen(self, name: str, now: int) -> int:
        """Say by how much a counter rose since the beginning; of a server that was started anew it counts from 0."""
        before = self._before.get(name, now)
        since = now - before if now >= before else now
        self._before[name] = now
        self._rose[name] = self._rose.get(name, 0) + since
        return self._rose[name]

    def close(self) -> None:
        """Leave it."""
        if self._session is not None:
            self._session.close()
            self._session = None

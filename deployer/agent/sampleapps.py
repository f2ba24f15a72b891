"""What apps wait for while the host is sampled: answers from other hosts; and who waits for them, at their sockets."""

from __future__ import annotations

import pwd
import time
from collections import Counter
from typing import Any, Dict, List, Optional

from . import socketdiag

Document = Dict[str, Any]

#: Nothing is looked at more often, however short the interval, s.
LEAST_PAUSE_S = 0.9


class Apps:
    """All apps of a host.

    Args:
        asked: By app its ``user``, to whom its connections belong, and the ``sockets`` at which it is asked.
    """

    def __init__(self, asked: Document) -> None:
        self._uids = {app: _uid(str(about.get("user", ""))) for app, about in asked.items()}
        self._sockets = {app: [str(path) for path in about.get("sockets", ())] for app, about in asked.items()}
        self._looked_at = float("-inf")
        self._last: Document = {}

    def sample(self) -> Document:
        """Tell of each app its connections to other hosts, those that wait for an answer, and who waits for it.

        ``outside_waited_ms`` is the longest wait of these, ``outside_to`` whom most of them wait for, and ``queue``
        the connections that the app has not accepted yet.
        """
        now = time.monotonic()
        if self._uids and now >= self._looked_at + LEAST_PAUSE_S:
            self._looked_at = now
            outgoing, queues = socketdiag.outgoing(), socketdiag.queues()
            self._last = {app: self._told(app, outgoing, queues) for app in self._uids}
        return self._last

    def _told(
        self, app: str, outgoing: Optional[List[socketdiag.Outgoing]], queues: Optional[Dict[str, int]]
    ) -> Document:
        known = [queues[path] for path in self._sockets[app] if path in queues] if queues is not None else []
        found: Document = {"queue": sum(known) if known else None}
        uid = self._uids[app]
        if outgoing is None or uid is None:
            return dict(found, outside=None, outside_waiting=None, outside_waited_ms=None, outside_to=None)
        own = [one for one in outgoing if one.uid == uid]
        waiting = [one for one in own if one.waits]
        most = Counter(one.to for one in waiting).most_common(1)
        return dict(
            found,
            outside=len(own),
            outside_waiting=len(waiting),
            outside_waited_ms=max((one.waited_ms for one in waiting), default=0),
            outside_to=most[0][0] if most else None,
        )


def _uid(user: str) -> Optional[int]:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None

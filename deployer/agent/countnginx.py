"""What nginx counts (stub_status), over one kept connection to the page that it gives to the loopback alone."""

from __future__ import annotations

import re
import socket
from typing import Any, Dict

Document = Dict[str, Any]

#: Where our nginx.conf has it: in the server of names that nobody serves, on port 80.
PATH = "/deployer-status"
WITHIN_S = 0.5
_ASKED = ("GET %s HTTP/1.1\r\nHost: deployer-status\r\n\r\n" % PATH).encode()
_MOST_BYTES = 4096
_STATUS = re.compile(
    r"Active connections: (\d+) *\s+server accepts handled requests\s+(\d+) (\d+) (\d+) *\s+"
    r"Reading: (\d+) Writing: (\d+) Waiting: (\d+) *\s"
)
_NAMES = ("active", "accepts", "handled", "requests", "reading", "writing", "waiting")


class Nginx:
    """A session."""

    RISING = ("accepts", "handled", "requests")

    def __init__(self, _about: Document) -> None:
        self._line = socket.create_connection(("127.0.0.1", 80), timeout=WITHIN_S)

    def close(self) -> None:
        """Leave."""
        self._line.close()

    def count(self) -> Document:
        """Ask.

        Raises:
            OSError: It does not answer.
            ValueError: It does not give this page.
        """
        self._line.sendall(_ASKED)
        answer = b""
        told = None
        while told is None and len(answer) < _MOST_BYTES:
            chunk = self._line.recv(_MOST_BYTES)
            if not chunk:
                break
            answer += chunk
            told = _STATUS.search(answer.decode("latin-1"))
        if told is None:
            raise ValueError("no page of counters")
        found: Document = dict(zip(_NAMES, map(int, told.groups())))
        found["active"], found["writing"] = found["active"] - 1, max(0, found["writing"] - 1)  # without ours
        return found

"""What Redis or Valkey tells of itself (INFO), over its own socket."""

from __future__ import annotations

import re
import socket
from typing import Any, Dict

from . import readbackredis

Document = Dict[str, Any]

#: For each answer, s.
WITHIN_S = 0.5
_NAMES = {
    "connected_clients": "connected",
    "blocked_clients": "blocked",
    "used_memory": "memory_bytes",
    "used_memory_peak": "memory_peak_bytes",
    "evicted_keys": "evicted",
    "rejected_connections": "refused",
    "total_commands_processed": "questions",
}
_LINE = re.compile(r"^(\w+):(\d+)\r?$", re.MULTILINE)
_ASKED = b"INFO clients\r\nINFO memory\r\nINFO stats\r\n"


class Redis:
    """A session."""

    RISING = ("evicted", "refused", "questions")

    def __init__(self, about: Document) -> None:
        self._line = socket.socket(socket.AF_UNIX)
        try:
            self._line.settimeout(WITHIN_S)
            self._line.connect(str(about["socket"]))
        except BaseException:
            self.close()
            raise

    def count(self) -> Document:
        """Ask."""
        self._line.sendall(_ASKED)
        answers = readbackredis.Answers(self._line, WITHIN_S)
        told = dict(_LINE.findall("".join(answers.text() for _ in range(3))))
        found = {short: int(told[name]) for name, short in _NAMES.items() if name in told}
        found["connected"] -= 1  # without ours
        return found

    def close(self) -> None:
        """Leave."""
        self._line.close()

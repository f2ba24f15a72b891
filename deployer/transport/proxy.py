"""A way to the host through a command of the user's: ``ProxyCommand`` of ssh_config."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from deployer.transport.startup import last_lines

#: A command that does not end when it is told to is killed; s.
ENDING_S: Final = 1.0


class Proxy:
    """A running command; its stdin and stdout are a socket, so every wait for it can be bounded.

    Attributes:
        socket: Our end.
    """

    def __init__(self, command: str) -> None:
        self.socket, theirs = socket.socketpair()
        descriptor, name = tempfile.mkstemp(prefix="deployer-proxy-")
        Path(name).unlink()
        self._said = os.fdopen(descriptor, "w+b")
        with theirs:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,  # Ctrl-C is for us: the way back needs the connection
            )

    def last_words(self) -> str:
        """Say how it ended and what it said on stderr; empty while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self._process.wait(ENDING_S / 4)
            self._said.seek(0)
            said = last_lines(self._said.read(64 << 10).decode("utf-8", "replace"), 2)
            return f"the ProxyCommand ended (exit status {status}): {said or 'it said nothing'}"
        return ""

    def close(self) -> None:
        """End it and what it started."""
        self.socket.close()
        for kind in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(ENDING_S)
        self._said.close()

"""A TCP link to a host that can be reset, or fall silent without a word to either end."""

from __future__ import annotations

import select
import socket
import struct
import threading


class Link:
    """Carries one connection from a port of this machine to a host's sshd."""

    def __init__(self, address: str, port: int = 22) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._there = (address, port)
        self._silent, self._over, self._reset = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def fall_silent(self) -> None:
        self._silent.set()

    def reset(self) -> None:
        """Both ends get a reset at once."""
        self._reset.set()
        self._thread.join(5)

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)
        self._listener.close()

    def _carry(self) -> None:
        near, _ = self._listener.accept()
        with near, socket.create_connection(self._there, timeout=10) as far:
            other = {near: far, far: near}
            while not self._over.is_set() and not self._reset.is_set():
                if self._silent.is_set():
                    self._over.wait()
                    return
                for end in select.select([near, far], [], [], 0.01)[0]:
                    try:
                        data = end.recv(1 << 16)
                        other[end].sendall(data)
                    except OSError:
                        data = b""
                    if not data:
                        return
            if self._reset.is_set():
                for end in other:  # closed with this option, a socket sends a reset instead of its end
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

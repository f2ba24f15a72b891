"""Wires for tests: a local process, and a peer of our own making at the other end of a socket."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time

from deployer import packing
from deployer.agent import frames
from deployer.transport.client import HAS_KEPT, Agent
from deployer.transport.startup import Start
from deployer.transport.wire import Arrived, LinkLost

#: Of a peer that has kept what it shall run.
GREETING = frames.MAGIC + HAS_KEPT
PROGRAM = packing.Program("what the peer shall run")


class ProcessWire:
    """A local process instead of one behind SSH."""

    def __init__(self, argv):
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self._err_over = False

    def write(self, data, timeout_s):
        try:
            view = memoryview(data)
            while view:
                view = view[self.process.stdin.write(view) :]
        except OSError as error:
            raise LinkLost(str(error)) from error

    def read(self, timeout_s):
        out, err = self.process.stdout.fileno(), self.process.stderr.fileno()
        ready = select.select([out] if self._err_over else [out, err], [], [], timeout_s)[0]
        got_err = os.read(err, 65536) if err in ready else b""
        self._err_over = self._err_over or (err in ready and not got_err)
        got_out = os.read(out, 65536) if out in ready else b""
        return Arrived(got_out, got_err, ended=self._err_over and out in ready and not got_out)

    def exit_status(self, timeout_s):
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self.process.wait(timeout_s)
            return None if status < 0 else status
        return None

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()
        self.process.stderr.close()


class PeerWire:
    """A peer that the test plays: ``play(sock, err)`` runs in a thread; its end is that of the link."""

    def __init__(self, play, *, status=None):
        self._near, self._far = socket.socketpair()
        self._status = status
        self._err = bytearray()
        self.written = 0
        self._thread = threading.Thread(target=self._run, args=(play,), daemon=True)
        self._thread.start()

    def _run(self, play):
        with contextlib.suppress(OSError):
            play(self._far, self._err.extend)
        with contextlib.suppress(OSError):
            self._far.shutdown(socket.SHUT_RDWR)

    def write(self, data, timeout_s):
        self._near.settimeout(timeout_s)
        try:
            self._near.sendall(data)
            self.written += len(data)
        except OSError as error:
            raise LinkLost(str(error)) from error

    def read(self, timeout_s):
        deadline = time.monotonic() + timeout_s
        while True:
            err = bytes(self._err)
            del self._err[: len(err)]
            if select.select([self._near], [], [], 0 if err else 0.01)[0]:
                try:
                    out = self._near.recv(65536)
                except OSError:
                    out = b""
                ended = not out and not err and not self._err  # what was said before the end comes before it
                return Arrived(out, err, ended=ended)
            if err or time.monotonic() > deadline:
                return Arrived(b"", err)

    def exit_status(self, timeout_s):
        return self._status

    def close(self):
        self._near.close()


def local_agent(kept=packing.KEPT, **options):
    """Start the packed agent in a process of this machine, isolated as it is on a host."""
    wire = ProcessWire([sys.executable, "-I", "-S", "-c", packing.loader(kept)])
    return Agent(wire, Start("local"), packing.agent_program(), place="local", **options)


def agent_of(play, *, start=None, status=None, **options):
    """Talk to a peer that the test plays."""
    wire = PeerWire(play, status=status)
    return Agent(wire, start or Start("x"), PROGRAM, place="root@h", **options)

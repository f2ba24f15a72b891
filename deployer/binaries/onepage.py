"""nginx with one page on this machine's loopback, on one of its processors: what load generators are compared on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployer.sandbox import SandboxError, inside
from deployer.sandbox.programs import wait_until

#: As in the usual comparisons: a page of one KiB.
PAGE: Final = b"<html>" + b"x" * 1011 + b"</html>\n"
#: Stands in the page, at its end: a body that is cut off has it not.
MARK: Final = "</html>"
#: The page `/paced` is given out so often and no more, requests a second: who waits, waits by Little's law.
PACED_REQ_PER_S: Final = 1000
_START_TIMEOUT_S: Final = 20
_CONF: Final = """
daemon off;
worker_processes 1;
pid /run/onepage.pid;
error_log stderr;
events {{ worker_connections {connections}; }}
http {{
    access_log off;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    types {{ text/html html; }}
    gzip_types text/plain;
    limit_req_zone $server_addr zone=paced:1m rate={paced_req_per_s}r/s;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        root /srv/onepage;
        location = /paced {{
            limit_req zone=paced burst=5000;
            try_files /index.html =404;
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class OnePage:
    """The server.

    Attributes:
        port: TCP port on 127.0.0.1.
        worker: Process id of the one worker.
    """

    port: int
    worker: int

    @contextmanager
    def freezing(self, *, for_s: float, every_s: float) -> Iterator[None]:
        """Stop the worker for ``for_s`` in the middle of every ``every_s``, until the context is left."""
        over = threading.Event()
        thread = threading.Thread(target=self._freeze, args=(over, for_s, every_s), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _freeze(self, over: threading.Event, for_s: float, every_s: float) -> None:
        freeze = time.monotonic() + (every_s - for_s) / 2
        while not over.wait(max(0.0, freeze - time.monotonic())):
            os.kill(self.worker, signal.SIGSTOP)
            try:
                over.wait(max(0.0, freeze + for_s - time.monotonic()))
            finally:
                os.kill(self.worker, signal.SIGCONT)
            freeze += every_s


@contextmanager
def one_page(tree: Path, *, connections: int = 4096, cpu: int | None = None) -> Iterator[OnePage]:
    """Start it from a Debian tree, on the network of this machine, and end it.

    Args:
        tree: A tree with nginx.
        connections: How many it takes (``worker_connections``).
        cpu: The processor that it runs on; None: wherever the kernel puts it.

    Raises:
        SandboxError: It does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with inside(tree, room_mib=64) as place:
        conf = _CONF.format(port=port, connections=connections, paced_req_per_s=PACED_REQ_PER_S)
        place.lay({"/etc/onepage.conf": conf.encode(), "/srv/onepage/index.html": PAGE})
        place.check(["mkdir", "-p", "/var/lib/nginx", "/var/log/nginx"])
        enter = ["nsenter", f"--target={place.holder}", "--mount", "--pid", "--"]
        pin = [] if cpu is None else ["taskset", "--cpu-list", str(cpu)]
        process = subprocess.Popen(
            [*pin, *enter, "nginx", "-c", "/etc/onepage.conf"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_until(lambda: process.poll() is not None or _answers(port), timeout_s=_START_TIMEOUT_S, step_s=0.02)
            if not _answers(port):
                raise SandboxError("nginx with one page does not start")
            yield OnePage(port, _worker(process.pid))
        finally:
            process.terminate()  # nsenter; the server itself ends with the inside
            process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def _worker(holder: int) -> int:
    """Find the one that has no child: nsenter forks, the master forks."""
    pid = holder
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        pid = int(children[-1])
    return pid

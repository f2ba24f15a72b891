"""Apps that nginx finds behind its upstreams, which say hi whatever they are asked; as a program, one at a port."""

from __future__ import annotations

import re
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.binaries import backlogs
from deployer.sandbox import Inside
from deployer.sandbox.programs import wait_until


class Answer(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        length = 0
        while line := self.rfile.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        self.rfile.read(length)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")


@contextmanager
def app_at(place: Inside, upstream: str) -> Iterator[None]:
    """An app where nginx looks for it: `unix:PATH`, or `127.0.0.1:PORT`."""
    port = re.fullmatch(r"127\.0\.0\.1:(\d+)", upstream)
    with _at_port(place, int(port[1])) if port else _at_socket(place, upstream.removeprefix("unix:")):
        yield


@contextmanager
def _at_socket(place: Inside, path: str) -> Iterator[None]:
    outside = Path(f"/proc/{place.holder}/root{path}")
    with socketserver.ThreadingUnixStreamServer(str(outside), Answer) as server:
        outside.chmod(0o666)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def _at_port(place: Inside, port: int) -> Iterator[None]:
    # a process cannot enter the network of the tree for one socket, so this file is run there
    words = ["nsenter", f"--target={place.holder}", "--net", "--", sys.executable, __file__, str(port)]
    with subprocess.Popen(words) as app:
        try:
            assert wait_until(lambda: port in backlogs(place), timeout_s=10)
            yield
        finally:
            app.terminate()


if __name__ == "__main__":
    with socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[1])), Answer) as at_port:
        at_port.serve_forever()

"""Visitors who send bodies slowly, over TLS to 127.0.0.1: what each is told while others are on their way."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from typing import Any

from deployer.sandbox import Inside

TIMEOUT_S = 10
#: More than nginx keeps in memory.
LENGTH = 20_000


def uploads(place: Inside, name: str, at_once: int) -> dict[str, int]:
    """Give the status of each kind of request while `at_once` uploads are on their way, inside the tree."""
    words = ["nsenter", f"--target={place.holder}", "--net", "--", sys.executable, __file__, name, str(at_once)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return dict(json.loads(done.stdout))


class Visitor:
    """One connection with one request on it."""

    def __init__(self, name: str, head: str, body: bytes = b"") -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the certificate was made for this test, nobody knows it
        plain = socket.create_connection(("127.0.0.1", 443), timeout=TIMEOUT_S)
        self.connection = context.wrap_socket(plain, server_hostname=name)
        self.send(f"{head} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n".encode() + body)

    def send(self, content: bytes) -> None:
        self.connection.sendall(content)

    def status(self) -> int:
        with self.connection, self.connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


def main(name: str, at_once: int) -> dict[str, Any]:
    """Begin the uploads, ask for other things, end one upload and begin another."""
    begun = f"Content-Length: {LENGTH}\r\n\r\n".encode() + b"x" * 100
    held = [Visitor(name, "POST /", begun) for _ in range(at_once)]
    said = {
        "one more upload": Visitor(name, "POST /", begun).status(),
        "one of unknown length": Visitor(name, "POST /", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").status(),
        "a page": Visitor(name, "GET /", b"\r\n").status(),
        "a form": Visitor(name, "POST /", b"Content-Length: 9000\r\n\r\n" + b"x" * 9000).status(),
        "no body": Visitor(name, "POST /", b"\r\n").status(),
    }
    rest = b"x" * (LENGTH - 100)
    held[0].send(rest)
    if held[0].status() == 200:
        last = Visitor(name, "POST /", begun)
        last.send(rest)
        said["an upload, once another has gone"] = last.status()
    return said


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]))))

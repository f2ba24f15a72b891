"""Visitors who ask for a page over TLS and read nothing of it, as a program: prints `ready`, and waits for its stdin.

What the kernel keeps for each of them at the server is then as large as it gets. Arguments: how many, and the path.
"""

from __future__ import annotations

import socket
import ssl
import sys

_TIMEOUT_S = 20


def main() -> None:
    """Ask, and hold the connections until standard input ends."""
    count, path = int(sys.argv[1]), sys.argv[2]
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the certificate was made for this measurement, nobody knows it
    held = []
    for _ in range(count):
        plain = socket.create_connection(("127.0.0.1", 443), timeout=_TIMEOUT_S)
        held.append(context.wrap_socket(plain, server_hostname="measured.example"))
        held[-1].sendall(f"GET {path} HTTP/1.1\r\nHost: measured.example\r\n\r\n".encode())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()


main()

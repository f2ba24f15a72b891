"""One request over TLS or plain to 127.0.0.1, as a program: prints the status and the protocol that TLS agreed on."""

from __future__ import annotations

import socket
import ssl
import sys

_TIMEOUT_S = 10


def main() -> None:
    """Ask for the page and print ``STATUS PROTOCOL``."""
    name, path, how = sys.argv[1:]
    plain = socket.create_connection(("127.0.0.1", 443 if how == "tls" else 80), timeout=_TIMEOUT_S)
    agreed = "-"
    if how == "tls":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the certificate was made for this test, nobody knows it
        context.set_alpn_protocols(["h2", "http/1.1"])
        with context.wrap_socket(plain, server_hostname=name) as offered:
            agreed = offered.selected_alpn_protocol() or "-"
        context.set_alpn_protocols(["http/1.1"])
        plain = context.wrap_socket(
            socket.create_connection(("127.0.0.1", 443), timeout=_TIMEOUT_S), server_hostname=name
        )
    with plain:
        plain.sendall(f"GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        answer = plain.makefile("rb").readline().decode()
    sys.stdout.write(f"{answer.split()[1]} {agreed}\n")


main()

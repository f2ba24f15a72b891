"""What the kernel keeps of an answer for a visitor who reads slowly: with its own setting, and with the one of ours."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deployer.binaries import nginx as nginx_server
from deployer.binaries.needs.figure import Figure, version
from deployer.sandbox import Inside
from deployer.sandbox.programs import run

READERS: Final = 200
PAGE_KIB: Final = 400
#: net.ipv4.tcp_notsent_lowat as deployer sets it, and what had been tried before, bytes.
_LOWATS: Final = (16_384, 131_072)
_SETTLE_S: Final = 2
_PAGE: Final = "/var/www/page.bin"
_CONFIG: Final = """user www-data;
worker_processes 1;
worker_rlimit_nofile 8192;
error_log {log} warn;
events {{ worker_connections 1024; }}
http {{
    server {{
        listen 443 ssl;
        ssl_certificate /etc/ssl/measured.pem;
        ssl_certificate_key /etc/ssl/measured.key;
        ssl_buffer_size 4k;
        sendfile on;
        output_buffers 1 8k;
        root /var/www;
    }}
}}
"""


def nginx(place: Inside) -> Iterator[Figure]:
    """Measure what waits in the kernel for each of many visitors who read nothing of a page over TLS."""
    name = f"nginx {version(place, ['nginx', '-v'])}"
    page = b"x" * (PAGE_KIB * 1024)
    config = _CONFIG.format(log=nginx_server.ERROR_LOG).encode()
    _in_network(place, ["ip", "link", "set", "lo", "mtu", "1500"])  # as a link has it; the device's own is 64 KiB
    for lowat in _LOWATS:
        nginx_server.prepare(place, {"/etc/nginx/nginx.conf": config, _PAGE: page})
        _in_network(place, ["sysctl", "-qw", f"net.ipv4.tcp_notsent_lowat={lowat}"])
        with nginx_server.nginx(place), _readers(place):
            time.sleep(_SETTLE_S)
            queued_kib = _queued_kib(place)
        title = f"{name}: queued in the kernel for a slow reader of {PAGE_KIB} KiB, tcp_notsent_lowat {lowat}"
        yield Figure(f"{title}, mean", sum(queued_kib) / len(queued_kib), "KiB")
        yield Figure(f"{title}, most", max(queued_kib), "KiB")


@contextmanager
def _readers(place: Inside) -> Iterator[None]:
    script = Path(__file__).with_name("slowreaders.py")
    words = [sys.executable, str(script), str(READERS), f"/{Path(_PAGE).name}"]
    readers = subprocess.Popen(
        _words_in_network(place, words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        if readers.stdout is not None:
            readers.stdout.readline()
        yield
    finally:
        readers.communicate(timeout=20)


def _queued_kib(place: Inside) -> list[float]:
    """Read what each of the server's connections has in its queue of what is to be sent, with the kernel's own part."""
    text = _in_network(place, ["ss", "-OHtmn", "state", "established", "sport", "=", ":443"])
    return [int(queued) / 1024 for queued in re.findall(r"skmem:\([^)]*\bw(\d+)", text)]


def _in_network(place: Inside, words: Sequence[str]) -> str:
    return run(_words_in_network(place, words), doing=f"running {words[0]} in the network of a tree")


def _words_in_network(place: Inside, words: Sequence[str]) -> list[str]:
    return ["nsenter", f"--target={place.holder}", "--net", "--", *words]

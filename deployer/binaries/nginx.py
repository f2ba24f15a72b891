"""nginx, started with rendered files: what it says of them, and what it then has."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from deployer.binaries.server import Server, findings_in, started
from deployer.sandbox import Inside
from deployer.sandbox.programs import run

ERROR_LOG: Final = "/var/log/nginx/error.log"
#: Levels of error_log from warn upwards, and what `nginx -t` prints before the log is open.
BAD: Final = r"\[(warn|error|crit|alert|emerg)\]"
_FINE: Final = r"(syntax is ok|test is successful)$"


def prepare(place: Inside, files: Mapping[str, bytes]) -> None:
    """Lay files over the tree, with what a host has besides them: certificates of its names, and cache folders."""
    text = b"\n".join(content for path, content in files.items() if path.startswith("/etc/nginx/")).decode()
    certificates = re.findall(r"^\s*ssl_certificate(_key)?\s+(\S+);", text, re.MULTILINE)
    certificate, key = _certificate() if certificates else (b"", b"")
    place.lay({**files, **{path: key if is_key else certificate for is_key, path in certificates}})
    caches = re.findall(r"^\s*proxy_cache_path\s+(\S+)", text, re.MULTILINE)
    place.check(["mkdir", "-p", "/var/www/acme", *(str(Path(cache).parent) for cache in caches)])


def test(place: Inside) -> list[str]:
    """Run `nginx -t` on what was laid and give all that it says besides that all is well."""
    done = place.run(["nginx", "-t"])
    said = [line for line in done.text.splitlines() if line.strip() and not re.search(_FINE, line)]
    return said or ([f"nginx -t ended with {done.code}"] if done.code else [])


def dump(place: Inside) -> dict[str, list[str]]:
    """Give every directive of `nginx -T` with its values, by its name; the same one may stand in many blocks."""
    found: dict[str, list[str]] = {}
    for line in place.check(["nginx", "-T"]).splitlines():
        matched = re.fullmatch(r"\s*(\w+)\s+([^{}]*);\s*(?:#.*)?", line)
        if matched:
            found.setdefault(matched[1], []).append(matched[2])
    return found


@contextmanager
def nginx(place: Inside, *, open_files: int | None = None) -> Iterator[Server]:
    """Start nginx on what was laid, as its unit does, and wait until its workers are there.

    Args:
        place: The inside of a tree.
        open_files: LimitNOFILE of its unit.
    """
    words = ["nginx", "-g", "daemon off; master_process on;"]
    with started(place, "nginx", words, logs=[ERROR_LOG], open_files=open_files) as server:
        server.wait(lambda: bool(workers(server)))
        yield server


def workers(server: Server) -> list[int]:
    """List the workers' process ids; the cache's own processes are none."""
    return [pid for pid in server.children if b"worker process" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def log_findings(server: Server) -> list[str]:
    """Give what it logged at level warn or worse."""
    return findings_in(server.said().splitlines(), BAD)


def visit(place: Inside, name: str, *, path: str = "/", tls: bool = True) -> tuple[int, str]:
    """Ask for a page from inside the network of the tree; give the status and the HTTP version.

    A program of its own does it, as a process cannot enter a network for one request.
    """
    script = Path(__file__).with_name("visit.py")
    words = [sys.executable, str(script), name, path, "tls" if tls else "plain"]
    text = run(["nsenter", f"--target={place.holder}", "--net", "--", *words], doing=f"visiting {name}")
    status, version = text.split()
    return int(status), version


def _certificate() -> tuple[bytes, bytes]:
    with TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "cert.pem")
        argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        argv += ["-days", "2", "-subj", "/CN=inside.example", "-keyout", str(key), "-out", str(certificate)]
        run(argv, doing="making a certificate")
        return certificate.read_bytes(), key.read_bytes()

"""A registry on loopback, with packages made on the spot: real tarballs, real HTTP."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deployer.npm.registry import NPM_S_OWN


def tarball(files: dict[str, str | bytes], *, links: dict[str, str] | None = None, top: str = "package/") -> bytes:
    """Make a package's tarball; a file whose content begins with `#!` is executable."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(top + name)
            entry.size, entry.mode = len(data), 0o755 if data.startswith(b"#!") else 0o600
            archive.addfile(entry, io.BytesIO(data))
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(top + name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return gzip.compress(stream.getvalue(), mtime=0)


def integrity_of(data: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()


class TinyRegistry:
    """Serves what `publish` was given, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.tarballs: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.failures: list[int] = []
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                registry.asked.append(self.path)
                if registry.failures:
                    self.send_error(registry.failures.pop(0))
                    return
                data = registry.tarballs.get(self.path)
                if data is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/npm/"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def publish(self, name: str, data: bytes, version: str = "1.0.0") -> dict[str, Any]:
        """Put a package into the registry and give its entry in a lock made from npm's own registry."""
        path = f"{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
        self.tarballs[f"/npm/{path}"] = data
        return {
            "version": version,
            "resolved": f"https://{NPM_S_OWN}.example/{path}",
            "integrity": integrity_of(data),
        }


def write_lock(folder: Path, packages: dict[str, Any], version: object = 3) -> Path:
    """Write a lock in which every package is needed by the one that it lies in; at the top, by the app itself."""
    path = folder / "package-lock.json"
    entries: dict[str, Any] = {"": {"name": "app", "version": "1.0.0"}}
    entries |= {place: dict(entry) for place, entry in packages.items()}
    for place, entry in packages.items():
        parent, _, name = place.rpartition("node_modules/")
        kind = "devDependencies" if entry.get("dev") else "dependencies"
        if not entry.get("needed_by_nobody"):
            entries[parent.removesuffix("/")].setdefault(kind, {})[name] = "*"
    path.write_text(json.dumps({"lockfileVersion": version, "packages": entries}))
    return path


def names_in(tar: bytes) -> dict[str, str]:
    """Give each name in a tar with what it is: a folder, a link's target, or a file's content."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {
            entry.name: "/" if entry.isdir() else f"-> {entry.linkname}" if entry.issym() else content(archive, entry)
            for entry in archive
        }


def content(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    file = archive.extractfile(entry)
    assert file is not None
    return f"{entry.mode:o} {file.read().decode()}"

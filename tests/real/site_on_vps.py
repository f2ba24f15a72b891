"""A blog on a local VPS, deployed by the command line as a user would; and visitors who notice every failure."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, Self

import yaml

from deployer.sandbox import SandboxHost

ROOT = Path(__file__).parents[2]
NAME = "blog.example"


@dataclass
class Site:
    """One inventory of one host, and the command line run on it."""

    host: SandboxHost
    folder: Path
    user: str = "deploy"
    changes: dict[str, Any] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.folder / "blog"

    def write(self, **changes: Any) -> None:
        """Write the inventory: the example's blog1, at this host's address, with changes by dotted path."""
        if not self.source.exists():
            shutil.copytree(ROOT / "examples/blog", self.source)
        entry = yaml.safe_load((ROOT / "inventories/example.yml").read_text())["hosts"]["blog1"]
        entry["ssh"] = {
            "address": self.host.address,
            "user": self.user,
            "key_file": str(self.host.key_file),
            "known_hosts_file": str(self.host.known_hosts_file),
            "use_agent": False,
        }
        entry["apps"]["blog"]["source"] = "blog"
        entry["apps"]["blog"]["database"]["seed"] = ["python", "-m", "blog.seed", "--posts", "100"]
        entry["slo"]["uncached_paths"] = ["/", "/post/week-did-again-green-bright-50"]  # the example's is one of 3000
        for path, value in {**self.changes, **changes}.items():
            *parents, last = path.split("__")
            place = entry
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        document = {"hosts": {"web1": entry}}
        if (self.folder / "templates").exists():
            document["templates"] = "templates"
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(document, sort_keys=False))

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `deployer TASK --host web1 ...`."""
        return subprocess.run(
            self.argv(*words),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**self.environment(), **environment},
        )

    def argv(self, task: str, *options: str) -> list[str]:
        """Give the command line of a task on this host."""
        return [sys.executable, "-c", "from deployer.cli import main; main()", task, "--host", "web1", *options]

    def environment(self) -> dict[str, str]:
        # what is read in tests stands on lines of one width, wherever they run
        return {**os.environ, "COLUMNS": "118", "DEPLOYER_INVENTORY": str(self.folder / "hosts.yml")}

    def deploy(self, *options: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = self.run("deploy", "--no-verify", *options, **environment)
        assert done.returncode == code, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def plan(self) -> dict[str, Any]:
        done = self.run("plan", "--json")
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def get(self, path: str = "/", **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = tls_connection(self.host.address)
        try:
            connection.request("GET", path, headers={"Host": NAME, **headers})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()


def tls_connection(address: str) -> HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # as long as a patient visitor waits; what a browser itself waits is several times as much
    connection = HTTPSConnection(NAME, timeout=25, context=context)
    connection.sock = context.wrap_socket(socket.create_connection((address, 443), 25), server_hostname=NAME)
    return connection


class Visitors:
    """Visitors beside a deploy: a cached page, an uncached page and a static file, each on a fresh connection."""

    PATHS = (("/", {}), ("/", {"Cookie": "blog_session=x"}), ("/static/blog.css", {}))

    def __init__(self, site: Site) -> None:
        self._site = site
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: Counter[str] = Counter()

    def _run(self) -> None:
        number = 0
        while not self._over.is_set():
            path, headers = self.PATHS[number % len(self.PATHS)]
            number += 1
            try:
                response, _ = self._site.get(path, **headers)
                self.seen[str(response.status)] += 1
            except (OSError, HTTPException) as error:
                self.seen[f"{path}: {type(error).__name__}: {error}"] += 1
            time.sleep(0.02)

    def __enter__(self) -> Self:
        self._thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        self._over.set()
        self._thread.join()

    def assert_never_failed(self) -> None:
        assert set(self.seen) == {"200"}, self.seen
        assert self.seen["200"] > 20

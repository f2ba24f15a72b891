"""Small apps of examples/ on a local VPS of their own, each with the server that it was written for."""

from __future__ import annotations

import json
import shlex
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

import yaml
from site_on_vps import ROOT, Site, Visitors

#: What each app's host says beside its address; the app is called as its folder is.
ENTRIES: dict[str, dict[str, Any]] = {
    "feed": {
        "services": {"redis": {}},
        "app": {
            "gunicorn": {"module": "feed.main:make_runner", "worker_class": "aiohttp.GunicornWebWorker"},
            "uses": ["redis"],
        },
    },
    "studio": {
        "services": {"redis": {}},
        "app": {
            "gunicorn": {"module": "studio.main:make_runner", "worker_class": "aiohttp.GunicornWebWorker"},
            "uses": ["redis"],
            "internet": True,
        },
    },
    "notes": {
        "services": {"postgresql": {}},
        "app": {
            "gunicorn": {"module": "notes.main:app"},
            "database": {"migrate": ["python", "-m", "notes.migrate"]},
        },
    },
    "guestbook": {
        "services": {"sqlite": {}},
        "app": {
            "gunicorn": {"module": "guestbook.app:app", "worker_class": "gthread", "worker_memory_mib": 64},
            "static": "guestbook/static",
            "database": {"migrate": ["python", "-m", "guestbook.migrate"]},
        },
    },
    "shop": {
        "services": {"mysql": {}, "redis": {}},
        "app": {
            "node": {"script": "server.js"},
            "uses": ["redis"],
            "database": {"server": "mysql", "migrate": ["node", "migrate.js"], "seed": ["node", "seed.js"]},
            "background": {"worker": {"command": ["node", "worker.js"], "pool_size": 2}},
            "timers": {
                "cleanup": {
                    "command": ["node", "cleanup.js"],
                    "pool_size": 2,
                    "on_calendar": "daily",
                }
            },
            "websockets": {"path": "/live", "connections": 100},
            "session_cookie": "shop_session",
        },
    },
    "quotes": {"services": {}, "app": {"java": {"jar": "quotes.jar"}}},
    "shortener": {"services": {}, "app": {"go": {"program": "bin/shortener"}}},
}


@dataclass
class Example(Site):
    """One inventory of one host with one example app, plain http, and the command line run on it."""

    app: str = ""
    budgets: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: dict[str, Any] | None = None

    @property
    def source(self) -> Path:
        return self.folder / self.app

    @property
    def name(self) -> str:
        return f"{self.app}.example"

    def write(self, **changes: Any) -> None:
        """Write the inventory, with changes by dotted path (`services__redis__persistence`)."""
        if not self.source.exists():
            shutil.copytree(ROOT / "examples" / self.app, self.source)
        said = deepcopy(self.said or ENTRIES[self.app])  # changes go into what lies deep in it, too
        host: dict[str, Any] = {
            "hardware": {"cpu_cores": self.host.cpu_cores, "memory_mib": self.host.memory_mib, "disk_gib": 20},
            "ssh": {
                "address": self.host.address,
                "user": self.user,
                "key_file": str(self.host.key_file),
                "known_hosts_file": str(self.host.known_hosts_file),
                "use_agent": False,
            },
            "services": {name: dict(settings) for name, settings in said["services"].items()},
            "apps": {self.app: {"source": self.app, "server_names": [self.name], "internet": False, **said["app"]}},
            "target": {"connections": 200},
            "load_from": ["10.213.77.1"],
        }
        for path, value in {**self.changes, **changes}.items():
            *parents, last = path.split("__")
            place = host
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        document: dict[str, Any] = {"hosts": {"web1": host}}
        if (self.folder / "templates").exists():
            document["templates"] = "templates"
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(document, sort_keys=False))

    @contextmanager
    def overriding(self, template: str, more: str) -> Iterator[None]:
        """Add lines to a shipped template by one of the user's own, for a while."""
        path = self.folder / "templates" / template
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{% include "builtin/{template}" %}}\n{more}\n')
        self.write()
        try:
            yield
        finally:
            shutil.rmtree(self.folder / "templates")
            self.write()

    def sh(self, command: str) -> str:
        """Run a shell command on the host as root and give what it says, without the last line's end."""
        return self.host.sh(command).strip()

    def get(self, path: str = "/", **headers: str) -> tuple[HTTPResponse, bytes]:
        return self.request("GET", path, None, **headers)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
        connection = HTTPConnection(self.host.address, 80, timeout=10)
        try:
            connection.request(method, path, body, {"Host": self.name, **headers})
            response = connection.getresponse()
            return response, response.read()
        finally:
            connection.close()

    def status(self, path: str = "/") -> int:
        """Ask once; 0 stands for no answer."""
        try:
            return self.get(path)[0].status
        except (OSError, HTTPException):
            return 0

    def budget(self) -> dict[str, Any]:
        """What `deployer budget` says; asked again only when the inventory has changed."""
        text = (self.folder / "hosts.yml").read_text()
        if text not in self.budgets:
            done = self.run("budget", "--json")
            assert done.returncode == 0, done.stderr
            self.budgets[text] = json.loads(done.stdout)
        return self.budgets[text]

    def numbers(self, taker: str) -> dict[str, Any]:
        """What the budget says for a taker, without reasons."""
        return {name: number["value"] for name, number in self.budget()["numbers"][taker].items()}

    def limits(self, unit: str, *names: str) -> list[int]:
        """What systemd says that a unit's limits are."""
        shown = dict(line.split("=") for line in self.sh(f"systemctl show -p {','.join(names)} {unit}").split())
        return [int(shown[name]) for name in names]

    def group(self, unit: str, v1: str, v2: str) -> str:
        """Read a file of a unit's control group."""
        path = self.sh(f"systemctl show -p ControlGroup --value {unit}")
        return self.sh(f"cat /sys/fs/cgroup/memory{path}/{v1} 2>/dev/null || cat /sys/fs/cgroup{path}/{v2}")

    def peak_mib(self, unit: str) -> float:
        """The most memory that a unit has held, MiB, what the kernel caches for it included."""
        return int(self.group(unit, "memory.max_usage_in_bytes", "memory.peak")) / (1 << 20)

    def main_pid(self, unit: str) -> int:
        return int(self.sh(f"systemctl show -p MainPID --value {unit}"))

    def queue(self) -> int:
        """How many visitors may wait to be accepted at the app's socket."""
        return int(self.sh(f"ss -Hxl src /run/app-{self.app}.sock").split()[3])

    def exposure(self, unit: str) -> float:
        """What `systemd-analyze security` says of a unit, 0 to 10."""
        return float(self.sh(f"systemd-analyze security {unit} --no-pager | tail -1").split(": ")[1].split()[0])


class ExampleVisitors(Visitors):
    """Visitors of the app's own pages: no cache answers for it."""

    PATHS = (("/", {}), ("/healthz", {}))


def eventually(is_so: Callable[[], bool], *, within_s: float = 30.0) -> bool:
    """Wait until something is so."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if is_so():
            return True
        time.sleep(0.2)
    return is_so()


def answers_under_load(example: Example, *, visitors: int = 4, for_s: float = 5.0) -> int:
    """Visitors who come one after the other, without a pause; all are answered. Returns how many answers there were."""
    seen: Counter[int] = Counter()
    until = time.monotonic() + for_s

    def visit() -> None:
        while time.monotonic() < until:
            seen[example.status("/")] += 1

    threads = [threading.Thread(target=visit) for _ in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) == {200}, seen
    return seen[200]


def out_of_memory(example: Example) -> None:
    """Take more memory within the app's unit than it may have; the kernel ends somebody there, and nobody elsewhere."""
    unit = f"app-{example.app}.service"
    group = example.sh(f"systemctl show -p ControlGroup --value {unit}")
    hog = "python3 -c 'held = [bytearray(1 << 20) for _ in range(2048)]'"
    own = [f"echo $$ > /sys/fs/cgroup{place}{group}/cgroup.procs 2>/dev/null" for place in ("/memory", "")]
    join = " || ".join(own)
    counted = ("memory.oom_control", "memory.events")
    before = example.group(unit, *counted)
    example.sh(f"sh -c {shlex.quote(f'{join}; exec {hog}')}; true")
    assert example.group(unit, *counted) != before, before

"""The inventory entry that takes a hand-made host over, and its new app, which serves the old data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import by_hand
import yaml
from site_on_vps import ROOT, Site

#: The new app: the same table, another program; `DAMAGE` stands for a release that does not start.
APP = """\
import asyncio, json, os
from pathlib import Path
import asyncmy


async def ask(statement):
    password = (Path(os.environ["CREDENTIALS_DIRECTORY"]) / "database_password").read_text().strip()
    names = {"user": os.environ["DB_USER"], "db": os.environ["DB_NAME"], "unix_socket": os.environ["DB_SOCKET"]}
    link = await asyncmy.connect(password=password, **names)
    async with link.cursor() as cursor:
        await cursor.execute(statement)
        found = await cursor.fetchone()
    await link.ensure_closed()
    return found


def app(environ, start_response):
    posts, = asyncio.run(ask("SELECT COUNT(*) FROM posts"))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"served_by": "deployer", "posts": posts}).encode()]
"""
LOCKED = ("asyncmy", "gunicorn", "packaging")


def lock_of(names: tuple[str, ...], example: str = "blog") -> str:
    """Give the lines of some packages from an example's lock file."""
    kept, is_kept = [], False
    for line in (ROOT / "examples" / example / "requirements.lock").read_text().splitlines():
        if not line.startswith(" "):
            is_kept = line.partition("==")[0] in names
        if is_kept:
            kept.append(line)
    return "\n".join(kept) + "\n"


@dataclass
class TakenOver(Site):
    """One inventory entry for a host that was set up by hand."""

    def write(self, **changes: Any) -> None:
        """Write app and inventory, with changes by dotted path."""
        self.source.mkdir(exist_ok=True)
        (self.source / "myblog.py").write_text(APP)
        (self.source / "requirements.lock").write_text(lock_of(LOCKED))
        certificate = {"certificate_file": by_hand.CERTIFICATE, "key_file": by_hand.KEY}
        entry: dict[str, Any] = {
            "hardware": {"cpu_cores": 1, "memory_mib": 1024, "disk_gib": 20},
            "ssh": {
                "address": self.host.address,
                "user": self.user,
                "key_file": str(self.host.key_file),
                "known_hosts_file": str(self.host.known_hosts_file),
                "use_agent": False,
            },
            "services": {"mysql": {}, "redis": {"persistence": "rdb"}},
            "apps": {
                "blog": {
                    "source": "blog",
                    "server_names": [by_hand.NAME, f"www.{by_hand.NAME}"],
                    "tls": certificate,
                    "health_path": "/",
                    "gunicorn": {"module": "myblog:app", "worker_class": "gthread", "worker_memory_mib": 48},
                    "database": {},
                    "uses": ["redis"],
                }
            },
            "target": {"connections": 100},
        }
        for path, value in {**self.changes, **changes}.items():
            *parents, last = path.split("__")
            place = entry
            for parent in parents:
                place = place.setdefault(parent, {})
            place[last] = value
        (self.folder / "hosts.yml").write_text(yaml.safe_dump({"hosts": {"web1": entry}}, sort_keys=False))

    def adopt(self, *options: str, code: int = 0) -> str:
        """Run `deployer adopt`, and give all that it said."""
        done = self.run("adopt", *options)
        said = done.stdout + done.stderr
        assert done.returncode == code, f"ended with {done.returncode}\n{said}"
        assert "Traceback" not in said
        return said

    def adopt_document(self, *options: str, code: int = 0) -> dict[str, Any]:
        done = self.run("adopt", "--json", *options)
        assert done.returncode == code, done.stderr
        return dict(json.loads(done.stdout))

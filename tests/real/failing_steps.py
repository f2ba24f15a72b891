"""Steps for the example blog's migration that fail on MariaDB and MySQL, and an agent that dies in one of them."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from site_on_vps import Site

#: A step that is whole, and one that fails behind its first statement, which neither server undoes.
STEPS = {
    "0004_moods.sql": "CREATE TABLE moods (mood VARCHAR(20) NOT NULL PRIMARY KEY);\n",
    "0005_posts.sql": "ALTER TABLE posts ADD COLUMN mood INT;\nUPDATE posts SET mood = 7;\nSELECT no FROM nowhere;\n",
}
HANGS = {"0004_moods.sql": "CREATE TABLE moods (mood INT);\nUPDATE posts SET title = 'lost';\nSELECT SLEEP(120);\n"}
KILL_THE_AGENT = (
    "for p in /proc/[0-9]*; do grep -q DEPLOYER[-]AGENT $p/cmdline 2>/dev/null && kill -9 ${p#/proc/}; done; true"
)


def add(site: Site, steps: dict[str, str]) -> None:
    for name, text in steps.items():
        (site.source / "blog/migrations" / name).write_text(text)


def take_away(site: Site) -> None:
    for name in {**STEPS, **HANGS}:
        (site.source / "blog/migrations" / name).unlink(missing_ok=True)


def history(site: Site) -> list[dict[str, Any]]:
    return list(json.loads(site.run("history", "--json").stdout)["transactions"])


def kill_the_agent_in_its_migration(site: Site, client: str, data: Callable[[Site], str], before: str) -> None:
    """Deploy steps that hang, and kill the agent once they have written; the client asks the server as root."""
    add(site, HANGS)
    deploy = subprocess.Popen(
        site.argv("deploy", "--no-verify"),
        cwd=site.folder,
        env=site.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    try:
        site.host.sh(f"timeout 60 sh -c 'until {client} -e \"SHOW PROCESSLIST\" | grep -q SLEEP; do sleep 0.1; done'")
        assert data(site) != before
        site.host.sh(KILL_THE_AGENT)
        deploy.wait(60)
    finally:
        deploy.kill()
        deploy.wait(10)


def return_now(site: Site, known: str) -> None:
    """Do what the timer does once its time has come, and wait for a line of history that is not the known one."""
    timer = site.host.sh("systemctl list-units --plain --no-legend 'deployer-return-*.timer' | cut -d' ' -f1").strip()
    site.host.sh(f"systemctl start {timer.replace('.timer', '.service')}", timeout_s=120)
    until = time.monotonic() + 60
    while history(site)[0]["transaction"] == known and time.monotonic() < until:
        time.sleep(0.5)

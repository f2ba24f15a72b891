"""The task that lets pyinfra and Ansible do the work of a deploy without a change, beside `deployer`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from invoke.context import Context

from deployer.deploy import desired
from deployer.distance import far_away
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.report.benchmark import Row
from deployer.report.terminal import Steps
from deployer.rivals import NAMES, rivals as as_rivals
from deployer.sandbox import SandboxHost
from deployer.tasks.bench import compile_ahead, machine_of, publish
from deployer.tasks.noop import ADDED_RTT_S, through
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps

#: How many times as long each has to take, at the longest distance, for the design to be worth it.
WANTED_TIMES = {"pyinfra": 8.0, "ansible": 40.0}
DEPLOY = """\
import sys
from dataclasses import replace
from pathlib import Path
from deployer.deploy import session
from deployer.inventory import load_inventory
entry = load_inventory([Path(sys.argv[1])]).entry(sys.argv[2])
ssh = entry.host.ssh.model_copy(update={"address": "127.0.0.1", "port": int(sys.argv[3]), "host_key": sys.argv[4]})
with session(replace(entry, host=entry.host.model_copy(update={"ssh": ssh}))) as host:
    assert host.plan().is_empty
"""


@task
def rivals(_context: Context, *, host: str = "blog1", inventory: str = "", runs: int = 3, write: bool = False) -> int:
    """Let pyinfra and Ansible do what a deploy without a change does, side by side with it, 0, 50 and 100 ms away.

    Each is a process of its own from its start to its end, on a fresh connection. All find nothing to change.
    """
    entry, found = entry_of(host, inventory)
    local = local_vps(entry)
    if local is None:
        raise UsageError(f"{host} is no local VPS", next_step=f"sandbox.up --host {host}")
    rendered = desired(entry, found.template_folders).rendered
    walls: dict[tuple[str, float], list[float]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="deployer-rivals-") as folder,
        Steps() as steps,
        far_away(local.address, entry.host.ssh.port) as far,
    ):
        compile_ahead()
        others = as_rivals(rendered, local, entry.host.ssh.user, Path(folder), steps.say)
        for number in range(1, runs + 1):
            for rtt_s in ADDED_RTT_S:
                far.rtt_s = rtt_s
                steps.step("side by side", f"run {number} of {runs}, {rtt_s * 1000:.0f} ms away")
                ours = _ours(entry, local, far.port, inventory or "inventories")
                walls.setdefault(("deployer", rtt_s), []).append(ours)
                for name in NAMES:
                    walls.setdefault((name, rtt_s), []).append(others.run(name, far.port))
    work = f"{len(rendered.files)} files, {len(rendered.wanted.units)} units"
    return publish("bench.rivals", f"{machine_of(entry)}; {work}.", _rows(walls), write=write)


def _ours(entry: Entry, local: SandboxHost, port: int, inventory: str) -> float:
    key = through(entry, local, port).host.ssh.host_key or ""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", DEPLOY, inventory, entry.name, str(port), key],
        stdin=subprocess.DEVNULL,
        timeout=300,
        check=True,
    )
    return time.perf_counter() - began


def _rows(walls: dict[tuple[str, float], list[float]]) -> list[Row]:
    rows = [
        Row(name=f"{name}, {rtt_s * 1000:.0f} ms away", unit="s", runs=tuple(taken), decimals=2)
        for (name, rtt_s), taken in walls.items()
    ]
    longest = ADDED_RTT_S[-1]
    for name in NAMES:
        times = tuple(a / b for a, b in zip(walls[name, longest], walls["deployer", longest], strict=True))
        least = WANTED_TIMES.get(name)
        rows.append(
            Row(
                name=f"{name} / deployer, {longest * 1000:.0f} ms away",
                wanted=f">= {least:g}" if least else "",
                runs=times,
                missed=sum(one < least for one in times) if least else 0,
                decimals=1,
            )
        )
    return rows

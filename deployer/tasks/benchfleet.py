"""The figures of many hosts at once: what each costs this machine, and how the time grows with their number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from invoke.context import Context

from deployer import sandbox
from deployer.errors import UsageError
from deployer.inventory import Entry
from deployer.report.benchmark import Row
from deployer.report.terminal import Steps
from deployer.tasks.bench import compile_ahead, publish
from deployer.tasks.sandboxes import start
from deployer.tasks.shell import entry_of, task

#: Numbers of hosts that are measured, up to the one that was asked for.
SIZES = (1, 5, 10, 20)
#: Last numbers of the addresses: people have those below, tests those above.
ADDRESSES = range(30, 100)
SNAPSHOT = "bench-fleet"
#: First deploys at the same time: they are work for the hosts, which share this machine's cores.
FIRST_AT_ONCE = 4
#: A local VPS holds seven inotify instances of root's, more while it boots; a kernel's usual 128 end at 18 of them.
INOTIFY, INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances"), 1024


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of the whole process took.

    Attributes:
        wall_s: From its start to its end, s.
        cpu_s: Processor time of this machine's side, without the hosts', s.
        peak_mib: Most memory that it had at once, MiB.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


@task
def fleet(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    hosts: int = 20,
    runs: int = 3,
    write: bool = False,
) -> int:
    """Make local VPSes of a host's kind, and measure a deploy that has nothing to do on 1, 5, 10 and 20 at once."""
    entry, _ = entry_of(host, inventory)
    sizes = (*(size for size in SIZES if size < hosts), hosts)
    with Steps() as steps, _local_fleet(entry, hosts, steps) as (path, names):
        compile_ahead()
        _deploy(path, names[:1])  # what is read for the first time is not the subject
        costs: dict[int, list[Cost]] = {size: [] for size in sizes}
        for number in range(1, runs + 1):
            for size in sizes:
                steps.step("no-op deploys", f"run {number} of {runs}, {size} at once")
                costs[size].append(_deploy(path, names[:size]))
    rows = _rows(costs)
    hardware = entry.host.hardware
    about = (
        f"local VPSes of {hardware.cpu_cores} core(s) and {hardware.memory_mib} MiB as {entry.name}, deployed before; "
        f"all share this machine's {os.cpu_count()} cores with the process that is measured, its start included."
    )
    return publish("bench.fleet", about, rows, write=write)


@contextmanager
def _local_fleet(entry: Entry, count: int, steps: Steps) -> Iterator[tuple[Path, list[str]]]:
    """Make hosts, all as an inventory says that is made for them; afterwards take them away."""
    taken = {one.address.rpartition(".")[2] for one in sandbox.hosts()}
    free = [number for number in ADDRESSES if str(number) not in taken]
    if len(free) < count:
        raise UsageError(f"there are addresses for {len(free)} more local VPSes, not for {count}")
    members = [_member(entry, f"fleet-{number}") for number in free[:count]]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as cleanup:
        cleanup.enter_context(_enough_instances())
        path = Path(folder) / "hosts.yml"
        document = {"hosts": {one.name: one.host.model_dump(mode="json", exclude_unset=True) for one in members}}
        path.write_text(json.dumps(document), encoding="utf-8")
        names = [one.name for one in members]
        for number, member in enumerate(members):
            steps.step("hosts", f"{number + 1} of {count}")
            cleanup.callback(sandbox.down, member.name)
            start(member, snapshot=SNAPSHOT if number else "")
            if not number:
                _deploy(path, names[:1])
                sandbox.save_snapshot(member.name, SNAPSHOT)
                cleanup.callback(sandbox.drop_snapshot, SNAPSHOT)
        steps.step("deploys", "each under its own name")
        _deploy(path, names, at_once=FIRST_AT_ONCE)
        yield path, names


@contextmanager
def _enough_instances() -> Iterator[None]:
    """Let this machine's kernel give more inotify instances, for as long as the hosts are there."""
    try:
        before = INOTIFY.read_text(encoding="ascii")
        INOTIFY.write_text(str(max(INSTANCES, int(before))), encoding="ascii")
    except OSError as error:
        raise UsageError(f"{INOTIFY} cannot be raised: {error}", next_step="run it as root, on Linux") from error
    try:
        yield
    finally:
        INOTIFY.write_text(before, encoding="ascii")


def _member(entry: Entry, name: str) -> Entry:
    """Make another host of an entry's kind, whose paths hold wherever its inventory lies."""
    host = entry.host
    address = f"{host.ssh.address.rpartition('.')[0]}.{name.rpartition('-')[2]}"
    apps = {key: app.model_copy(update={"source": str(entry.path(app.source))}) for key, app in host.apps.items()}
    files = {
        key: str(entry.path(written))
        for key in ("key_file", "known_hosts_file")
        if (written := getattr(host.ssh, key)) is not None
    }
    ssh = host.ssh.model_copy(update={"address": address, **files})
    return Entry(name, host.model_copy(update={"ssh": ssh, "apps": apps}), entry.folder)


def _deploy(path: Path, names: Sequence[str], at_once: int | None = None) -> Cost:
    """Run a whole deploy as a process of its own.

    Raises:
        UsageError: It failed, so that there is nothing to measure.
    """
    words = ["deploy", "--inventory", str(path), "--host", ",".join(names), "--no-verify", "--json"]
    words += ["--parallel", str(at_once or len(names))]
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [sys.executable, "-c", "from deployer.cli import main; main()", *words],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise UsageError(f"a deploy of {len(names)} ended with {process.returncode}: {said.read()[-2000:]!r}")
    return Cost(time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _rows(costs: Mapping[int, Sequence[Cost]]) -> list[Row]:
    """Put the runs side by side; what a host adds is told from the largest fleet and a single host."""
    one, most = costs[min(costs)], max(costs)
    rows = [_wall_row(size, runs, one) for size, runs in costs.items()]
    added_s = tuple((many.cpu_s - single.cpu_s) / (most - 1) for many, single in zip(costs[most], one, strict=True))
    added_mib = tuple(
        (many.peak_mib - single.peak_mib) / (most - 1) for many, single in zip(costs[most], one, strict=True)
    )
    return [
        *rows,
        Row(name="processor time here, 1 host", unit="s", runs=tuple(cost.cpu_s for cost in one), decimals=2),
        Row(name="processor time here, each host more", unit="s", runs=added_s, decimals=2),
        Row(name="memory here, 1 host", unit="MiB", runs=tuple(cost.peak_mib for cost in one)),
        Row(name="memory here, each host more", unit="MiB", runs=added_mib, decimals=1),
    ]


def _wall_row(size: int, runs: Sequence[Cost], one: Sequence[Cost]) -> Row:
    walls_s = tuple(cost.wall_s for cost in runs)
    if size == 1:
        return Row(name="1 host", unit="s", runs=walls_s, decimals=2)
    return Row(
        name=f"{size} hosts at once",
        wanted=f"< {size} x the time of one",
        unit="s",
        runs=walls_s,
        missed=sum(wall_s >= size * single.wall_s for wall_s, single in zip(walls_s, one, strict=True)),
        decimals=2,
    )

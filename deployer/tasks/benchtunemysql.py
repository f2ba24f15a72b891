"""The benchmark of `tune-mysql`: a server spoiled as articles advise, tuned, and held against what its budget gives."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

from invoke.context import Context

from deployer.allocate import allocate
from deployer.deploy import Session, session
from deployer.errors import Inconclusive, UsageError
from deployer.mysqlworkload import Workload
from deployer.report.benchmark import Row
from deployer.report.terminal import Steps
from deployer.sandbox import SandboxHost
from deployer.services.mysql.flavours import flavour_of
from deployer.services.mysql.settings import TAKER, is_declared
from deployer.tasks.bench import machine_of, publish
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps
from deployer.tunemysql import apply_tuning, watch

#: A tiny pool, a query cache, and buffers that every connection may have: what people who know no budget write.
SPOILED = {
    "innodb_buffer_pool_size": "6M",
    "query_cache_type": "1",
    "query_cache_size": "64M",
    "max_connections": "150",
    "sort_buffer_size": "16M",
    "join_buffer_size": "16M",
    "read_buffer_size": "8M",
    "read_rnd_buffer_size": "8M",
    "tmp_memory_table_size": "64M",
    "max_heap_table_size": "64M",
    "innodb_log_buffer_size": "32M",
}
#: The spoiled server does at most so much of what the budget's does, or nothing is proven; the tuned one at least.
MOST_SPOILED, LEAST_TUNED = 0.50, 0.90
#: Before each measurement the pool fills, s.
WARM_UP_S = 20
WINDOW_S = 5
INSTALLED_WITHIN_S = 200.0
_MOST = re.compile(r"Maximum possible memory usage: ([0-9.]+)([KMG])")
_UNITS_MIB = {"K": 1 / 1024, "M": 1.0, "G": 1024.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run: statements per second as the budget says, spoiled, and tuned; MySQLTuner's most, MiB."""

    budgeted_per_s: float
    spoiled_per_s: float
    tuned_per_s: float
    spoiled_mib: float
    tuned_mib: float


@task
def tune_mysql(
    _context: Context, *, host: str = "blog1", inventory: str = "", runs: int = 3, hold_s: int = 20, write: bool = False
) -> int:
    """Spoil the MariaDB of a deployed local VPS, let `tune-mysql` mend it, and measure it before, between and after."""
    entry, found = entry_of(host, inventory)
    local = local_vps(entry)
    declaration = entry.declaration
    if local is None or not is_declared(declaration) or flavour_of(declaration).name != "mariadb":
        raise UsageError(
            f"{host} is no running local VPS with MariaDB; its server is spoiled and restarted",
            where=f"hosts.{host}",
            next_step=f"sandbox.up --host {host}, then deploy --host {host}",
        )
    measured = []
    work = Workload(local)
    with Steps() as steps, session(entry, template_folders=found.template_folders, say=steps.say) as connected:
        steps.step("data", "making it")
        local.sh("DEBIAN_FRONTEND=noninteractive apt-get -qqy install mysqltuner >&2", timeout_s=INSTALLED_WITHIN_S)
        _tune(connected)
        try:
            data_mib = work.prepare()
            for number in range(1, runs + 1):
                steps.step(f"run {number} of {runs}", "as the budget says")
                measured.append(_run(connected, work, hold_s, steps, f"run {number} of {runs}"))
        finally:
            _tune(connected)
            work.clear()
    slice_mib = allocate(declaration).grants[TAKER].memory_mib
    about = f"{machine_of(entry)}; {data_mib:.0f} MiB of data; {hold_s} s each, after {WARM_UP_S} s of warming up."
    return publish("bench.tune-mysql", about, _rows(measured, slice_mib), write=write)


def _run(connected: Session, work: Workload, hold_s: float, steps: Steps, name: str) -> Run:
    work.host.sh("systemctl restart mariadb")  # as before the others: all three begin with what a start leaves
    budgeted = _measured(work, hold_s)
    steps.step(name, f"{budgeted:.0f} statements/s; spoiled")
    _spoil(connected, work.host)
    spoiled = _measured(work, hold_s)
    spoiled_mib = _mysqltuner_most_mib(work.host)
    steps.step(name, f"{spoiled:.0f} statements/s; tuned")
    with _working(work):
        _tune(connected)
    tuned = _measured(work, hold_s)
    steps.step(name, f"{tuned:.0f} statements/s")
    return Run(
        budgeted_per_s=budgeted,
        spoiled_per_s=spoiled,
        tuned_per_s=tuned,
        spoiled_mib=spoiled_mib,
        tuned_mib=_mysqltuner_most_mib(work.host),
    )


def _measured(work: Workload, hold_s: float) -> float:
    work.run(WARM_UP_S)
    return work.run(hold_s)


def _spoil(connected: Session, local: SandboxHost) -> None:
    """Change the server's file by hand, as somebody would who has read an article, and restart it."""
    path = flavour_of(connected.wanted.rendered.declaration).config
    changes = " ".join(f"-e 's/^{name} = .*/{name} = {value}/'" for name, value in SPOILED.items())
    local.sh(f"sed -i {changes} {path} && systemctl restart mariadb")


@contextmanager
def _working(work: Workload) -> Iterator[None]:
    """Keep the server at work meanwhile, so that its counters have something to say."""
    thread = Thread(target=work.run, args=(WINDOW_S + 2,))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _tune(connected: Session) -> None:
    """Do what `tune-mysql --apply --restart-allowed` does."""
    tuning = watch(connected, window_s=WINDOW_S)
    done = apply_tuning(connected, tuning, restart_allowed=True)
    if done.left:
        names = ", ".join(one.setting for one in done.left)
        raise Inconclusive(f"the server does not run as its budget says: {names}", where=connected.wanted.entry.name)


def _mysqltuner_most_mib(local: SandboxHost) -> float:
    # it divides by zero where no tables are of MyISAM, after it has told this
    found = _MOST.search(local.sh("mysqltuner --nocolor --skippassword 2>&1 || true", timeout_s=120))
    if found is None:
        raise Inconclusive("MySQLTuner does not tell the most memory that it thinks possible", where=local.name)
    return float(found[1]) * _UNITS_MIB[found[2]]


def _rows(measured: Sequence[Run], slice_mib: int) -> list[Row]:
    spoiled = tuple(100 * one.spoiled_per_s / one.budgeted_per_s for one in measured)
    tuned = tuple(100 * one.tuned_per_s / one.budgeted_per_s for one in measured)
    return [
        Row(name="as the budget says", unit="statements/s", runs=tuple(one.budgeted_per_s for one in measured)),
        Row(name="spoiled", unit="statements/s", runs=tuple(one.spoiled_per_s for one in measured)),
        Row(name="tuned", unit="statements/s", runs=tuple(one.tuned_per_s for one in measured)),
        Row(
            name="spoiled, of the budget's",
            wanted=f"<= {MOST_SPOILED:.0%}",
            unit="%",
            runs=spoiled,
            missed=sum(one > 100 * MOST_SPOILED for one in spoiled),
        ),
        Row(
            name="tuned, of the budget's",
            wanted=f">= {LEAST_TUNED:.0%}",
            unit="%",
            runs=tuned,
            missed=sum(one < 100 * LEAST_TUNED for one in tuned),
        ),
        Row(name="MySQLTuner's most, spoiled", unit="MiB", runs=tuple(one.spoiled_mib for one in measured)),
        Row(
            name="MySQLTuner's most, tuned",
            wanted=f"<= {slice_mib} MiB, its slice",
            unit="MiB",
            runs=tuple(one.tuned_mib for one in measured),
            missed=sum(one.tuned_mib > slice_mib for one in measured),
        ),
    ]

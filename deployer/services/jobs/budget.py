"""What the background workers and timers of apps need: all fixed, and all at the same time.

A timer may run while everything else is at its worst, so its memory is kept for it day and night.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.app import BackgroundWorker, Job, Timer
from deployer.apps import AppPlaces, unit_numbers
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import AppLinks, Chain
from deployer.numbers import Derived, Numbers, default, pinned
from deployer.service import Contradictions

#: How long a job may finish what it has begun, s.
STOP_S = 30
#: Threads and child processes of one process of a job.
TASKS = 64


@dataclass(frozen=True, slots=True)
class AppJob:
    """One worker or timer of one app."""

    app: str
    name: str
    job: Job

    @property
    def taker(self) -> str:
        """Its name in the ledger."""
        return f"{self.app}-{self.name}"

    @property
    def kind(self) -> str:
        """The key of the inventory that it stands under."""
        return "background" if isinstance(self.job, BackgroundWorker) else "timers"

    @property
    def processes(self) -> int:
        """How many of it run at once."""
        return self.job.processes if isinstance(self.job, BackgroundWorker) else 1

    @property
    def units(self) -> tuple[str, ...]:
        """Units that always run: each process of a worker, but not what a timer starts."""
        places = AppPlaces(self.app)
        if isinstance(self.job, Timer):
            return ()
        return tuple(places.job_unit(self.name, number) for number in range(1, self.processes + 1))


def jobs_of(declaration: Declaration) -> Iterator[AppJob]:
    """Give all workers and timers of a host."""
    for app_name, app in declaration.apps.items():
        for name, job in (*app.background.items(), *app.timers.items()):
            yield AppJob(app_name, name, job)


def links(declaration: Declaration) -> Mapping[str, AppLinks]:
    """Say what the jobs add to the chain: connections to the servers that their apps use."""
    found = {}
    for one in jobs_of(declaration):
        uses = bool(declaration.servers_of(one.app))
        size = one.job.pool_size if uses else 0
        number = default(size, "connections", "a job does one thing at a time")
        if "pool_size" in one.job.model_fields_set:
            number = pinned(size, "connections", f"apps.{one.app}.{one.kind}.{one.name}.pool_size")
        found[one.taker] = AppLinks(
            app=one.app,
            processes=one.processes,
            pool_size=size,
            numbers={"pool_size": number} if uses else {},
            units=one.units,
        )
    return found


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each job: as many processes as it has, each as large as the inventory says, or as its program needs."""
    found = []
    for one in jobs_of(declaration):
        each = one.job.memory_mib or chain.runner_of(one.app).usual_job_mib(one.job.command)
        parts = {f"{one.processes} x {each} MiB" if one.processes > 1 else "one process": float(one.processes * each)}
        for name, mib in chain.connection_parts(one.taker).items():
            parts[name] = one.processes * mib
        at = f"apps.{one.app}.{one.kind}.{one.name}"
        size = "memory_mib" if one.job.memory_mib else "command"
        inputs = [f"{at}.{size}", *([f"{at}.processes"] if isinstance(one.job, BackgroundWorker) else [])]
        found.append(Claim(one.taker, parts, inputs=(*inputs, *chain.connection_inputs(one.taker))))
    return found


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the limits of each process of a job from its part of the grant."""
    found: dict[str, dict[str, Derived]] = {}
    for one in jobs_of(declaration):
        limits = unit_numbers(
            declaration,
            grants[one.taker],
            tasks=TASKS,
            tasks_because="threads and children",
            stop_s=STOP_S,
            processes=one.processes,
        )
        found[one.taker] = {**limits, **chain.of_taker(one.taker)}
        if isinstance(one.job, Timer):
            found[one.taker]["TimeoutStartSec"] = (
                pinned(one.job.timeout_s, "s", f"apps.{one.app}.timers.{one.name}.timeout_s")
                if "timeout_s" in one.job.model_fields_set
                else default(one.job.timeout_s, "s", "it is ended after an hour")
            )
    return found


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse a worker and a timer of one name, for their units would be one."""
    for app_name, app in declaration.apps.items():
        for name in app.timers:
            if name in app.background:
                yield ("apps", app_name, "timers", name), f"a background worker is called {name} already"

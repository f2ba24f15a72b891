"""What a Go program needs: its runtime is told to stay within nine tenths of what it is given.

Long-lived connections and uploads are in its heap, so these nine tenths hold them besides the least that it rests with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from deployer.app import App
from deployer.apps import beside_inputs, beside_parts, candidate_numbers, jobs_without_room, unit_numbers
from deployer.apps.ports import port_contradictions
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Contradictions, Remedy
from deployer.services.go.links import LEAST_GOMEMLIMIT_MIB, MEMORY_SHARE, apps_of, runner_of
from deployer.units import round_down

#: Share of the elastic remainder.
WEIGHT = 2
#: What a program may use beyond its floor before somebody should look, MiB.
MOST_SHARE_MIB = 1024
#: How long it may finish what it has begun, s.
STOP_S = 20
#: Threads of the runtime, and of what blocks in the kernel (files above all), besides one for each core.
TASKS = 64


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each app: what is pinned, or a floor and a share.

    Raises:
        BudgetError: The pinned memory has no room for what the app's connections hold beside Go's heap.
    """
    found = []
    for name, (app, settings) in apps_of(declaration).items():
        if settings.memory_mib is not None:
            _check_pin(settings.memory_mib, name, declaration, chain)
            found.append(
                Claim(name, {"one process": float(settings.memory_mib)}, inputs=(f"apps.{name}.go.memory_mib",))
            )
            continue
        held = beside_parts(app)
        held_mib = sum(held.values())
        parts = {
            "one process": PRIORS.go_floor_mib,
            **held,
            f"so that {MEMORY_SHARE} of it all hold them": held_mib / MEMORY_SHARE - held_mib,
            **chain.connection_parts(name),
        }
        inputs = ("priors.go_floor_mib", *beside_inputs(name, app), *chain.connection_inputs(name))
        found.append(Claim(name, parts, weight=WEIGHT, cap_mib=MOST_SHARE_MIB, because="a larger heap", inputs=inputs))
    return found


def _check_pin(memory_mib: int, name: str, declaration: Declaration, chain: Chain) -> None:
    beside = chain.connection_parts(name)
    own_mib = _least_mib(declaration.apps[name])
    least_mib = own_mib + ceil(sum(beside.values()))
    if memory_mib < least_mib:
        where = f"apps.{name}.go.memory_mib"
        raise BudgetError(
            f"{where} is pinned to {memory_mib} MiB, but has to hold {own_mib} for the program and beside it "
            + ", ".join(f"{mib:g} for {part}" for part, mib in beside.items()),
            where=f"hosts.{declaration.host}.{where}",
            next_step=f"write at least {least_mib}, leave it out, or let connections hold less",
        )


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive what Go's runtime is told, and the unit's limits."""
    return {name: _of_app(name, declaration, chain, grants) for name in apps_of(declaration)}


def _of_app(name: str, declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Numbers:
    grant = grants[name]
    cores, settings = declaration.hardware.cpu_cores, apps_of(declaration)[name][1]
    memory_mib = settings.memory_mib or grant.memory_mib
    beside = chain.connection_parts(name)
    less = "".join(f", less {mib:g} for {part}," for part, mib in beside.items())
    found: dict[str, Derived] = {
        "processes": chain.of_taker(name)["processes"],
        "backlog": chain.numbers["backlog"],
        "GOMEMLIMIT": derived(
            round_down(MEMORY_SHARE * (memory_mib - sum(beside.values())), 1),
            "MiB",
            f"{MEMORY_SHARE} of {memory_mib}{less}: what C holds and sockets in the kernel are not Go's",
            f"{name}.MemoryMax",
            *chain.connection_inputs(name),
        ),
        "GOMAXPROCS": derived(cores, "threads", "one per core", "hardware.cpu_cores"),
        **unit_numbers(
            declaration,
            grant,
            tasks=TASKS + cores,
            tasks_because=f"one thread per core, {TASKS} more for what waits in the kernel",
            tasks_from=("hardware.cpu_cores",),
            stop_s=STOP_S,
        ),
    }
    if settings.memory_mib is not None:
        found["MemoryMax"] = pinned(settings.memory_mib, "MiB", f"apps.{name}.go.memory_mib")
    found |= candidate_numbers(
        name,
        settings.memory_mib or PRIORS.go_floor_mib + sum(beside.values()),
        grants,
        each_mib=int(found["MemoryMax"].value),
        inputs=("priors.go_floor_mib" if settings.memory_mib is None else f"apps.{name}.go.memory_mib",),
    )
    if "pool_size" in chain.of_taker(name):
        found["pool_size"] = chain.of_taker(name)["pool_size"]
    return found


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer the floor where more is pinned."""
    for name, (app, settings) in apps_of(declaration).items():
        least_mib = _least_mib(app)
        if (settings.memory_mib or 0) > least_mib:
            least = settings.model_copy(update={"memory_mib": least_mib})
            yield Remedy(f"apps.{name}.go.memory_mib: {least_mib}", declaration.with_app(name, go=least))


def _least_mib(app: App) -> int:
    return ceil((LEAST_GOMEMLIMIT_MIB + sum(beside_parts(app).values())) / MEMORY_SHARE)


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse ports that cannot be had, and memory that Go's collector would never rest in."""
    yield from port_contradictions(declaration, "go")
    for name, (app, settings) in apps_of(declaration).items():
        least_mib = _least_mib(app)
        if settings.memory_mib is not None and settings.memory_mib < least_mib:
            needs = f"{LEAST_GOMEMLIMIT_MIB} MiB for Go's collector to rest, and {', '.join(beside_parts(app))}"
            why = f"{MEMORY_SHARE} of it is GOMEMLIMIT, which has to hold {needs}; write at least {least_mib}"
            yield ("apps", name, "go", "memory_mib"), why
        yield from jobs_without_room(name, app, runner_of(name, settings), "a Go program")

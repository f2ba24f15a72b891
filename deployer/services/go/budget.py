"""What a Go program needs: its runtime is told to stay within nine tenths of what it is given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.app import App
from deployer.apps import beside_parts, unit_numbers
from deployer.apps.ports import port_contradictions
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, derived
from deployer.priors import PRIORS
from deployer.service import Contradictions, Remedy
from deployer.services.go.links import MEMORY_SHARE, apps_of
from deployer.services.go.settings import GoSettings
from deployer.units import round_down

#: Share of the elastic remainder.
WEIGHT = 2
#: What a program may use beyond its floor before somebody should look, MiB.
MOST_SHARE_MIB = 1024
#: With less Go's collector works all the time (MiB): it is refused.
LEAST_GOMEMLIMIT_MIB = 64
#: How long it may finish what it has begun, s.
STOP_S = 20
#: Threads of the runtime, and of what blocks in the kernel (files above all), besides one for each core.
TASKS = 64


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each app: what is pinned, or a floor and a share."""
    found = []
    for name, (app, settings) in apps_of(declaration).items():
        if settings.memory_mib is not None:
            found.append(Claim(name, {"one process": float(settings.memory_mib)}))
            continue
        parts = {"one process": PRIORS.go_floor_mib, **chain.connection_parts(name), **beside_parts(app)}
        found.append(Claim(name, parts, weight=WEIGHT, cap_mib=MOST_SHARE_MIB, because="a larger heap"))
    return found


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive what Go's runtime is told, and the unit's limits."""
    return {name: _of_app(name, declaration, chain, grants[name]) for name in apps_of(declaration)}


def _of_app(name: str, declaration: Declaration, chain: Chain, grant: Grant) -> Numbers:
    cores = declaration.hardware.cpu_cores
    found: dict[str, Derived] = {
        "processes": chain.of_taker(name)["processes"],
        "backlog": chain.numbers["backlog"],
        "GOMEMLIMIT": derived(
            round_down(MEMORY_SHARE * grant.memory_mib, 1),
            "MiB",
            f"{MEMORY_SHARE} of {grant.memory_mib}: stacks of C and sockets in the kernel are not Go's",
            f"{name}.MemoryMax",
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
    if "pool_size" in chain.of_taker(name):
        found["pool_size"] = chain.of_taker(name)["pool_size"]
    return found


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer the floor where more is pinned."""
    for name, (app, settings) in apps_of(declaration).items():
        if (settings.memory_mib or 0) > PRIORS.go_floor_mib:
            floor = int(PRIORS.go_floor_mib)
            yield Remedy(f"apps.{name}.go.memory_mib: {floor}", _with(declaration, name, app, settings, floor))


def _with(declaration: Declaration, name: str, app: App, settings: GoSettings, memory_mib: int) -> Declaration:
    changed = app.model_copy(update={"go": settings.model_copy(update={"memory_mib": memory_mib})})
    return declaration.model_copy(update={"apps": {**declaration.apps, name: changed}})


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse ports that cannot be had, and memory that Go's collector would never rest in."""
    yield from port_contradictions(declaration, "go")
    for name, (_, settings) in apps_of(declaration).items():
        if settings.memory_mib is not None and MEMORY_SHARE * settings.memory_mib < LEAST_GOMEMLIMIT_MIB:
            least_mib = int(PRIORS.go_floor_mib)
            why = f"{MEMORY_SHARE} of it is GOMEMLIMIT; below {LEAST_GOMEMLIMIT_MIB} MiB Go's collector never rests"
            yield ("apps", name, "go", "memory_mib"), f"{why}; write at least {least_mib}"

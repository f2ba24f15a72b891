"""What an app needs: gunicorn's master, one worker at least, and more workers as memory allows and cores can use."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.app import App
from deployer.budget import Chain, Claim, Derived, Grant, Numbers
from deployer.chain import default, derived, is_async, pinned
from deployer.declaration import Declaration
from deployer.priors import PRIORS

#: Share of the elastic remainder.
WEIGHT = 3
#: How long a worker may finish what it has begun; less than the unit's TimeoutStopSec, s.
GRACEFUL_TIMEOUT_S = 20
#: Longer than nginx keeps an idle connection to the app, so that it is never the app that closes it; s.
KEEPALIVE_S = 75


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each app: master and first worker are its floor, the other workers its share."""
    found = []
    for name, app in declaration.apps.items():
        wanted, worker_mib = int(chain.numbers[f"{name}.workers"].value), _worker_mib(app)
        parts = {"gunicorn master": PRIORS.gunicorn_master_mib}
        if app.gunicorn.workers is not None:
            parts[f"{wanted} workers of {worker_mib:g} MiB"] = wanted * worker_mib
            found.append(Claim(name, parts))
            continue
        parts[f"one worker of {worker_mib:g} MiB"] = worker_mib
        cap = int((wanted - 1) * worker_mib)
        found.append(Claim(name, parts, weight=WEIGHT if cap else 0, cap_mib=cap, because=f"up to {wanted} workers"))
    return found


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive each app's workers and timeouts from its grant."""
    return {name: _of_app(name, app, declaration, chain, grants[name]) for name, app in declaration.apps.items()}


def _of_app(name: str, app: App, declaration: Declaration, chain: Chain, grant: Grant) -> Numbers:
    worker_mib, wanted = _worker_mib(app), chain.numbers[f"{name}.workers"]
    workers = wanted
    if app.gunicorn.workers is None:
        fits = 1 + int(grant.elastic_mib // worker_mib)
        count = min(int(wanted.value), fits)
        workers = derived(count, "processes", f"{wanted.because}; {fits} fit into {grant.memory_mib} MiB")
    found: dict[str, Derived] = {
        "MemoryMax": derived(grant.memory_mib, "MiB", f"fixed {grant.fixed_mib} + share {grant.elastic_mib}"),
        "workers": workers,
        "timeout": pinned_or_default(app.gunicorn.timeout_s, 30, "s", "a worker that is silent so long is replaced"),
        "graceful_timeout": default(GRACEFUL_TIMEOUT_S, "s", "less than the unit's TimeoutStopSec"),
        "keepalive": default(KEEPALIVE_S, "s", "longer than nginx keeps an idle connection to the app"),
        "backlog": chain.numbers["backlog"],
        "max_requests": _max_requests(app, int(workers.value)),
    }
    found["max_requests_jitter"] = derived(
        int(found["max_requests"].value) // 10, "requests", "a tenth: workers are not all replaced at once"
    )
    found |= _of_unit(declaration, grant, int(workers.value))
    if app.database is not None:
        found["pool_size"] = chain.numbers[f"{name}.pool_size"]
    return found


def _of_unit(declaration: Declaration, grant: Grant, workers: int) -> Numbers:
    """Derive the limits of the app's unit, named as systemd names them."""
    connections = declaration.target.connections
    swap_mib = grant.memory_mib // 4 if declaration.hardware.swap_mib else 0
    return {
        "MemorySwapMax": derived(swap_mib, "MiB", "a quarter of MemoryMax" if swap_mib else "the host has no swap"),
        "TasksMax": derived(32 + 48 * workers, "tasks", "a worker may have 40 threads for what is not async"),
        "LimitNOFILE": derived(
            max(8192, connections + 1024), "descriptors", "one worker may have to hold every visitor's connection"
        ),
        "TimeoutStopSec": derived(GRACEFUL_TIMEOUT_S + 10, "s", "graceful_timeout + 10"),
    }


def pinned_or_default(value: int, usual: int, unit: str, because: str) -> Derived:
    """Tell a value that the user wrote down from the usual one."""
    return default(value, unit, because) if value == usual else pinned(value, unit, "gunicorn")


def _max_requests(app: App, workers: int) -> Derived:
    if app.gunicorn.max_requests is not None:
        return pinned(app.gunicorn.max_requests, "requests", "gunicorn.max_requests")
    if workers == 1 and is_async(app):
        return derived(
            0, "requests", "never: visitors would wait while the only worker is replaced; MemoryMax guards it"
        )
    return default(20_000, "requests", "a worker is replaced now and then, against leaks; a tenth of it is jitter")


def _worker_mib(app: App) -> float:
    return float(app.gunicorn.worker_memory_mib or PRIORS.gunicorn_worker_mib)

"""What an app needs: gunicorn's master, one worker at least, and more workers as memory allows and cores can use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deployer.app import App
from deployer.apps import beside_inputs, beside_parts, candidate_numbers, unit_numbers
from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.service import Contradictions, Remedy
from deployer.services.gunicorn.links import apps_of
from deployer.services.gunicorn.settings import GunicornSettings

#: Share of the elastic remainder.
WEIGHT = 3
#: How long a worker may finish what it has begun; less than the unit's TimeoutStopSec, s.
GRACEFUL_TIMEOUT_S = 20
#: Longer than nginx keeps an idle connection to the app, so that it is never the app that closes it; s.
KEEPALIVE_S = 75
#: What a small app's worker needs; the prior is made for larger ones.
SMALL_WORKER_MIB, SMALL_ASGI_WORKER_MIB = 64, 40


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price each app: master and first worker are its floor, the other workers its share."""
    found = []
    for name, (app, settings) in apps_of(declaration).items():
        wanted, worker_mib = chain.links[name].processes, _worker_mib(settings)
        each_mib = worker_mib + sum(chain.connection_parts(name).values())
        parts = {"gunicorn master": PRIORS.gunicorn_master_mib, **beside_parts(app), **_requests(settings, chain)}
        first = wanted if settings.workers is not None else 1
        parts[f"{_count(first, 'worker')} of {worker_mib:g} MiB"] = first * worker_mib
        parts |= {f"{first} x {name}": first * mib for name, mib in chain.connection_parts(name).items()}
        cap = int((wanted - first) * each_mib)
        inputs = (
            "priors.gunicorn_master_mib",
            *_inputs(name, settings),
            *beside_inputs(name, app),
            *chain.connection_inputs(name),
        )
        found.append(
            Claim(
                name,
                parts,
                weight=WEIGHT if cap else 0,
                cap_mib=cap,
                because=f"up to {wanted} workers",
                inputs=inputs,
            )
        )
    return found


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive each app's workers and timeouts from its grant."""
    return {
        name: {
            **(own := _of_app(name, settings, declaration, chain, grants[name])),
            **candidate_numbers(
                name,
                PRIORS.gunicorn_master_mib + _worker_mib(settings) + sum(chain.connection_parts(name).values()),
                grants,
                each_mib=int(own["MemoryMax"].value),
                inputs=("priors.gunicorn_master_mib", *_worker_inputs(name, settings), *chain.connection_inputs(name)),
            ),
        }
        for name, (_, settings) in apps_of(declaration).items()
    }


def _of_app(name: str, settings: GunicornSettings, declaration: Declaration, chain: Chain, grant: Grant) -> Numbers:
    app = declaration.apps[name]
    each_mib = _worker_mib(settings) + sum(chain.connection_parts(name).values())
    workers = wanted = chain.of_taker(name)["workers"]
    if settings.workers is None:
        fits = 1 + int(grant.elastic_mib // each_mib)
        count = min(int(wanted.value), fits)
        because = f"{wanted.because}; {fits} fit into {grant.memory_mib} MiB"
        workers = derived(count, "processes", because, *wanted.inputs, f"ledger.{name}")
    found: dict[str, Derived] = {
        "workers": workers,
        "threads": chain.of_taker(name)["threads"],
        "timeout": pinned(settings.timeout_s, "s", f"apps.{name}.gunicorn.timeout_s")
        if "timeout_s" in settings.model_fields_set
        else default(settings.timeout_s, "s", "a silent worker is replaced then"),
        "graceful_timeout": default(GRACEFUL_TIMEOUT_S, "s", "less than the unit's TimeoutStopSec"),
        "keepalive": default(KEEPALIVE_S, "s", "longer than nginx keeps an idle connection to the app"),
        "backlog": chain.numbers["backlog"],
        "max_requests": _max_requests(name, settings, app, int(workers.value)),
    }
    found["max_requests_jitter"] = derived(
        int(found["max_requests"].value) // 10,
        "requests",
        "a tenth: workers are not all replaced at once",
        f"{name}.max_requests",
    )
    found |= unit_numbers(
        declaration,
        grant,
        tasks=32 + (48 + int(found["threads"].value)) * int(workers.value),
        tasks_because="a worker may have 40 threads for what is not async, besides those for requests",
        tasks_from=(f"{name}.workers", f"{name}.threads"),
        stop_s=GRACEFUL_TIMEOUT_S + 10,
    )
    if "pool_size" in chain.of_taker(name):
        found["pool_size"] = chain.of_taker(name)["pool_size"]
    return found


def _max_requests(name: str, settings: GunicornSettings, app: App, workers: int) -> Derived:
    if settings.max_requests is not None:
        return pinned(settings.max_requests, "requests", f"apps.{name}.gunicorn.max_requests")
    if app.websockets is not None:
        return default(0, "requests", "never: a worker that is replaced cuts its long-lived connections")
    if workers == 1 and settings.is_async:
        return derived(
            0,
            "requests",
            "never: visitors would wait while the only worker is replaced; MemoryMax guards it",
            f"{name}.workers",
        )
    return default(20_000, "requests", "a worker is replaced now and then, against leaks; a tenth of it is jitter")


def _worker_mib(settings: GunicornSettings) -> float:
    usual_mib = PRIORS.asgi_worker_mib if settings.is_async else PRIORS.gunicorn_worker_mib
    return float(settings.worker_memory_mib or usual_mib)


def _requests(settings: GunicornSettings, chain: Chain) -> Mapping[str, float]:
    """Price what async workers have in progress: all that nginx lets through, whichever of them takes it."""
    if not settings.is_async:
        return {}
    requests = int(chain.numbers["requests_at_once"].value)
    request_kib = settings.request_memory_kib or PRIORS.asgi_request_kib
    return {f"{requests} requests of {request_kib:g} KiB": requests * request_kib / 1024}


def _worker_inputs(name: str, settings: GunicornSettings) -> Iterator[str]:
    kind = "asgi" if settings.is_async else "gunicorn"
    yield (
        f"priors.{kind}_worker_mib" if settings.worker_memory_mib is None else f"apps.{name}.gunicorn.worker_memory_mib"
    )


def _inputs(name: str, settings: GunicornSettings) -> Iterator[str]:
    yield from _worker_inputs(name, settings)
    if settings.is_async:
        yield "nginx.requests_at_once"
        measured = settings.request_memory_kib is not None
        yield f"apps.{name}.gunicorn.request_memory_kib" if measured else "priors.asgi_request_kib"


def _count(number: int, word: str) -> str:
    return f"one {word}" if number == 1 else f"{number} {word}s"


def remedies(declaration: Declaration) -> Iterator[Remedy]:
    """Offer smaller workers where nobody measured them, and fewer of them where they are pinned."""
    for name, (_, settings) in apps_of(declaration).items():
        if settings.worker_memory_mib is None:
            small_mib = SMALL_ASGI_WORKER_MIB if settings.is_async else SMALL_WORKER_MIB
            yield Remedy(
                f"apps.{name}.gunicorn.worker_memory_mib: {small_mib}, if you measured that it needs no more",
                _with(declaration, name, settings, worker_memory_mib=small_mib),
            )
        if (settings.workers or 1) > 1:
            yield Remedy(f"apps.{name}.gunicorn.workers: 1", _with(declaration, name, settings, workers=1))


def _with(declaration: Declaration, name: str, settings: GunicornSettings, **changes: int) -> Declaration:
    return declaration.with_app(name, gunicorn=settings.model_copy(update=changes))


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse pins that gunicorn would ignore."""
    for name, (_, settings) in apps_of(declaration).items():
        place = ("apps", name, "gunicorn")
        if settings.threads is not None and not settings.is_threaded:
            yield (*place, "threads"), f"worker_class {settings.worker_class} has no threads; write gthread"
        if settings.request_memory_kib is not None and not settings.is_async:
            about = f"a worker of class {settings.worker_class} has one request in progress for each thread"
            yield (*place, "request_memory_kib"), f"{about}; put it into worker_memory_mib"
        if settings.is_async:
            if settings.wait_ms is not None:
                about = f"a worker of class {settings.worker_class} does other things while one request waits"
                yield (*place, "wait_ms"), f"{about}, however long; leave it out"
        elif (settings.wait_ms is None) != (settings.compute_ms is None):
            yield place, "wait_ms and compute_ms say something only together"

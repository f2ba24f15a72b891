"""From what was seen to a host's own constants: with margins, within bounds, only if the budget fits with them. Pure.

A light load shows what a worker holds and what a page computes; those may be less than our constants. It does not show
what a request or a connection takes at its worst: there a measurement can only make the price higher.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor
from statistics import mean

from deployer.allocate import allocate
from deployer.app import App
from deployer.budget import STEP_MIB, HostBudget
from deployer.calibration.observed import Cost, Observed
from deployer.declaration import Declaration
from deployer.errors import BudgetError
from deployer.hardware import Declared
from deployer.inventory.measurements import bounds, layered, runs_by
from deployer.measured import Measured, Measurement, PageCost
from deployer.priors import PRIORS
from deployer.units import round_down, round_up

#: Beyond what was seen; a worker grows as it lives.
MEMORY_MARGIN = 1.25
#: Of what the processor carries at its best: a thousand visitors cost more each than the few of a calibration.
RATE_MARGIN = 0.8
TIME_MARGIN = 1.1
#: An app that begins to work on many things at once grows by itself, whatever each of them takes, MiB.
GROWS_BY_ITSELF_MIB = 1.0
#: Rates are written in whole hundreds, so that a second calibration of a quiet host changes nothing.
RATE_STEP = 100


@dataclass(frozen=True, slots=True)
class Learned:
    """What a calibration comes to.

    Attributes:
        measured: The host's own constants, for the file beside the inventory.
        declaration: The host with them.
        budget: Its budget with them; it fits.
        before: Its budget without.
    """

    measured: Measured
    declaration: Declaration
    budget: HostBudget
    before: HostBudget


def learn(declaration: Declaration, app: str, units: tuple[str, ...], observed: Observed, date: str) -> Learned:
    """Turn what was seen into constants, and see that the budget fits with them.

    Args:
        declaration: What the inventory says, without any measurement.
        app: The app whose pages were asked for.
        units: Its units.
        observed: What was seen.
        date: Day of the measurement, UTC, as 2026-11-22.

    Raises:
        BudgetError: With what was measured the host no longer fits; nothing may be written then.
    """
    values = dict(_values(declaration, app, units, observed))
    measured = Measured(
        version=1,
        host=declaration.host,
        date=date,
        runs={app: runs_by(declaration, app)},
        values=values,
        pages=tuple(_page(cost) for cost in observed.costs),
        seen=dict(_seen(units, observed)),
    )
    own = layered(declaration, measured)
    try:
        budget = allocate(own)
    except BudgetError as error:
        told = ", ".join(f"{place} {one.value:g}" for place, one in values.items())
        raise BudgetError(
            f"with what was measured ({told}) the host no longer fits; nothing was written. {error.message}",
            where=error.where,
            next_step=error.next_step,
        ) from error
    return Learned(measured, own, budget, allocate(declaration))


def _values(
    declaration: Declaration, name: str, units: tuple[str, ...], observed: Observed
) -> Iterator[tuple[str, Measurement]]:
    app = declaration.apps[name]
    for runner in app.runners[:1]:
        place = f"apps.{name}.{runner}"
        settings = app.run_by(runner)
        if settings is None:
            continue
        if bounds(declaration, f"{place}.worker_memory_mib"):
            is_pinned = "worker_memory_mib" in settings.model_fields_set
            yield from _worker(declaration, f"{place}.worker_memory_mib", units, observed, is_pinned=is_pinned)
        yield from _request(declaration, f"{place}.request_memory_kib", units, observed)
        yield from _times(declaration, place, settings, observed)
    yield from _cached(app, observed)


def _worker(
    declaration: Declaration, place: str, units: tuple[str, ...], observed: Observed, *, is_pinned: bool
) -> Iterator[tuple[str, Measurement]]:
    """Price a worker by the largest that was seen, and by all that the unit held: the master's growth is paid here.

    Raises:
        BudgetError: It held more than is believed. A lower price than that would be known to be wrong.
    """
    seen = [
        max(*held, (look.held_mib(unit) - PRIORS.gunicorn_master_mib) / len(held))
        for look in (observed.idle, observed.settled, observed.after)
        for unit in units
        if (held := look.workers_mib(unit))
    ]
    found = bounds(declaration, place)
    if not seen or found is None:
        return
    least, most = found
    wanted = round_up(MEMORY_MARGIN * max(seen), STEP_MIB)
    if wanted > most:
        if is_pinned:
            return  # the user's own word counts, and what nobody believes is not written
        raise BudgetError(
            f"a worker held {max(seen):.0f} MiB; with a quarter more that is beyond the {most:g} MiB up to which a "
            "measurement is believed. Nothing was written",
            where=place,
            next_step="if that is what it holds, write it there in the inventory; else measure again",
        )
    value = max(wanted, round_up(least, STEP_MIB))
    because = f"a worker held {max(seen):.1f} MiB at the most, and a quarter more"
    if value > wanted:
        because += f"; never less than half of the constant {least * 2:g}"
    yield place, Measurement(value=value, because=because)


def _request(
    declaration: Declaration, place: str, units: tuple[str, ...], observed: Observed
) -> Iterator[tuple[str, Measurement]]:
    """Price a request by what those at once added; of a few slow ones that is mostly the app's own growth.

    That growth is in the worker's price, so that no more is counted here than is believed of a request.
    """
    found = bounds(declaration, place)
    wanted = ceil(MEMORY_MARGIN * _grown_kib(units, observed))
    if found is None or wanted <= PRIORS.asgi_request_kib:
        return
    most = floor(found[1])
    because = f"{observed.at_once} requests at once took {_grown_kib(units, observed):.0f} KiB each, and a quarter more"
    if wanted > most:
        because += f"; no more than {most} is believed"
    yield place, Measurement(value=min(wanted, most), because=because)


def _grown_kib(units: tuple[str, ...], observed: Observed) -> float:
    grown_mib = sum(observed.after.held_mib(unit) - observed.settled.held_mib(unit) for unit in units)
    return max(0.0, grown_mib - GROWS_BY_ITSELF_MIB) * 1024 / max(1, observed.at_once)


def _times(
    declaration: Declaration, place: str, settings: Declared, observed: Observed
) -> Iterator[tuple[str, Measurement]]:
    """Say how long a page computes and, where a worker waits with it, how long it waits; a user's own words count."""
    costs = [cost for cost in observed.costs if cost.kind == "uncached"]
    if not costs or "compute_ms" not in type(settings).model_fields:
        return
    compute_ms = mean(cost.cpu_ms for cost in costs)
    pages = ", ".join(cost.path for cost in costs)
    waits = bounds(declaration, f"{place}.wait_ms")
    if waits is not None and {"compute_ms", "wait_ms"} & settings.model_fields_set:
        return
    yield (
        f"{place}.compute_ms",
        Measurement(
            value=_rounded(TIME_MARGIN * compute_ms),
            because=f"{compute_ms:.3g} ms of the whole host for each of {_short(pages)}, and a tenth more",
        ),
    )
    if waits is not None:
        alone_ms = mean(cost.took_ms for cost in costs)
        because = f"an answer took {alone_ms:.3g} ms when nothing else was asked, less what it computes"
        yield f"{place}.wait_ms", Measurement(value=_rounded(max(waits[0], alone_ms - compute_ms)), because=because)


def _cached(app: App, observed: Observed) -> Iterator[tuple[str, Measurement]]:
    costs = [cost for cost in observed.costs if cost.kind == "cached"]
    if not costs or app.session_cookie is None or not app.cache_s:
        return
    dearest = max(costs, key=lambda cost: cost.cpu_ms)
    carried = 1000 / dearest.cpu_ms
    because = (
        f"{dearest.cpu_ms:.3g} ms for {_short(dearest.path)} from the cache are {carried:.0f} a second; a fifth less"
    )
    value = max(RATE_STEP, round_down(RATE_MARGIN * carried, RATE_STEP))
    prior = PRIORS.cached_req_per_s_per_core
    yield (
        "priors.cached_req_per_s_per_core",
        Measurement(value=min(max(value, 0.1 * prior), 4 * prior), because=because),
    )


def _seen(units: tuple[str, ...], observed: Observed) -> Iterator[tuple[str, float]]:
    """Note what is not reckoned with, for whoever reads the file."""
    yield "KiB that a request at once added to the app", round(_grown_kib(units, observed), 1)
    connections, grown_mib = observed.held
    if connections:
        yield f"KiB of nginx for each of {connections} held connections", round(grown_mib * 1024 / connections, 1)
    if observed.after.connection_kib is not None:
        yield "KiB that one database connection held at the most", observed.after.connection_kib
    for unit in units:
        yield f"MiB of {unit} before any load", round(observed.idle.held_mib(unit), 1)


def _page(cost: Cost) -> PageCost:
    return PageCost(
        path=cost.path,
        kind=cost.kind,
        kib=_rounded(cost.kib),
        cpu_ms=_rounded(cost.cpu_ms),
        alone_ms=_rounded(cost.alone_ms),
    )


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."

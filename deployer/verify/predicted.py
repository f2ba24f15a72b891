"""What a host's pages are expected to carry, from its budget alone: held against what the test measures. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.priors import PRIORS
from deployer.slo import Slo
from deployer.verify.target import Prediction


def predictions(declaration: Declaration, budget: HostBudget, slo: Slo, app: str) -> tuple[Prediction, ...]:
    """Predict what each page that the load test asks for carries.

    Args:
        declaration: The host.
        budget: Its budget.
        slo: Names the pages.
        app: The app whose pages these are.
    """
    cores, per_core = declaration.hardware.cpu_cores, PRIORS.cached_req_per_s_per_core
    cached = Prediction(
        path=slo.cached_path,
        cached=True,
        req_per_s=float(cores * per_core),
        because=f"{cores} x {per_core:g} cached requests/s that a core is held to",
    )
    return (cached, *_uncached(declaration, budget, slo, app))


def _uncached(declaration: Declaration, budget: HostBudget, slo: Slo, app: str) -> Iterator[Prediction]:
    """Predict pages that are made anew, where the inventory says how long one computes."""
    described = declaration.apps[app]
    known = (getattr(described.run_by(key), "compute_ms", None) for key in described.runners)
    compute_ms = next((ms for ms in known if ms is not None), None)
    if compute_ms is None:
        return
    cores, workers = declaration.hardware.cpu_cores, budget.numbers.get(app, {}).get("workers")
    busy = min(cores, int(workers.value)) if workers is not None else cores
    for path in slo.uncached_paths:
        because = f"{busy} x 1000 / {compute_ms:g} ms that a page computes"
        yield Prediction(path=path, cached=False, req_per_s=busy * 1000 / compute_ms, because=because)

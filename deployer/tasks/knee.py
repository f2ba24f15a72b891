"""The knee as a benchmark: on a link made thin, the search has to find what the link is computed to carry."""

from __future__ import annotations

from invoke.context import Context

from deployer import sandbox
from deployer.errors import UsageError
from deployer.proof import knee as find_knee
from deployer.report.benchmark import Row
from deployer.report.terminal import Steps
from deployer.tasks.bench import machine_of, publish
from deployer.tasks.shell import entry_of, task
from deployer.tasks.verification import local_vps

MBIT_PER_S = 3.0
WITHIN_PERCENT = 5.0
#: The search is more exact than what it has to show.
PRECISION_SHARE = 0.02


@task
def knee(_context: Context, *, host: str = "blog1", inventory: str = "", runs: int = 3, write: bool = False) -> int:
    """Make the link of a deployed local VPS 3 Mbit/s thin, and see whether the search for the knee finds that."""
    entry, _ = entry_of(host, inventory)
    local = local_vps(entry)
    if local is None:
        raise UsageError(f"{host} is no local VPS that runs", where="--host", next_step=f"sandbox.up --host {host}")
    slo = entry.host.slo.model_copy(update={"knee_precision_share": PRECISION_SHARE})
    found = []
    with sandbox.thin_link(local.name, MBIT_PER_S):
        for _ in range(runs):
            with Steps() as steps:
                cpus = sandbox.generator_cpus(local)
                found.append(
                    find_knee(entry, slo, bandwidth_mbit_per_s=MBIT_PER_S, generator_cpus=cpus, on_phase=steps.step)
                )
    ceilings = tuple(each.ceiling_req_per_s for each in found)
    kept = tuple(each.knee.kept_per_s if each.knee else None for each in found)
    off = tuple(
        100 * (rate / ceiling - 1) if rate is not None and ceiling else None
        for rate, ceiling in zip(kept, ceilings, strict=True)
    )
    rows = [
        Row(name="ceiling, computed from the link and the page's weight", unit="req/s", runs=ceilings, decimals=1),
        Row(name="knee, found by the search", unit="req/s", runs=kept, decimals=1),
        Row(
            name="difference",
            wanted=f"within {WITHIN_PERCENT:g} %",
            unit="%",
            runs=off,
            missed=sum(each is None or abs(each) > WITHIN_PERCENT for each in off),
            decimals=1,
        ),
    ]
    about = f"{machine_of(entry)}; link {MBIT_PER_S:g} Mbit/s (tbf), cached page, P95 <= {slo.cached_p95_ms:g} ms."
    return publish("bench.knee", about, rows, write=write)

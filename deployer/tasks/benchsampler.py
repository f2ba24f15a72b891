"""What it costs a host to be watched: the sampler itself, and what servers spend on answering it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from invoke.context import Context

from deployer import transport
from deployer.access import login_of
from deployer.deploy import desired
from deployer.inventory import Entry
from deployer.report.benchmark import Row
from deployer.tasks.bench import machine_of, publish
from deployer.tasks.shell import entry_of, task
from deployer.verify import AgentSampler, HostSamples, watched

#: Of a core, what watching may take.
MOST_CORE_SHARE = 0.01
#: Samples of the first seconds hold what the agent's modules and the servers' sessions cost to begin with.
BEGINS_S = 2.0


@task
def sampler(
    _context: Context,
    *,
    host: str = "blog1",
    inventory: str = "",
    runs: int = 3,
    watch_s: int = 30,
    write: bool = False,
) -> int:
    """Watch a deployed host that nobody visits, and say what share of a core that takes, its servers' part included.

    Each run watches twice: memory and processor time alone, then all that a load test asks for. What the units used
    more in the second is what answering costs them.
    """
    entry, _ = entry_of(host, inventory)
    seen = [(_watched(entry, watch_s, {}), _watched(entry, watch_s, _all(entry))) for _ in range(runs)]
    own = tuple(_own_share(whole) for _, whole in seen)
    answering = tuple(max(0.0, _units_share(whole) - _units_share(plain)) for plain, whole in seen)
    together = tuple(sum(both) for both in zip(own, answering, strict=True))
    bound = f"<= {MOST_CORE_SHARE:.0%}"
    rows = [
        Row(
            name="sampler, all counters",
            wanted=bound,
            unit="% of a core",
            runs=tuple(100 * share for share in own),
            missed=sum(share > MOST_CORE_SHARE for share in own),
            decimals=2,
        ),
        Row(
            name="servers, for answering it", unit="% of a core", runs=tuple(100 * one for one in answering), decimals=2
        ),
        Row(
            name="together",
            wanted=bound,
            unit="% of a core",
            runs=tuple(100 * share for share in together),
            missed=sum(share > MOST_CORE_SHARE for share in together),
            decimals=2,
        ),
    ]
    about = f"{machine_of(entry)}; watched for {watch_s} s, a sample a second, with nobody visiting."
    return publish("bench.sampler", about, rows, write=write)


def _all(entry: Entry) -> dict[str, Any]:
    rendered = desired(entry).rendered
    return {"servers": watched.servers(rendered), "apps": watched.apps(rendered)}


def _watched(entry: Entry, watch_s: int, asked: Mapping[str, Any]) -> HostSamples:
    units = watched.units(desired(entry).rendered)
    with (
        transport.connect(login_of(entry)) as remote,
        remote.agent() as agent,
        AgentSampler(agent, units, **asked) as watching,
    ):
        time.sleep(watch_s + BEGINS_S)
        return watching.finish()


def _own_share(seen: HostSamples) -> float:
    return float((seen.summary or {})["sampler_core_share"])


def _units_share(seen: HostSamples) -> float:
    """Add up what the units used of a core, on average."""
    late = [one.values["units"] for one in seen.samples if one.values["t_s"] > BEGINS_S]
    shares = [sum(unit.get("cpu_core_share") or 0.0 for unit in units.values()) for units in late]
    return sum(shares) / max(1, len(shares))

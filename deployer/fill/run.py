"""Running the fill test: limits lifted or not, every driver at once, each unit's memory watched."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer import transport
from deployer.deploy import desired, login_of
from deployer.errors import UsageError
from deployer.fill.visitors import Seen, Visit, visit_slowly
from deployer.inventory import Entry
from deployer.render import Rendered
from deployer.sandbox import SandboxHost
from deployer.verify import AgentSampler

ON_HOST = Path(__file__).with_name("on_host")
INTERVAL_S = 0.2
#: For making the rows that fill a buffer pool, and for taking them away, s.
PREPARATION_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one taker of the ledger needed.

    Attributes:
        taker: Its name.
        predicted_mib: Its MemoryMax, for all its units.
        peak_mib: The most that its units needed at once: anonymous and shared memory, MiB.
        sockets_mib: Part of the prediction that is the kernel's memory for sockets, which the peak does not count.
        driven: Whether the test can drive it to its worst case; the heap of an app that runs on Node.js, Java or Go is
            as full as its own code makes it, and so is a worker or a timer.
    """

    taker: str
    predicted_mib: int
    peak_mib: float
    sockets_mib: float = 0.0
    driven: bool = True

    def ratio_to(self, peak_mib: float) -> float:
        """Give predicted over measured, the kernel's part left out."""
        return (self.predicted_mib - self.sockets_mib) / peak_mib if peak_mib else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What a fill test showed.

    Attributes:
        taken: By taker.
        together_mib: The most that all needed at once.
        oom_kills: Processes that the kernel killed.
        restarts: Times that a unit was started again.
        visitors: What the slow readers saw.
        said: What each driver said at its end.
    """

    taken: tuple[Taken, ...]
    together_mib: float
    oom_kills: int
    restarts: int
    visitors: Seen
    said: Mapping[str, str]


def fill(
    entry: Entry, host: SandboxHost, *, limits: bool, seconds: float, say: Callable[[str], None] = lambda _line: None
) -> Filled:
    """Drive every service of a deployed local VPS to its worst case.

    Args:
        entry: The host's inventory entry.
        host: The local VPS.
        limits: Keep every MemoryMax; else they are lifted meanwhile.
        seconds: How long all are at it together, s.
        say: Gets a line when something begins.

    Raises:
        UsageError: There is no app to visit.
        SandboxError: A driver failed.
    """
    rendered = desired(entry).rendered
    if not entry.host.apps:
        raise UsageError("a host without an app cannot be filled", where=f"hosts.{entry.name}.apps")
    units = _units(rendered)
    names = [unit for found in units.values() for unit in found]
    _set_limits(host, rendered, units, lifted=not limits)
    try:
        with (
            transport.connect(login_of(entry)) as remote,
            remote.agent() as agent,
            AgentSampler(agent, names, interval_s=INTERVAL_S) as sampler,
        ):
            said, seen = _drive(entry, host, rendered, seconds, say)
            samples = sampler.finish()
    finally:
        _set_limits(host, rendered, units, lifted=False)
    peaks = dict.fromkeys(units, 0.0)
    together = 0.0
    for sample in samples.samples:
        used = {taker: _used_mib(sample.values["units"], found) for taker, found in units.items()}
        together = max(together, sum(used.values()))
        peaks = {taker: max(peaks[taker], mib) for taker, mib in used.items()}
    summary = samples.summary or {}
    return Filled(
        taken=tuple(_taken(rendered, taker, peak) for taker, peak in peaks.items()),
        together_mib=together,
        oom_kills=int(summary.get("oom_kills") or 0),
        restarts=sum(int(one.get("restarts") or 0) for one in dict(summary.get("units", {})).values()),
        visitors=seen,
        said=said,
    )


def _units(rendered: Rendered) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for unit in rendered.wanted.units:
        if unit.unit.endswith(".service"):
            found.setdefault(unit.taker, []).append(unit.unit)
    return found


def _set_limits(host: SandboxHost, rendered: Rendered, units: Mapping[str, Sequence[str]], *, lifted: bool) -> None:
    for taker, names in units.items():
        limit = "infinity" if lifted else f"{rendered.budget.count(taker, 'MemoryMax')}M"
        host.sh("; ".join(f"systemctl set-property --runtime {shlex.quote(n)} MemoryMax={limit}" for n in names))
    whole = "infinity" if lifted else f"{rendered.budget.count('systemd', 'MemoryMax')}M"
    host.sh(f"systemctl set-property --runtime deployer.slice MemoryMax={whole}")


def _used_mib(sampled: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> float:
    return sum(float(sampled.get(name, {}).get("anonymous_mib") or 0.0) for name in names)


def _taken(rendered: Rendered, taker: str, peak_mib: float) -> Taken:
    claim, grant = rendered.budget.claims[taker], rendered.budget.grants[taker]
    sockets = sum(mib for name, mib in claim.parts.items() if "sockets" in name)
    link = rendered.budget.chain.links.get(taker)
    return Taken(
        taker=taker,
        predicted_mib=grant.memory_mib,
        peak_mib=peak_mib,
        sockets_mib=sockets,
        driven=link is None or (link.runner is not None and not link.runner.job_environment),
    )


def _drive(
    entry: Entry, host: SandboxHost, rendered: Rendered, seconds: float, say: Callable[[str], None]
) -> tuple[dict[str, str], Seen]:
    drivers = _drivers(rendered, seconds)
    with ThreadPoolExecutor(max_workers=len(drivers) + 2) as pool:
        running: dict[str, Future[str]] = {}
        for service, command in drivers.items():
            say(f"{service}: being filled")
            running[service] = pool.submit(host.sh, command, timeout_s=seconds + PREPARATION_S)
        say(f"{entry.host.target.connections} visitors who read slowly")
        over, visit = threading.Event(), _visit(entry, seconds + 30)
        reload = pool.submit(_reload_nginx, host, over, 2 / 3 * seconds, visit.again)
        seen = visit_slowly(visit)
        while any(not each.done() for each in running.values()):  # the databases are filled before they are worked
            again = visit_slowly(_visit(entry, 30))
            seen.statuses.update(again.statuses)
            seen.failures.update(again.failures)
            seen.held = max(seen.held, again.held)
        over.set()
        reload.result()
        return {service: each.result().strip() for service, each in running.items()}, seen


def _reload_nginx(host: SandboxHost, over: threading.Event, after_s: float, again: threading.Event) -> None:
    """Reload once, late: old workers and new ones live side by side until the last slow reader has left or is cut.

    Nearly all visitors connect again then, to the new workers; the old ones keep what they needed for those who stay.
    """
    if not over.wait(after_s):
        host.sh("systemctl reload nginx.service")
        again.set()


def _drivers(rendered: Rendered, seconds: float) -> dict[str, str]:
    budget, found = rendered.budget, {}
    if "mysql" in budget.numbers:
        client = "mysql" if "mysql.service" in {unit.unit for unit in rendered.wanted.units} else "mariadb"
        found["mysql"] = [str(budget.count("mysql", "innodb_buffer_pool_size")), f"{seconds:g}", client]
    if "postgresql" in budget.numbers:
        found["postgresql"] = [str(budget.count("postgresql", "shared_buffers")), f"{seconds:g}"]
    if "redis" in budget.numbers:
        access = next(one["redis"] for one in budget.chain.access.values() if "redis" in one)
        found["redis"] = [access.environment["REDIS_SOCKET"], f"{seconds:g}"]
    return {
        service: f"python3 -I - {shlex.join(words)} <<'END_OF_DRIVER'\n"
        + (ON_HOST / f"{service}.py").read_text(encoding="utf-8")
        + "\nEND_OF_DRIVER"
        for service, words in found.items()
    }


def _visit(entry: Entry, seconds: float) -> Visit:
    slo, host = entry.host.slo, entry.host
    app = host.apps[slo.app or next(iter(host.apps))]
    name = app.server_names[0].replace("*", "www")
    headers = "".join(f"{key}: {value}\r\n" for key, value in slo.uncached_headers.items())
    requests = [f"GET {path} HTTP/1.1\r\nHost: {name}\r\n{headers}\r\n".encode() for path in slo.uncached_paths]
    return Visit(
        address=host.ssh.address,
        port=443 if app.tls else 80,
        server_name=name,
        tls=app.tls is not None,
        requests=requests,
        connections=host.target.connections,
        duration_s=seconds,
    )

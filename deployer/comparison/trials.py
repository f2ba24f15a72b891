"""Each claim, tried on a local VPS with the example blog, by the project's own generator."""

from __future__ import annotations

import base64
import random
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

from deployer import sandbox, transport
from deployer.access import login_of
from deployer.comparison.claims import Finding, ceiling_per_s, most_within, wire_bytes
from deployer.comparison.ground import Ground
from deployer.comparison.ledger import ledger_findings, lint_findings
from deployer.deploy import session
from deployer.errors import Inconclusive
from deployer.inventory import Entry
from deployer.sandbox import SandboxError, SandboxHost
from deployer.verify import AgentSampler, Measured, VerifyTarget
from deployer.verify.generator import generate

WITHIN_MS: Final = 200.0
#: Where people come and go, a connection that stays open is used again so soon, s.
ASKED_EVERY_S: Final = 5.0
LINK_MBIT_PER_S: Final = 3.0
#: A bucket that holds some segments: what it lets through beyond the rate is over in a hundredth of a second.
SHAPE: Final = "tc qdisc replace dev eth0 root tbf rate {mbit:g}mbit burst 4kb latency 400ms"
UNSHAPE: Final = "tc qdisc del dev eth0 root 2>/dev/null; true"
LINK_FILE, LINK_FILE_BYTES = "two-kib.bin", 2048
#: For the comparison with and without a proxy, besides the ports that a deploy opens.
DIRECT_PORT, PLAIN_PORT = 8000, 8080
#: 1.3 GB, in MiB.
MEMORY_MIB: Final = 1.3e9 / 2**20
CLAIMED_RATE_PER_S: Final = 500.0
_DIRECT = """set -e
mkdir -p /run/systemd/system/app-{app}.socket.d
printf '[Socket]\\nListenStream=0.0.0.0:{port}\\n' > /run/systemd/system/app-{app}.socket.d/direct.conf
systemctl daemon-reload
systemctl stop app-{app}.service
systemctl restart app-{app}.socket
systemctl start app-{app}.service
"""
_PLAIN = """server {{
    listen {port};
    server_name {name};
    location / {{ include /etc/nginx/deployer/proxy.conf; proxy_pass http://app_{app}; }}
}}
"""


@dataclass(frozen=True)
class Site:
    """A deployed local VPS.

    Attributes:
        ground: Where it runs.
        host: The VPS.
        seconds: How long each load lasts, s.
    """

    ground: Ground
    host: SandboxHost
    seconds: float

    @property
    def app(self) -> str:
        """The app's name."""
        return next(iter(self.ground.entry.host.apps))

    @property
    def uncached(self) -> Mapping[str, Any]:
        """What to ask for to have a page made anew."""
        target = self.ground.target
        return {"path": target.uncached_paths[0], "headers": target.uncached_headers}

    def load(self, name: str, target: VerifyTarget | None = None, **job: Any) -> Measured:
        """Put it under load."""
        self.ground.say(f"{name}: {job['connections']} connections")
        asked = {"duration_s": self.seconds, "opened_per_s": 500, "timeout_s": 10.0, **job}
        cpus = sandbox.generator_cpus(self.host)
        return generate(name, (target or self.ground.target).job(**asked), cpus=cpus)


def visitors(site: Site) -> Iterator[Finding]:
    """Hold a thousand connections, then let all of them ask for cached pages at once."""
    path = site.ground.target.cached_path
    held = site.load("held", path=path, mode="hold", connections=1000, request_every_s=5.0)
    yield Finding(
        claim="visitors", what="TLS connections held", value=held.alive_min, sign=">=", bound=1000, note=_errors(held)
    )
    yield Finding(claim="visitors", what="errors meanwhile", value=held.error_count, sign="<=", bound=0)
    busy = site.load("cached", path=path, mode="closed", connections=1000)
    what = "all ask for cached pages at once: P95"
    yield _p95("visitors", what, busy)
    yield Finding(claim="visitors", what="the same: cached pages", value=busy.req_per_s, unit="requests/s")


def uncached(site: Site) -> Iterator[Finding]:
    """Let so many ask for uncached pages, at once and as people do; then find how many are answered in time."""
    for connections in (850, 950):
        load = site.load("uncached", **site.uncached, mode="closed", connections=connections)
        yield _p95("uncached", f"{connections} ask again and again: P95", load)
    every_s = float(site.ground.entry.host.target.page_every_s)
    rate_per_s = 950 / every_s
    # nginx closes a new connection after 10 s without a request, and one that comes just then fails; browsers ask again
    connections = round(rate_per_s * ASKED_EVERY_S)
    load = site.load("uncached", **site.uncached, mode="open", connections=connections, rate_per_s=rate_per_s)
    yield _p95("uncached", f"950 visitors with a page every {every_s:g} s ({rate_per_s:.0f} requests/s): P95", load)

    def in_time(connections: int) -> bool:
        tried = site.load("uncached", **site.uncached, mode="closed", connections=connections)
        return not tried.error_count and tried.p95_ms is not None and tried.p95_ms <= WITHIN_MS

    what = f"most who ask again and again with P95 <= {WITHIN_MS:g} ms"
    yield Finding(claim="uncached", what=what, value=most_within(1024, in_time), sign=">=", bound=850)


def link(site: Site) -> Iterator[Finding]:
    """Reckon what 3 Mbit/s carry of 2 KB, and measure it on a link that is shaped to that."""
    bare = ceiling_per_s(LINK_MBIT_PER_S, LINK_FILE_BYTES)
    yield Finding(claim="link", what="2 KiB alone, reckoned", value=bare, unit="requests/s")
    folder = f"/srv/{site.app}/current/code/{site.ground.entry.host.apps[site.app].static}"
    noise = base64.b64encode(random.Random(1).randbytes(LINK_FILE_BYTES)).decode()  # noqa: S311 - what does not shrink
    site.host.sh(f"echo {noise} | base64 -d > {shlex.quote(folder)}/{LINK_FILE}")
    asked: dict[str, Any] = {"path": f"/static/{LINK_FILE}", "mode": "closed", "connections": 8}
    asked["expect"] = {"body_min_bytes": LINK_FILE_BYTES}  # not the words of a page
    weighed = site.load("size of an answer", **{**asked, "duration_s": 1.0})
    if not weighed.done:
        raise Inconclusive(f"{asked['path']} is not answered:{_errors(weighed, ' ')}")
    header = weighed.bytes_per_answer
    whole = ceiling_per_s(LINK_MBIT_PER_S, wire_bytes(header, tls=site.ground.target.tls))
    what = f"with HTTP, TLS, TCP, IP and Ethernet around it ({header:.0f} bytes of HTTP), reckoned"
    yield Finding(claim="link", what=what, value=whole, unit="requests/s", sign=">=", bound=187)
    what = f"measured on a link of {LINK_MBIT_PER_S:g} Mbit/s (tbf)"
    try:
        with _shaped(site.host):
            measured = site.load("link", **asked)
    except SandboxError as error:
        yield Finding(claim="link", what=what, value=None, unit="requests/s", note=error.message.splitlines()[0])
        return
    note = f"{measured.req_per_s / whole - 1:+.1%} of what was reckoned" + _errors(measured, "; ")
    yield Finding(claim="link", what=what, value=measured.req_per_s, unit="requests/s", sign=">=", bound=187, note=note)


def memory(site: Site) -> Iterator[Finding]:
    """Ask for 500 pages a second, cached and made anew, and look at the memory of the whole host."""
    entry = site.ground.entry
    for kind, asked in (("cached", {"path": site.ground.target.cached_path}), ("uncached", site.uncached)):
        with transport.connect(login_of(entry)) as remote, remote.agent() as agent:
            sampler = AgentSampler(agent, [], interval_s=0.5, host_cpus=site.host.cpus)
            with sampler:
                load = site.load(kind, **asked, mode="open", connections=256, rate_per_s=CLAIMED_RATE_PER_S)
                seen = sampler.finish()
        note = f"P95 {load.p95_ms:.0f} ms{_errors(load, ', ')}" if load.p95_ms is not None else _errors(load)
        share = load.done / load.planned if load.planned else 0.0
        yield Finding(
            claim="memory",
            what=f"{kind} pages",
            value=load.req_per_s,
            unit="requests/s",
            sign=">=",
            bound=0.99 * CLAIMED_RATE_PER_S,
            note=f"{share:.1%} answered, {note}",
        )
        peak_mib = seen.summary["memory_peak_mib"] if seen.summary else None
        what = f"memory of the whole host meanwhile, {kind}"
        yield Finding(claim="memory", what=what, value=peak_mib, unit="MiB", sign="<=", bound=MEMORY_MIB)


def proxy(site: Site) -> Iterator[Finding]:
    """Ask the app without nginx, then behind it: in the clear, by TLS, and from its cache."""
    target = site.ground.target
    site.host.sh(_DIRECT.format(app=site.app, port=DIRECT_PORT))
    plain = _PLAIN.format(app=site.app, port=PLAIN_PORT, name=target.server_name)
    site.host.sh(f"printf %s {shlex.quote(plain)} > /etc/nginx/deployer/apps/zz-plain.conf; systemctl reload nginx")
    site.ground.await_service()
    asked = {**site.uncached, "mode": "closed", "connections": 32}
    rates: dict[str, float] = {}
    for name, where in (
        ("without a proxy, plain HTTP", replace(target, port=DIRECT_PORT, tls=False)),
        ("behind nginx, plain HTTP", replace(target, port=PLAIN_PORT, tls=False)),
        ("behind nginx, TLS", target),
    ):
        load = site.load(name, where, **asked)
        rates[name] = load.req_per_s
        yield Finding(claim="proxy", what=name, value=load.req_per_s, unit="requests/s", note=_errors(load))
    cached = site.load("cached", path=target.cached_path, mode="closed", connections=32)
    yield Finding(claim="proxy", what="behind nginx, TLS, cached", value=cached.req_per_s, unit="requests/s")
    direct, behind = list(rates.values())[:2]
    times = direct / behind if behind else None
    what = "without a proxy / behind it, plain HTTP"
    yield Finding(claim="proxy", what=what, value=times, unit="times", sign=">=", bound=round(1539 / 1200, 2))


#: Trials by the claims' keys, for the host of the inventory and for one of 2 cores and 2 GiB.
SMALL: Final[Mapping[str, Callable[[Site], Iterator[Finding]]]] = {
    "visitors": visitors,
    "uncached": uncached,
    "link": link,
    "proxy": proxy,
}
LARGE: Final[Mapping[str, Callable[[Site], Iterator[Finding]]]] = {"memory": memory}


def try_claims(
    entry: Entry, keys: Sequence[str], *, runs: int, seconds: float, say: Callable[[str], object]
) -> list[list[Finding]]:
    """Deploy the example to local VPSes of its own, try the claims there, and take them away.

    Args:
        entry: The host of the inventory: 1 core and 1 GiB.
        keys: Which claims.
        runs: How many times each is tried, on the same deploy.
        seconds: How long each load lasts, s.
        say: Gets a line when something begins.
    """
    found: list[list[Finding]] = [[] for _ in range(runs)]
    hardware = entry.host.hardware.model_copy(update={"cpu_cores": 2, "memory_mib": 2048})
    larger = replace(entry, host=entry.host.model_copy(update={"hardware": hardware}))
    for one, trials in ((entry, SMALL), (larger, LARGE)):
        wanted = {key: trial for key, trial in trials.items() if key in keys}
        if wanted:
            with _deployed(one, seconds, say) as site:
                for run in found:
                    for trial in wanted.values():
                        run.extend(trial(site))
    if "folklore" in keys:
        for run in found:
            run.extend([*ledger_findings(entry), *lint_findings(entry)])
    return found


@contextmanager
def _deployed(entry: Entry, seconds: float, say: Callable[[str], object]) -> Iterator[Site]:
    ground = Ground.beside(entry, say, name="claimed")
    with ground.host() as host:
        say(f"deploying to {host.name}")
        with session(ground.entry) as connected:
            connected.apply(connected.plan())
        ground.await_service()
        yield Site(ground, host, seconds)


@contextmanager
def _shaped(host: SandboxHost) -> Iterator[None]:
    host.sh(SHAPE.format(mbit=LINK_MBIT_PER_S))
    try:
        yield
    finally:
        host.sh(UNSHAPE)


def _p95(claim: str, what: str, load: Measured) -> Finding:
    value = None if load.error_count else load.p95_ms
    note = _errors(load)
    return Finding(claim=claim, what=what, value=value, unit="ms", sign="<=", bound=WITHIN_MS, note=note)


def _errors(load: Measured, before: str = "") -> str:
    if not load.error_count:
        return ""
    return before + ", ".join(f"{count} x {kind}" for kind, count in load.errors.items())

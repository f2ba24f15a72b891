"""What drives each service of a host to its worst case, all at the same time."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from deployer.fill.longlived import hold
from deployer.fill.uploads import upload
from deployer.fill.visit import Seen, Visit
from deployer.fill.visitors import visit_eagerly, visit_slowly
from deployer.inventory import Entry
from deployer.inventory.models import Host
from deployer.render import Rendered
from deployer.sandbox import SandboxHost

ON_HOST = Path(__file__).with_name("on_host")
#: For making the rows that fill a buffer pool, and for taking them away, s.
PREPARATION_S = 600
#: Starts what a timer would start, again and again; systemd refuses more than five starts in ten seconds.
TIMED = """end=$(($(date +%s) + {seconds:.0f})); runs=0
while [ "$(date +%s)" -lt "$end" ]; do systemctl start {unit} || exit 1; runs=$((runs + 1)); sleep 2; done
echo "$runs runs" """


@dataclass(frozen=True, slots=True)
class Driven:
    """How it went.

    Attributes:
        visitors: What the slow readers saw, and those who had their page and stayed.
        eager: What those saw who asked for one page after the other.
        long_lived: What those with a WebSocket saw.
        uploads: What those who uploaded saw.
        said: What each driver said at its end.
    """

    visitors: Seen
    eager: Seen
    long_lived: Seen
    uploads: Seen
    said: Mapping[str, str]


def drive(entry: Entry, host: SandboxHost, rendered: Rendered, seconds: float, say: Callable[[str], None]) -> Driven:
    """Drive every service of a deployed local VPS, and see it through.

    Args:
        entry: The host's inventory entry.
        host: The local VPS.
        rendered: What it was told.
        seconds: How long all are at it together, s.
        say: Gets a line when something begins.

    Raises:
        SandboxError: A driver failed.
    """
    drivers = _drivers(rendered, seconds)
    over = threading.Event()
    uploaders = _uploads(entry, over)
    with ThreadPoolExecutor(max_workers=len(drivers) + len(uploaders) + len(entry.host.apps) + 2) as pool:
        running: dict[str, Future[str]] = {}
        for service, command in drivers.items():
            say(f"{service}: being filled")
            running[service] = pool.submit(host.sh, command, timeout_s=seconds + PREPARATION_S)
        eager = pool.submit(visit_eagerly, [_visit(entry, name, 0) for name in entry.host.apps], over)
        uploads = [pool.submit(each) for each in uploaders]
        try:
            app = entry.host.slo.app or next(iter(entry.host.apps))
            visit = _visit(entry, app, seconds + 30)
            seen, long_lived = _with_websockets(entry, visit, seconds / 2, pool, say)
            say(f"{visit.connections} visitors")
            reload = pool.submit(_reload_nginx, host, over, 2 / 3 * seconds, visit.again)
            seen.add(visit_slowly(visit))
            while any(not each.done() for each in running.values()):  # the databases are filled before they are worked
                seen.add(visit_slowly(_visit(entry, app, 30)))
        finally:
            over.set()
        reload.result()
        said = {service: each.result().strip() for service, each in running.items()}
        return Driven(
            visitors=seen,
            eager=eager.result(),
            long_lived=long_lived,
            uploads=_together(each.result() for each in uploads),
            said=said,
        )


def websockets_of(host: Host) -> int:
    """Count the long-lived connections that all apps of a host may have at once."""
    return sum(app.websockets.connections for app in host.apps.values() if app.websockets is not None)


def _with_websockets(
    entry: Entry, visit: Visit, seconds: float, pool: ThreadPoolExecutor, say: Callable[[str], None]
) -> tuple[Seen, Seen]:
    """Hold all WebSockets that were declared, for a while; as many fewer read slowly, as nginx lets no more in.

    It comes before all read slowly: a WebSocket takes less of nginx than an answer that waits, and of an app more.
    """
    held = websockets_of(entry.host)
    if not held:
        return Seen(), Seen()
    over = threading.Event()
    holding = [
        pool.submit(
            hold,
            replace(_visit(entry, name, 0), paths=(app.websockets.path,), connections=app.websockets.connections),
            over,
        )
        for name, app in entry.host.apps.items()
        if app.websockets is not None
    ]
    say(f"{held} WebSockets, and {max(1, visit.connections - held)} visitors")
    try:
        seen = visit_slowly(replace(visit, connections=max(1, visit.connections - held), duration_s=seconds))
    finally:
        over.set()
    return seen, _together(each.result() for each in holding)


def _together(each: Iterable[Seen]) -> Seen:
    found = Seen()
    for one in each:
        found.add_beside(one)
    return found


def _uploads(entry: Entry, over: threading.Event) -> list[Callable[[], Seen]]:
    """Say who uploads: for each app as many at once as it says."""
    return [
        partial(
            upload,
            replace(_visit(entry, name, 0), paths=("/",), connections=app.uploads_at_once),
            app.max_upload_mib * 2**20,
            over,
        )
        for name, app in entry.host.apps.items()
    ]


def timed_units(rendered: Rendered) -> dict[str, str]:
    """Name the units that timers start, with their takers."""
    ending = ".timer"
    return {
        one.unit.removesuffix(ending) + ".service": one.taker
        for one in rendered.wanted.units
        if one.unit.endswith(ending) and one.taker in rendered.budget.chain.links
    }


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
    on_host = {
        service: f"python3 -I - {shlex.join(words)} <<'END_OF_DRIVER'\n"
        + (ON_HOST / f"{service}.py").read_text(encoding="utf-8")
        + "\nEND_OF_DRIVER"
        for service, words in found.items()
    }
    timed = {
        taker: TIMED.format(seconds=seconds, unit=shlex.quote(unit)) for unit, taker in timed_units(rendered).items()
    }
    return on_host | timed


def _visit(entry: Entry, name: str, seconds: float) -> Visit:
    """Say how an app is visited: the one of the objectives by their paths, others by what everybody sees first."""
    slo, host = entry.host.slo, entry.host
    app, judged = host.apps[name], slo.app or next(iter(host.apps))
    return Visit(
        address=host.ssh.address,
        port=443 if app.tls else 80,
        server_name=app.server_names[0].replace("*", "www"),
        tls=app.tls is not None,
        paths=slo.uncached_paths if name == judged else ("/",),
        headers=slo.uncached_headers if name == judged else {},
        connections=host.target.connections,
        duration_s=seconds,
    )

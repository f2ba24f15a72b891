"""What requests wait for, named by `verify` on real local VPSes: a slow service outside, a pool, a database, a lock.

Each case takes a healthy app and makes one thing slow. The processors of the host are idle in all of them, so nothing
but what was counted there can tell them apart.
"""

from __future__ import annotations

import asyncio
import threading
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

import pytest
from example_on_vps import Example
from site_on_vps import Site

from deployer import sandbox
from deployer.inventory import load_inventory
from deployer.proof import prove
from deployer.sandbox import SandboxHost
from deployer.verify import Verdict

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(500)]

#: This machine, as the local VPSes see it.
HERE = "10.213.77.1"
PATH = "/drawing?words=boat"
PHASES = {
    "warmup_s": 0.5,
    "hold_s": 0.5,
    "request_every_s": 1,
    "closed_s": 0.5,
    "capacity_s": 5,
    "capacity_connections": 32,
    "open_s": 2,
    "open_share": 0.3,
    "opened_per_s": 500,
    "timeout_s": 8,
}

MAIN = "/srv/blog/current/code/blog/main.py"
#: Pages that each wait for one thing; with three connections in the pool and 32 visitors.
WAITING_PAGES = """
@app.get("/waits/{kind}")
async def waits(kind: str, request: Request) -> Response:
    import asyncio
    db = site(request).db
    if kind == "app":
        await asyncio.sleep(0.5)
    elif kind == "pool":
        async with db._pool.connection():
            await asyncio.sleep(0.2)
    elif kind == "transaction":
        async with db.transaction() as transaction:
            await transaction.rows("SELECT * FROM schema_migrations LIMIT 1")
            await asyncio.sleep(0.2)
    elif kind == "database":
        await db.rows("SELECT SLEEP(0.3)")
    elif kind == "lock":
        async with db.transaction() as transaction:
            await transaction.rows("SELECT * FROM schema_migrations WHERE version = 1 FOR UPDATE")
            await asyncio.sleep(0.1)
    return PlainTextResponse(kind, headers={"Cache-Control": PRIVATE})
"""
#: What each is to be called; the last is of the app's own making, and is not to be blamed on anybody.
NAMES = {
    "/waits/pool": "pool",
    "/waits/transaction": "pool",
    "/waits/database": "slow database",
    "/waits/lock": "lock",
    "/waits/app": "waiting for something else",
}


class Artist:
    """The service outside that draws, and takes so long, s. It holds many at once and computes nothing."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        self.at_once = self.most_at_once = 0
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_exc: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self) -> None:
        server = self._loop.run_until_complete(asyncio.start_server(self._draw, HERE, self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        server.close()
        self._loop.run_until_complete(asyncio.sleep(0.1))

    async def _draw(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                [length] = [line for line in lines if line.startswith(b"content-length:")]
                await reader.readexactly(int(length.split(b":")[1]))
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    await asyncio.sleep(self.takes_s)
                finally:
                    self.at_once -= 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n(o_o)\n")
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def proved(site: Site) -> Verdict:
    """Load-test the host. What this machine does besides is not counted: it could not shorten these waits."""
    entry = load_inventory([site.folder / "hosts.yml"]).entries["web1"]
    return prove(entry, generator_cpus=sandbox.generator_cpus(site.host))


def ended_by(verdict: Verdict, path: str) -> tuple[str, str]:
    [found] = [one for one in verdict.capacity if one.path == path and not one.cached]
    return found.binding, found.evidence


def assert_nginx_counts_for_the_host_alone(host: SandboxHost) -> None:
    """To anybody else the connection is closed, as for any path of a name that nobody serves."""
    path = "/deployer-status"
    assert "Active connections: " in host.sh(f"curl -s http://127.0.0.1{path}")
    for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Host": "127.0.0.1"}):
        connection = HTTPConnection(host.address, 80, timeout=10)
        connection.request("GET", path, headers=headers)
        with pytest.raises(ConnectionResetError):  # or that it was closed, which is one of these
            connection.getresponse()
        connection.close()


@pytest.mark.parametrize(("takes_s", "lasts_s"), [(3.0, 6.0), (30.0, 33.0)], ids=["three", "thirty"])
def test_an_app_that_waits_for_a_slow_service_outside(vps: Any, tmp_path: Path, takes_s: float, lasts_s: float) -> None:
    slo = {
        "cached_path": "/healthz",
        "uncached_paths": [PATH],
        "uncached_headers": {"Cache-Control": "no-cache"},
        "phases": PHASES | {"capacity_s": lasts_s, "capacity_connections": 150, "open_s": 1, "timeout_s": 60},
    }
    with Artist(takes_s) as artist:
        site = Example(vps(), tmp_path, app="studio", changes={"load": "allowed", "slo": slo})
        site.write(apps__studio__environment={"STUDIO_ARTIST_URL": f"http://{HERE}:{artist.port}/"})
        site.deploy()
        verdict = proved(site)
    resource, evidence = ended_by(verdict, PATH)
    assert resource == "slow outside service", verdict.capacity
    assert f"waited for {HERE}:{artist.port}, up to" in evidence
    assert artist.most_at_once >= 150, "the warm-up may still be waiting for some"
    [advice] = [one for one in verdict.advice if one.path == PATH]
    assert advice.because.endswith("a larger VPS would serve nobody sooner")


@pytest.mark.parametrize(
    "paths",
    [["/waits/transaction", "/waits/database", "/waits/lock"], list(NAMES)],
    ids=["some", "all"],
)
def test_a_pool_a_slow_database_and_a_lock_are_told_apart(
    vps: Any, deployed: str, tmp_path: Path, paths: list[str]
) -> None:
    slo = {
        "cached_path": "/healthz",
        "uncached_paths": paths,
        "uncached_headers": {"Cookie": "blog_session=nobodys-4711"},
        "phases": PHASES | {"capacity_s": 2.5, "open_s": 1.5},
    }
    site = Site(vps(snapshot=deployed), tmp_path, changes={"slo": slo, "target__connections": 50})
    site.write()
    site.deploy()
    assert_nginx_counts_for_the_host_alone(site.host)
    site.host.sh(f"cat >> {MAIN} <<'END'\n{WAITING_PAGES}\nEND\nsystemctl restart app-blog.service")
    verdict = proved(site)
    assert {path: ended_by(verdict, path)[0] for path in paths} == {path: NAMES[path] for path in paths}, (
        verdict.capacity
    )
    assert verdict.host.summary is not None
    assert verdict.host.summary["sampler_core_share"] < 0.02, "a bound with room for a busy machine; see bench.sampler"
    larger_pools = [one.change for one in verdict.advice if one.path == "/waits/transaction"]
    assert larger_pools
    assert all("pool_size" in change for change in larger_pools)


def test_a_limit_for_each_address_is_named_and_how_to_be_exempt_from_it(
    vps: Any, deployed: str, tmp_path: Path
) -> None:
    slo = {"uncached_paths": ["/"], "uncached_headers": {"Cookie": "blog_session=nobodys-4711"}, "phases": PHASES}
    changes = {"slo": slo, "target__connections": 50, "load_from": ["192.0.2.1"]}
    site = Site(vps(snapshot=deployed), tmp_path, changes=changes)
    site.write()
    site.deploy()
    verdict = proved(site)
    resource, evidence = ended_by(verdict, "/")
    assert resource == "limit", verdict.capacity
    assert "told 429" in evidence
    assert any(one.change.startswith("load_from") for one in verdict.advice)

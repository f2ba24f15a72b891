"""What Node.js and Java need: a bare server, and what they hold besides a heap that is full."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from deployer.binaries.needs.figure import Figure, version
from deployer.binaries.server import backlogs, settled_mib, started
from deployer.sandbox import Inside

HEAP_MIB: Final = 256
_PORT: Final = 1099
_NODE_SERVER: Final = "require('http').createServer((q, s) => s.end('hi')).listen(8080, () => console.log('ready'))"
#: Live objects, many small ones, until the old space has little left; then it says so and stays.
_NODE_FULL: Final = f"""
const kept = []
const full = {HEAP_MIB} * 0.93 * 1024 * 1024
function fill() {{
  for (let i = 0; i < 2000; i++) kept.push({{ name: 'x'.repeat(8) + kept.length, values: [i, i + 1, i + 2, i + 3] }})
  if (process.memoryUsage().heapUsed < full) setImmediate(fill)
  else console.log('ready')
}}
setInterval(() => 0, 1000)
fill()
"""


def node(place: Inside) -> Iterator[Figure]:
    """Measure Node.js."""
    name = f"Node.js {version(place, ['node', '--version'])}"
    with started(place, "node", ["node", "-e", _NODE_SERVER]) as server:
        server.wait(lambda: "ready" in server.said())
        yield Figure(f"{name}: bare HTTP server", settled_mib([server.main]))
    with started(place, "node-full", ["node", f"--max-old-space-size={HEAP_MIB}", "-e", _NODE_FULL]) as full:
        full.wait(lambda: "ready" in full.said())
        held_mib = settled_mib([full.main])
        yield Figure(f"{name}: old space of {HEAP_MIB} MiB, 93 % live", held_mib)
        yield Figure(f"{name}: more than its old space", held_mib - HEAP_MIB)


def java(place: Inside) -> Iterator[Figure]:
    """Measure Java by a server that it brings, bare, and with a heap of which every page was touched."""
    name = f"OpenJDK {version(place, ['java', '-version'])}"
    for collector in ("Serial", "G1"):
        options = [f"-XX:+Use{collector}GC", f"-Xmx{HEAP_MIB}m"]
        yield Figure(f"{name}: trivial server, {collector}", _java_mib(place, options))
        touched_mib = _java_mib(place, [*options, f"-Xms{HEAP_MIB}m", "-XX:+AlwaysPreTouch"])
        yield Figure(f"{name}: more than a heap of {HEAP_MIB} MiB, all touched, {collector}", touched_mib - HEAP_MIB)


def _java_mib(place: Inside, options: Sequence[str]) -> float:
    words = ["java", *options, "-Djava.security.manager=allow", "-m", "java.rmi/sun.rmi.registry.RegistryImpl"]
    with started(place, "java", [*words, str(_PORT)]) as server:
        server.wait(lambda: _PORT in backlogs(place))
        return settled_mib([server.main], step_s=1)

"""What Redis and Valkey need: empty, full, while values change in size, while a copy is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from deployer.binaries import redis as redis_server
from deployer.binaries.needs.figure import Figure, version
from deployer.binaries.server import Server, memory_mib, settled_mib
from deployer.sandbox import Inside
from deployer.sandbox.programs import wait_until
from deployer.services.redis.budget import MALLOC_CONF

MAXMEMORY_MIB: Final = 64
_VALUE_BYTES: Final = 1000
#: Values that are written over by others of another size, as in a cache of pages: it leaves gaps, most if they grow.
_SIZES_BYTES: Final = (100, 5000, 700, 2000, 300, 700, 1000, 2000, 5000)
#: Keys that the writers choose from: more than what fits, so that the store stays full.
_KEYS: Final = 60_000
_WRITES: Final = 60_000
_WATCH_S: Final = 30
_LOOK_S: Final = 0.05
_TITLES: Final = {"redis": "Redis", "valkey": "Valkey"}


def redis(place: Inside) -> Iterator[Figure]:
    """Measure Redis."""
    yield from _measure(place, "redis")


def valkey(place: Inside) -> Iterator[Figure]:
    """Measure Valkey."""
    yield from _measure(place, "valkey")


def _measure(place: Inside, flavour: redis_server.Flavour) -> Iterator[Figure]:
    name = f"{_TITLES[flavour]} {version(place, [f'{flavour}-server', '--version'])}"
    config = f"/etc/{flavour}/measured.conf"
    lines = [
        *("port 0", f"unixsocket {redis_server.socket_of(flavour)}", f"dir /var/lib/{flavour}", 'save ""'),
        *(f"maxmemory {MAXMEMORY_MIB}mb", "maxmemory-policy allkeys-lru", "disable-thp yes"),
    ]
    place.lay({config: ("\n".join(lines) + "\n").encode()})
    with redis_server.store(place, flavour, config, environment={"MALLOC_CONF": MALLOC_CONF}) as server:
        yield Figure(f"{name}: empty", settled_mib([server.main]))
        _write(place, flavour, 2 * _WRITES, _VALUE_BYTES)
        full_mib = settled_mib([server.main])
        yield Figure(f"{name}: full at maxmemory {MAXMEMORY_MIB} MiB, values of one size", full_mib)
        _copy(place, flavour)
        peak_mib = _peak_mib(place, flavour, server, 2 * _WRITES, _VALUE_BYTES)
        yield Figure(f"{name}: peak while a copy is written and every key changes", peak_mib)
        yield Figure(f"{name}: what the copy adds / maxmemory", (peak_mib - full_mib) / MAXMEMORY_MIB, "ratio")
        wait_until(lambda: not server.children, timeout_s=_WATCH_S)
        title = "peak while values of many sizes replace one another"
        for also in ("", ", and a copy is written"):
            if also:
                _copy(place, flavour)
            peak_mib = max(_peak_mib(place, flavour, server, _WRITES, value_bytes) for value_bytes in _SIZES_BYTES)
            yield Figure(f"{name}: {title}{also} / maxmemory", peak_mib / MAXMEMORY_MIB, "ratio")


def _copy(place: Inside, flavour: redis_server.Flavour) -> None:
    # the copy waits a little at each key, so that every one is written to meanwhile
    redis_server.command(place, flavour, "CONFIG", "SET", "rdb-key-save-delay", "200")
    redis_server.command(place, flavour, "BGSAVE")


def _peak_mib(place: Inside, flavour: redis_server.Flavour, server: Server, writes: int, value_bytes: int) -> float:
    words = _writer(flavour, writes, value_bytes)
    with (server.output.parent / "writer.output").open("ab") as log:
        writer = place.start(words, log=log)
    peak_mib, end = 0.0, time.monotonic() + _WATCH_S
    while writer.poll() is None and time.monotonic() < end:
        peak_mib = max(peak_mib, memory_mib([server.main, *server.children]))
        time.sleep(_LOOK_S)
    writer.wait(_WATCH_S)
    return peak_mib


def _write(place: Inside, flavour: redis_server.Flavour, writes: int, value_bytes: int) -> None:
    place.check(_writer(flavour, writes, value_bytes), timeout_s=120)


def _writer(flavour: redis_server.Flavour, writes: int, value_bytes: int) -> list[str]:
    words = [f"{flavour}-benchmark", "-s", redis_server.socket_of(flavour), "-q", "-t", "set", "-P", "16"]
    return [*words, "-n", str(writes), "-r", str(_KEYS), "-d", str(value_bytes)]

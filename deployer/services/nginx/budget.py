"""What nginx needs with every visitor connected and every proxy buffer full, sockets in the kernel included.

The formula and its measured constants: docs/budget.md. The buffers are set in the template as they are priced here.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.priors import PRIORS
from deployer.services.nginx.settings import NginxSettings, cached_apps, settings_of

TAKER = "nginx"
#: Shared memory: TLS sessions, limits (requests and log-ins by address, requests of everyone). MiB.
TLS_SESSIONS_MIB = 2
LIMITS_MIB = 3
#: Addresses whose connections one MiB counts: 16 000 of 64 bytes, and room between them.
ADDRESSES_PER_MIB = 12_000
#: What one visitor may ask for at once by HTTP/2; the rest of a page's files wait in the browser.
STREAMS = 16
#: Keys of one app's cache, MiB: 8000 pages each.
CACHE_KEYS_MIB = 1
#: nginx closes an idle connection to an app after this; less than the app's own keepalive, s.
UPSTREAM_KEEPALIVE_S = 60
#: nginx keeps so many idle connections to each app in every worker: the setting counts for one worker, not for all.
UPSTREAM_KEEPALIVE = 16
#: Answers of an app that take longer are cut; an app whose workers may take longer gets that, s.
READ_TIMEOUT_S = 60
#: WebSockets and streams may be silent for so long; most libraries ping every 20 to 30 s.
LONG_LIVED_TIMEOUT_S = 600


def claims(declaration: Declaration, chain: Chain) -> list[Claim]:
    """Price nginx: all fixed, because it must never be the one that breaks."""
    visitors, workers = declaration.target.connections, int(chain.numbers["worker_processes"].value)
    with_tls = any(app.tls is not None for app in declaration.apps.values())
    connection_kib = PRIORS.nginx_connection_tls_kib if with_tls else PRIORS.nginx_connection_plain_kib
    slots = int(chain.numbers["worker_connections"].value)
    requests = int(chain.numbers["requests_at_once"].value)
    parts = {
        "master": PRIORS.nginx_master_mib,
        f"{workers} workers, twice during a reload": 2 * workers * PRIORS.nginx_worker_mib,
        f"their {slots} slots each": 2 * workers * slots * PRIORS.nginx_slot_kib / 1024,
        "shared zones": float(
            TLS_SESSIONS_MIB + LIMITS_MIB + _addresses_mib(declaration) + CACHE_KEYS_MIB * len(cached_apps(declaration))
        ),
        f"{requests} {'TLS' if with_tls else 'plain'} requests of {connection_kib:g} KiB, twice likewise": 2
        * requests
        * connection_kib
        / 1024,
        f"their sockets, {PRIORS.socket_kib:g} KiB each": visitors * PRIORS.socket_kib / 1024,
    }
    return [
        Claim(
            TAKER,
            parts,
            inputs=(
                "target.connections",
                "nginx.worker_processes",
                "nginx.worker_connections",
                "nginx.requests_at_once",
                "priors.nginx_master_mib",
                "priors.nginx_worker_mib",
                "priors.nginx_slot_kib",
                f"priors.nginx_connection_{'tls' if with_tls else 'plain'}_kib",
                "priors.socket_kib",
            ),
        )
    ]


def numbers(declaration: Declaration, chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive nginx's settings."""
    settings = settings_of(declaration)
    uploads_mib = max((app.max_upload_mib for app in declaration.apps.values()), default=1)
    names = ("worker_processes", "worker_connections", "worker_rlimit_nofile", "requests_at_once", "backlog")
    found: dict[str, Derived] = {
        "MemoryMax": derived(grants[TAKER].memory_mib, "MiB", "all of it fixed", f"ledger.{TAKER}"),
        **{name: chain.numbers[name] for name in names},
        "TasksMax": derived(
            64 + 3 * int(chain.numbers["worker_processes"].value),
            "tasks",
            "workers of three generations (two reloads), the master, the cache's own processes",
            "nginx.worker_processes",
        ),
        "keepalive_timeout": _setting(settings, "keepalive_timeout_s", "s", "a reader's next click"),
        "requests_per_s": _setting(settings, "requests_per_s", "requests/s", "more than a person can click"),
        "burst": derived(4 * settings.requests_per_s, "requests", "4 s worth of them", "nginx.requests_per_s"),
        "connections_per_address": _setting(
            settings, "connections_per_address", "connections", "a family behind one address"
        ),
        "limit_conn_zone": derived(
            _addresses_mib(declaration), "MiB", f"{ADDRESSES_PER_MIB} addresses for each", "target.connections"
        ),
        "http2_max_concurrent_streams": default(
            STREAMS, "requests", "what one visitor asks for at once; fewer than connections_per_address"
        ),
        "cache_max_size": _setting(settings, "cache_disk_mib", "MiB", "of disk, for each app"),
        "client_max_body_size": derived(
            uploads_mib,
            "MiB",
            "the largest max_upload_mib of the apps",
            *(f"apps.{name}.max_upload_mib" for name in declaration.apps),
        ),
        "upstream_keepalive": default(
            UPSTREAM_KEEPALIVE, "connections", "idle ones that each worker keeps to each app"
        ),
        "proxy_read_timeout": _read_timeout(declaration),
    }
    if any(app.websockets for app in declaration.apps.values()):
        found["long_lived_timeout"] = default(LONG_LIVED_TIMEOUT_S, "s", "a connection that is silent so long is cut")
    return {TAKER: found}


def _addresses_mib(declaration: Declaration) -> int:
    return ceil(declaration.target.connections / ADDRESSES_PER_MIB)


def _read_timeout(declaration: Declaration) -> Derived:
    timeouts_s = {
        f"apps.{name}.{key}.timeout_s": int(getattr(app.run_by(key), "timeout_s", 0))
        for name, app in declaration.apps.items()
        for key in app.runners
    }
    where, longest_s = max(timeouts_s.items(), key=lambda one: one[1], default=("", 0))
    if longest_s < READ_TIMEOUT_S:
        return default(READ_TIMEOUT_S, "s", "an answer that takes longer is cut")
    because = f"timeout_s {longest_s} + 5: it is the app that says that it took too long"
    return derived(longest_s + 5, "s", because, where)


def _setting(settings: NginxSettings, name: str, unit: str, because: str) -> Derived:
    value = getattr(settings, name)
    if name in settings.model_fields_set:
        return pinned(value, unit, f"services.nginx.{name}")
    return default(value, unit, because)

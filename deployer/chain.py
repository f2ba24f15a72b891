"""The chain of connections: visitors, nginx's slots, the apps' workers, their pools, the servers' connections.

It is worked out once, from the declaration alone, before any memory is given away: the claims need it, and every
service reads its own link of it. Sources of the formulas: docs/budget.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from deployer.declaration import Declaration
from deployer.links import Access, AppLinks, Chain
from deployer.numbers import default, derived
from deployer.units import round_up

#: Slots of nginx that no visitor gets: listeners, logs, the cache's own files, the load test's look at its counters.
SPARE_SLOTS = 32
#: Requests in progress beyond one for each visitor, and the fewest of all: a browser asks for a page's files at once.
SPARE_REQUESTS, FEWEST_REQUESTS = 32, 256
#: The kernel wakes the same idle worker again and again, so visitors are never spread evenly; and a worker that is full
#: closes whoever it accepts. Each has room for so many times its fair part: up to four workers, for all there are.
UNEVEN = 4
#: Files that each nginx worker keeps open (open_file_cache): pages of the micro-cache above all.
OPEN_FILES = 1000
#: Connections of a database beyond the apps' pools: a person, a backup, a migration, the health check, a load test's.
ADMIN_CONNECTIONS = 5
FEWEST_DATABASE_CONNECTIONS = 10
#: What the kernel takes by default since 5.4 (net.core.somaxconn); nginx alone would ask for 511.
BACKLOG = 4096


def connection_chain(
    declaration: Declaration, links: Mapping[str, AppLinks], access: Mapping[str, Mapping[str, Access]]
) -> Chain:
    """Follow one visitor's connection through the host.

    Args:
        declaration: The host.
        links: What each taker that runs code adds, as the services say.
        access: What each app is given by the servers that it uses, by app and server.

    Returns:
        ``worker_processes``, ``worker_connections``, ``worker_rlimit_nofile``, ``requests_at_once`` and ``backlog`` for
        nginx, and what each taker adds as ``TAKER.NAME``.
    """
    cores, visitors = declaration.hardware.cpu_cores, declaration.target.connections
    requests = max(visitors + SPARE_REQUESTS, FEWEST_REQUESTS)
    slots = min(visitors + requests, UNEVEN * ceil((visitors + requests) / cores)) + SPARE_SLOTS
    numbers = {
        "worker_processes": derived(cores, "", "one per core", "hardware.cpu_cores"),
        "worker_connections": derived(
            slots,
            "connections",
            f"{visitors} visitors + {requests} requests, each of which may go to an app, + {SPARE_SLOTS}; "
            "one worker may get all of them"
            if cores <= UNEVEN
            else f"{UNEVEN} x ({visitors} visitors + {requests} requests, each of which may go to an app) / {cores} "
            f"workers + {SPARE_SLOTS}: some workers get more of them than others",
            "target.connections",
            "nginx.requests_at_once",
            "hardware.cpu_cores",
        ),
        "worker_rlimit_nofile": derived(
            round_up(2 * slots + OPEN_FILES, 64),
            "descriptors",
            f"2 x {slots} connections, each may need a file, + {OPEN_FILES} files that a worker keeps open",
            "nginx.worker_connections",
        ),
        "requests_at_once": derived(
            requests,
            "requests",
            f"one for each of {visitors} visitors + {SPARE_REQUESTS}, at least {FEWEST_REQUESTS}; more are sent away: "
            "by HTTP/2 a visitor may ask for many things at once, and each takes memory here and in the app",
            "target.connections",
        ),
        "backlog": default(
            BACKLOG, "connections", "a burst of visitors waits in the kernel; more than it takes is cut"
        ),
    }
    for taker, link in links.items():
        numbers |= {f"{taker}.{name}": number for name, number in link.numbers.items()}
    return Chain(numbers, links, access)

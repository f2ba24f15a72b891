"""What the resources of a host carry, in visitors, which of them ends first, and what more of it would take.

Held visitors each ask for a page every ``target.page_every_s`` seconds (Little's law: visitors = pages/s x seconds).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil, floor

from deployer.budget import STEP_MIB, Claim
from deployer.declaration import Declaration
from deployer.disk import ROOM
from deployer.numbers import Derived, Numbers, default, derived
from deployer.priors import PRIORS

SECONDS_PER_MONTH = 30 * 24 * 3600
#: What systemd gives as the hard limit on Debian and Ubuntu; a container may have less, which deploy checks.
DESCRIPTORS = 524_288
VISITORS = "visitors"
#: A limit of memory is looked for until it is known to one part in so many.
EXACT = 256

#: Says how much memory would be missing with so many visitors, MiB; 0 or less if they fit.
Missing = Callable[[int], float]


def limits_of(
    declaration: Declaration,
    claims: Mapping[str, Claim],
    numbers: Mapping[str, Numbers],
    disk: Numbers,
    *,
    remainder_mib: int,
    missing_mib: Missing,
) -> Numbers:
    """Work out what memory, processor, link, traffic, descriptors and disk carry, as far as they are declared.

    Args:
        declaration: The host.
        claims: What was asked of memory, by taker.
        numbers: The settings that follow, by taker.
        disk: What the disk is filled with.
        remainder_mib: What the floors leave of the memory, MiB.
        missing_mib: Tells what more visitors would take.

    Returns:
        In visitors: ``memory``, ``processor``, ``descriptors``, ``computing`` (every page made anew), ``link``,
        ``traffic``. Besides: ``link_pages``, ``link_connections``, ``traffic_rate``, ``disk``.
    """
    found: dict[str, Derived] = {}
    if "nginx" in claims:
        found |= _of_machine(declaration, claims, remainder_mib, missing_mib)
    if (computing := _computing(declaration, numbers)) is not None:
        found["computing"] = computing
    keepalive = numbers.get("nginx", {}).get("keepalive_timeout")
    found |= _of_link(declaration, keepalive)
    found |= _of_traffic(declaration)
    hardware = declaration.hardware
    room_mib = int(disk[ROOM].value)
    found["disk"] = derived(
        hardware.disk_gib,
        "GiB",
        f"{hardware.disk_kind}; {room_mib} MiB of it are room for data, the rest is taken",
        "hardware.disk_gib",
        f"disk.{ROOM}",
    )
    return found


def _of_machine(
    declaration: Declaration, claims: Mapping[str, Claim], remainder_mib: int, missing_mib: Missing
) -> Numbers:
    hardware, target = declaration.hardware, declaration.target
    rate = _cached_req_per_s_per_core(declaration) * hardware.cpu_cores
    carried = _fit_into_memory(declaration, remainder_mib, missing_mib)
    more = carried - target.connections
    return {
        "memory": derived(
            carried,
            VISITORS,
            f"{target.connections} are paid for; {more} more fit into the {remainder_mib} MiB that floors leave"
            + (f", some {remainder_mib * 1024 / more:.0f} KiB each" if more else ""),
            "target.connections",
            "remainder_mib",
            *(f"ledger.{taker}.floor" for taker in claims),
        ),
        "processor": derived(
            int(rate * target.page_every_s),
            VISITORS,
            f"{rate} cached pages/s on {_cores(hardware.cpu_cores)} x one page every {target.page_every_s} s",
            "hardware.cpu_cores",
            "target.page_every_s",
            "priors.cached_req_per_s_per_core",
        ),
        "descriptors": default(DESCRIPTORS // 4, VISITORS, f"{DESCRIPTORS} descriptors / 4"),
    }


def _cached_req_per_s_per_core(declaration: Declaration) -> int:
    own = declaration.measured and declaration.measured.own_prior("cached_req_per_s_per_core")
    return int(own or PRIORS.cached_req_per_s_per_core)


def _fit_into_memory(declaration: Declaration, remainder_mib: int, missing_mib: Missing) -> int:
    """Find how many visitors fit if the floors may have all memory: declared as target, they are not refused."""
    fits = declaration.target.connections
    least_kib = PRIORS.socket_kib + PRIORS.nginx_connection_plain_kib
    too_many = fits + ceil((remainder_mib + STEP_MIB) * 1024 / least_kib) + 1
    while too_many - fits > max(1, fits // EXACT):
        middle = (fits + too_many) // 2
        if missing_mib(middle) <= 0:
            fits = middle
        else:
            too_many = middle
    return fits


def _longest_computing(declaration: Declaration) -> tuple[str, str, float] | None:
    """Find the app that computes longest for a page, of those that were measured: app, what runs it, ms."""
    known = [
        (name, key, float(compute_ms))
        for name, app in declaration.apps.items()
        for key in app.runners
        if (compute_ms := getattr(app.run_by(key), "compute_ms", None)) is not None
    ]
    return max(known, key=lambda one: one[2], default=None)


def _computing(declaration: Declaration, numbers: Mapping[str, Numbers]) -> Derived | None:
    """Count the visitors whose pages are all made anew, if the user knows how long that computes."""
    longest = _longest_computing(declaration)
    if longest is None:
        return None
    name, key, compute_ms = longest
    cores, every_s = declaration.hardware.cpu_cores, declaration.target.page_every_s
    workers = numbers.get(name, {}).get("workers")
    busy = min(cores, int(workers.value)) if workers is not None else cores
    inputs = ["hardware.cpu_cores", "target.page_every_s", f"apps.{name}.{key}.compute_ms"]
    if workers is not None:
        inputs.append(f"{name}.workers")
    return derived(
        int(busy * 1000 / compute_ms * every_s),
        VISITORS,
        f"{name} computes {compute_ms:g} ms for a page that is no cached one: {busy * 1000 / compute_ms:.1f} pages/s "
        f"on {_cores(busy)}, one page every {every_s} s",
        *inputs,
    )


def _of_link(declaration: Declaration, keepalive: Derived | None) -> Numbers:
    mbit_per_s, target = declaration.hardware.bandwidth_mbit_per_s, declaration.target
    if mbit_per_s is None:
        return {}
    pages = mbit_per_s * 1e6 / 8 / (target.page_kib * 1024)
    found = {
        "link": derived(
            int(pages * target.page_every_s),
            VISITORS,
            f"{mbit_per_s:g} Mbit/s = {pages:.1f} pages/s of {target.page_kib:g} KiB, "
            f"one page every {target.page_every_s} s",
            "limits.link_pages",
            "target.page_every_s",
        ),
        "link_pages": derived(
            round(pages, 2),
            "pages/s",
            f"{mbit_per_s:g} Mbit/s / 8 / {target.page_kib:g} KiB",
            "hardware.bandwidth_mbit_per_s",
            "target.page_kib",
        ),
    }
    if keepalive is not None:
        found["link_connections"] = derived(
            int(pages * float(keepalive.value)),
            "connections",
            f"{pages:.1f} pages/s x {keepalive.value} s that nginx keeps an idle one (Little): "
            "so many stay open if each visitor reads one page",
            "limits.link_pages",
            "nginx.keepalive_timeout",
        )
    return found


def _of_traffic(declaration: Declaration) -> Numbers:
    gb_per_month, target = declaration.hardware.traffic_gb_per_month, declaration.target
    if gb_per_month is None:
        return {}
    bytes_per_s = gb_per_month * 1e9 / SECONDS_PER_MONTH
    pages = bytes_per_s / (target.page_kib * 1024)
    return {
        "traffic": derived(
            int(pages * target.page_every_s),
            VISITORS,
            f"{gb_per_month} GB a month = {pages:.1f} pages/s all day and night",
            "limits.traffic_rate",
            "target.page_kib",
            "target.page_every_s",
        ),
        "traffic_rate": derived(
            round(bytes_per_s * 8 / 1e6, 2),
            "Mbit/s",
            f"{gb_per_month} GB in 30 days, on the average",
            "hardware.traffic_gb_per_month",
        ),
    }


def _cores(number: int) -> str:
    return f"{number} core" + ("" if number == 1 else "s")


def first_to_end(limits: Numbers) -> str | None:
    """Name the resource that ends first as visitors grow; None if nothing is served."""
    carried = {name: float(limit.value) for name, limit in limits.items() if limit.unit == VISITORS}
    return min(carried, key=lambda name: carried[name]) if carried else None


def binding_resource(declaration: Declaration, limits: Numbers, missing_mib: Missing) -> str:
    """Say which resource ends first, if that is before all visitors of the target are there, and what would help."""
    name = first_to_end(limits)
    if name is None:
        return "nothing is served here"
    carried, wanted = int(limits[name].value), declaration.target.connections
    if carried < wanted:
        short, aim, who = f", fewer than the {wanted} of the target", wanted, f"{wanted}"
    else:
        short, aim, who = "", 2 * carried, "twice as many"
    takes = _takes(declaration, name, aim, carried, missing_mib)
    return f"{name}: {carried} visitors{short} ({limits[name].because}); {who} would take {takes}"


def _takes(declaration: Declaration, name: str, visitors: int, carried: int, missing_mib: Missing) -> str:
    """Say how much of a resource would carry so many visitors."""
    target = declaration.target
    pages_per_s = visitors / target.page_every_s
    page_bytes = target.page_kib * 1024
    light_kib = floor(target.page_kib * 100 * carried / visitors) / 100
    lighter = f", or pages of {light_kib:g} KiB" if light_kib else ""
    match name:
        case "memory":
            kept = PRIORS.system_share + PRIORS.page_cache_share + PRIORS.safety_share
            return f"{ceil(missing_mib(visitors) / (1 - kept) / PRIORS.usable_share)} MiB more memory"
        case "processor":
            return _cores(ceil(pages_per_s / _cached_req_per_s_per_core(declaration)))
        case "computing":
            _, _, compute_ms = _longest_computing(declaration) or ("", "", 1.0)
            cores = _cores(ceil(pages_per_s * compute_ms / 1000))
            return f"{cores} with as many workers, or pages that may be cached"
        case "link":
            return f"{ceil(pages_per_s * page_bytes * 80 / 1e6) / 10:g} Mbit/s{lighter}"
        case "traffic":
            return f"{ceil(pages_per_s * page_bytes * SECONDS_PER_MONTH / 1e9)} GB a month{lighter}"
        case _:
            return "a second host"

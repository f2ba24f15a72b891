"""What the other resources of a host carry, in visitors, and which of them ends first.

Held visitors each ask for a page every ``target.page_every_s`` seconds (Little's law: visitors = pages/s x seconds).
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.numbers import Derived, Numbers, default, derived
from deployer.priors import PRIORS

SECONDS_PER_MONTH = 30 * 24 * 3600
#: What systemd gives as the hard limit on Debian and Ubuntu; a container may have less, which deploy checks.
DESCRIPTORS = 524_288


def limits_of(declaration: Declaration, claims: Mapping[str, Claim], grants: Mapping[str, Grant]) -> Numbers:
    """Work out how many visitors memory, processor, link, traffic and descriptors carry, as far as declared."""
    hardware, target = declaration.hardware, declaration.target
    page_bytes = target.page_kib * 1024
    elastic = sum(grant.elastic_mib for grant in grants.values())
    with_tls = any(app.tls is not None for app in declaration.apps.values())
    each_kib = PRIORS.socket_kib + (PRIORS.nginx_connection_tls_kib if with_tls else PRIORS.nginx_connection_plain_kib)
    found: dict[str, Derived] = {}
    if "nginx" in claims:
        found["memory"] = derived(
            int(target.connections + elastic * 1024 / each_kib),
            "visitors",
            f"{target.connections} are paid for, {elastic} MiB beyond the floors at {each_kib:g} KiB each",
        )
        rate = PRIORS.cached_req_per_s_per_core * hardware.cpu_cores
        found["processor"] = derived(
            int(rate * target.page_every_s),
            "visitors",
            f"{rate} cached pages/s on {_cores(hardware.cpu_cores)} x one page every {target.page_every_s} s",
        )
        found["descriptors"] = derived(DESCRIPTORS // 4, "visitors", f"{DESCRIPTORS} descriptors / 4")
    if hardware.bandwidth_mbit_per_s is not None:
        pages = hardware.bandwidth_mbit_per_s * 1e6 / 8 / page_bytes
        found["link"] = derived(
            int(pages * target.page_every_s),
            "visitors",
            f"{hardware.bandwidth_mbit_per_s:g} Mbit/s = {pages:.1f} pages/s of {target.page_kib:g} KiB, "
            f"one page every {target.page_every_s} s",
        )
    if hardware.traffic_gb_per_month is not None:
        pages = hardware.traffic_gb_per_month * 1e9 / SECONDS_PER_MONTH / page_bytes
        found["traffic"] = derived(
            int(pages * target.page_every_s),
            "visitors",
            f"{hardware.traffic_gb_per_month} GB a month = {pages:.1f} pages/s all day and night",
        )
    found["disk"] = default(hardware.disk_gib, "GiB", f"{hardware.disk_kind}; visitors do not fill it, logs are capped")
    return found


def _cores(number: int) -> str:
    return f"{number} core" + ("" if number == 1 else "s")


def binding_resource(limits: Numbers, wanted: int) -> str:
    """Name the resource that ends first as visitors grow, and say if that is before all that are wanted are there."""
    carried = {name: limit for name, limit in limits.items() if limit.unit == "visitors"}
    if not carried:
        return "nothing is served here"
    name = min(carried, key=lambda one: float(carried[one].value))
    short = f", fewer than the {wanted} of the target" if float(carried[name].value) < wanted else ""
    return f"{name}: {carried[name].value} visitors{short} ({carried[name].because})"

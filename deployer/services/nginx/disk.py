"""What nginx fills of the disk: its caches, its logs, and bodies that are on their way to an app."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from deployer.declaration import Declaration
from deployer.numbers import Derived, Numbers, derived
from deployer.services.nginx.budget import TAKER
from deployer.services.nginx.settings import cached_apps

#: One line of the access log, bytes.
LOG_LINE_BYTES = 200
#: The mean of a day against its busiest hours, for which the target is written.
MEAN_SHARE = 0.25
#: The present log and the one before it as they are, six more at a tenth of their size.
LOGS = 2 + 6 / 10
#: A log beyond this is put aside at the next look, once an hour, even if its day is not over.
LOG_MAXSIZE_MIB = 20
MIB = 1024 * 1024
SECONDS_PER_HOUR = 3600


def disk(declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what nginx fills at the most, MiB."""
    apps, cached = declaration.apps, cached_apps(declaration)
    each_mib = int(numbers[TAKER]["cache_max_size"].value)
    uploads_mib = sum(2 * app.uploads_at_once * app.max_upload_mib for app in apps.values())
    return {
        "nginx caches": derived(
            len(cached) * each_mib,
            "MiB",
            f"{each_mib} MiB for each app with a cache: {', '.join(cached) or 'none'}",
            f"{TAKER}.cache_max_size",
        ),
        "nginx logs": _logs(declaration),
        "uploads on their way": derived(
            uploads_mib,
            "MiB",
            "2 x uploads_at_once x max_upload_mib of each app: nginx's copy and the app's",
            *(f"apps.{name}.{key}" for name in apps for key in ("uploads_at_once", "max_upload_mib")),
        ),
    }


def _logs(declaration: Declaration) -> Derived:
    target, mbit_per_s = declaration.target, declaration.hardware.bandwidth_mbit_per_s
    inputs = ["target.connections", "target.page_every_s"]
    pages_per_s = target.connections / target.page_every_s
    if mbit_per_s is not None and (carried := mbit_per_s * 1e6 / 8 / (target.page_kib * 1024)) < pages_per_s:
        pages_per_s = carried
        inputs = ["hardware.bandwidth_mbit_per_s", "target.page_kib"]
    hour_mib = pages_per_s * LOG_LINE_BYTES * SECONDS_PER_HOUR / MIB
    each_mib = min(24 * MEAN_SHARE * hour_mib, LOG_MAXSIZE_MIB + hour_mib)
    return derived(
        ceil(LOGS * (each_mib + LOG_MAXSIZE_MIB)),
        "MiB",
        f"a line of {LOG_LINE_BYTES} bytes for each of {pages_per_s:.1f} pages/s: a day of a quarter of that, or "
        f"{LOG_MAXSIZE_MIB} MiB and a full hour of it; {LOG_MAXSIZE_MIB} MiB of errors; two of each as they are, "
        "six at a tenth",
        *inputs,
    )

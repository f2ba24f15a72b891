"""What an app's releases fill of the disk: the live one, those kept for a way back, and one that is on its way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from deployer.numbers import Derived, Numbers, derived
from deployer.priors import PRIORS

#: Releases and environments that the host keeps (``deployer.agent.releases.KEPT``), and the one of a deploy under way.
KEPT, UNDER_WAY = 3, 1

_ENVIRONMENTS = {"python": "python_environment_mib", "node": "node_modules_mib"}


def releases_on_disk(apps: Iterable[str], packages: Literal["python", "node", "none"] = "none") -> Numbers:
    """Say what the releases of apps and their packages fill, MiB."""
    copies = KEPT + UNDER_WAY
    found: dict[str, Derived] = {}
    for app in apps:
        found[f"releases of {app}"] = derived(
            copies * PRIORS.release_mib,
            "MiB",
            f"{KEPT} are kept, one more is on its way: {copies} x {PRIORS.release_mib} MiB",
            "priors.release_mib",
        )
        if packages == "none":
            continue
        prior = _ENVIRONMENTS[packages]
        each_mib = int(getattr(PRIORS, prior))
        found[f"packages of {app}"] = derived(
            copies * each_mib, "MiB", f"one set for each of {copies} releases: {each_mib} MiB", f"priors.{prior}"
        )
    return found

"""What an app fills of the disk besides its data: releases, kept for a way back, and dumps of its database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from deployer.declaration import Declaration
from deployer.numbers import Derived, Numbers, derived
from deployer.priors import PRIORS

#: Releases and environments that the host keeps (``deployer.agent.releases.KEPT``), and the one of a deploy under way.
KEPT, UNDER_WAY = 3, 1

#: Name of the line in the disk's ledger, by app.
DUMPS = "dumps of {app}"

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


def dumps_on_disk(declaration: Declaration, apps: Iterable[str]) -> Numbers:
    """Say what the dumps that are taken before migrations may fill, MiB.

    Args:
        declaration: The host.
        apps: Those whose database is of one kind.
    """
    found: dict[str, Derived] = {}
    for app in apps:
        database = declaration.apps[app].database
        if database is not None and database.is_dumped:
            found[DUMPS.format(app=app)] = derived(
                database.dump_room_mib,
                "MiB",
                "dump_room_mib: a database is dumped before its migration, and as it stands before it is put back",
                f"apps.{app}.database.dump_room_mib",
            )
    return found

"""What has to be asked of a host before a plan can be made: one request, whatever the host has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deployer.plan.desired import items, placed
from deployer.release import Release
from deployer.render import Rendered
from deployer.wanted import masked


def questions(
    rendered: Rendered, releases: Sequence[Release], *, also: Sequence[str] = (), nonce: str = ""
) -> dict[str, Any]:
    """Build the protocol's ``observe`` request.

    Args:
        rendered: What the host shall have.
        releases: The apps' sources.
        also: Paths of ours from an earlier deploy that are no longer wanted.
        nonce: What secrets from outside are proven with: random, hexadecimal, another one for each session.
    """
    wanted = rendered.wanted
    own = placed(rendered, releases)
    all_items = items(rendered, own)
    units = [*(unit.unit for unit in wanted.units), *masked(rendered.links)]
    others = [unit for item in all_items for unit in (*item.reloads, *item.restarts)]
    return {
        "op": "observe",
        "nonce": nonce,
        "files": [{"path": item.path, **item.after} for item in all_items]
        + [{"path": path, "kind": "absent"} for path in also],
        "units": list(dict.fromkeys([*units, *others])),
        "packages": sorted(set(wanted.packages)),
        "users": [user.name for user in wanted.users],
        "databases": [
            {"server": database.server, "name": database.name, "user": database.user} for database in wanted.databases
        ],
        "sysctls": sorted({sysctl.name for sysctl in wanted.sysctls}),
        "paths": sorted(
            {
                *wanted.must_exist,
                *(secret.path for secret in wanted.secrets if not secret.source),
                *(directory.path for directory in wanted.directories),
                *(mark for release in own for mark in release.marks),
            }
        ),
        "ports": sorted({one.port for one in wanted.ports}),
    }

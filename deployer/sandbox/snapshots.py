"""Snapshots: a prepared host, kept, so that others of its kind start from there in a second."""

from __future__ import annotations

import json
import re
import secrets

from deployer.sandbox.boot import start_host, stop_host
from deployer.sandbox.disk import attach_disk, copy_written
from deployer.sandbox.host import SandboxHost
from deployer.sandbox.layers import Snapshot, find_snapshot, prune_layers, snapshots_of
from deployer.sandbox.lifecycle import known_shape
from deployer.sandbox.places import places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.progress import Say, silent


def save_snapshot(host: SandboxHost | str, snapshot: str, *, say: Say = silent) -> None:
    """Keep what is on a host's disk now under a name; an earlier snapshot of that name is replaced.

    The host is powered off for it, so that databases are whole, and runs again afterwards.

    Args:
        host: The host or its name.
        snapshot: Lower case letters, digits and hyphens.
        say: Gets one line per step.

    Raises:
        SandboxError: There is no such host, or the name cannot be used.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", snapshot):
        raise SandboxError(f"a snapshot cannot be called {snapshot!r}")
    here = places()
    name = host if isinstance(host, str) else host.name
    layer = f"snap-{snapshot}-{secrets.token_hex(4)}"
    with here.lock(f"host-{name}", say, waiting_for=f"works on {name}"):
        shape = known_shape(here, name)
        if shape.own_kernel:
            raise SandboxError(
                f"{name} has a kernel of its own, so what it wrote cannot be told from the rest of its disk",
                next_step="save a host with the shared kernel; one with its own can start from that snapshot",
            )
        say(f"saving {name} as {snapshot}")
        stop_host(here, name, gracefully=True)
        attach_disk(here.host(name), [here.layers / lower for lower in shape.layers], disk_mib=shape.disk_mib)
        with here.lock("placing", say, waiting_for="places a host"):
            copy_written(here.host(name), here.layers / layer)
            _remember(Snapshot(snapshot, (layer, *shape.layers), shape.suite))
            prune_layers(here)
        start_host(shape, here)


def snapshots() -> tuple[str, ...]:
    """List the names of the snapshots."""
    return tuple(snapshot.name for snapshot in snapshots_of(places()))


def drop_snapshot(snapshot: str, *, say: Say = silent) -> None:
    """Forget a snapshot; hosts that were started from it go on.

    Raises:
        SandboxError: There is none of that name.
    """
    here = places()
    with here.lock("placing", say, waiting_for="places a host"):
        find_snapshot(here, snapshot)
        (here.snapshots / f"{snapshot}.json").unlink()
        prune_layers(here)


def _remember(snapshot: Snapshot) -> None:
    file = places().snapshots / f"{snapshot.name}.json"
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"layers": snapshot.layers, "suite": snapshot.suite}) + "\n")
    part.replace(file)

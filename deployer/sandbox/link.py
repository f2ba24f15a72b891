"""The link of a local VPS, made as thin as a rented one: the kernel's token bucket on its own network device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deployer.sandbox.boot import is_running
from deployer.sandbox.places import places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import run
from deployer.sandbox.states import read_shape

#: What may leave at once before the rate holds, bytes; at least what the link carries in a tick of 4 ms.
_BURST_BYTES: Final = 16 * 1024
#: A packet waits in the link's queue so long at the most, then it is dropped, ms.
_QUEUE_MS: Final = 200


@contextmanager
def thin_link(name: str, mbit_per_s: float) -> Iterator[None]:
    """Let a running local VPS send no more than this; afterwards as much as before.

    Args:
        name: The host.
        mbit_per_s: Outwards, Mbit/s, with the headers of Ethernet.

    Raises:
        SandboxError: It does not run, has a kernel of its own, or the machine's kernel has no token bucket.
    """
    device = [*_inside(name), "tc", "qdisc"]
    burst = max(_BURST_BYTES, int(mbit_per_s * 1e6 / 8 * 0.004))
    bucket = ["tbf", "rate", f"{mbit_per_s * 1e6:.0f}bit", "burst", f"{burst}b", "latency", f"{_QUEUE_MS}ms"]
    run([*device, "replace", "dev", "eth0", "root", *bucket], doing=f"making the link of {name} thin")
    try:
        yield
    finally:
        if is_running(places(), name):
            run([*_inside(name), "tc", "qdisc", "delete", "dev", "eth0", "root"], doing=f"giving {name} its link back")


def _inside(name: str) -> list[str]:
    """Give the command line that runs a program of this machine in a host's network."""
    here = places()
    shape = read_shape(here, name)
    if shape is None or not is_running(here, name):
        raise SandboxError(f"{name} is no local VPS that runs", next_step=f"invoke sandbox.up --host {name}")
    if shape.own_kernel:
        raise SandboxError(
            f"{name} has a kernel of its own, whose link this machine does not shape",
            next_step="use a local VPS that shares the machine's kernel (the default)",
        )
    pid = run(["lxc-info", "-n", name, "-P", here.hosts, "-pH"], doing=f"looking for {name}").strip()
    return ["nsenter", "-t", pid, "-n"]

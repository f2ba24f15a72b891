"""Local VPSes come, go and start over: the functions behind ``sandbox.up``, ``down``, ``list`` and ``reset``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from deployer.sandbox.boot import is_running, start_host, stop_host
from deployer.sandbox.disk import wipe_disk
from deployer.sandbox.host import SandboxHost, host_of
from deployer.sandbox.layers import find_snapshot, prune_layers
from deployer.sandbox.network import check_address, ensure_network, remove_network
from deployer.sandbox.places import Places, places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import remove_tree
from deployer.sandbox.progress import Say, silent
from deployer.sandbox.requirements import missing_requirements
from deployer.sandbox.shape import SHARED_KERNEL, Shape, choose_cpus
from deployer.sandbox.sizes import ensure_lxcfs, stop_lxcfs
from deployer.sandbox.states import read_shape, shapes, write_shape
from deployer.sandbox.suites import USUAL_SUITE, check_suite
from deployer.sandbox.tree import ensure_tree
from deployer.sandbox.uml.kernel import ensure_kernel


def up(
    name: str,
    *,
    address: str,
    cpu_cores: int,
    memory_mib: int,
    swap_mib: int = 0,
    disk_gib: int = 20,
    suite: str = USUAL_SUITE,
    kernel: str = SHARED_KERNEL,
    sudo_password: str | None = None,
    snapshot: str | None = None,
    certificate_names: Sequence[str] = (),
    small_disk_mib: int | None = None,
    say: Say = silent,
) -> SandboxHost:
    """Make a local VPS of this size run, and return it when it answers.

    Nothing is done when it runs already. With another amount of memory or cores it is started again with its disk
    kept; with another disk, suite, kernel or snapshot it is made anew.

    Args:
        name: Lower case letters, digits and hyphens.
        address: From 10.213.77.10 to 10.213.77.250.
        cpu_cores: Cores, >= 1. A machine with fewer gives what it has, and says so.
        memory_mib: Memory, MiB, >= 128.
        swap_mib: Swap, MiB; with the shared kernel only as real as the machine's own.
        disk_gib: Disk, GiB; takes space as it is written to.
        suite: Which Debian it has, one of ``SUITES``; a snapshot has its own.
        kernel: ``shared``: a container, up in two seconds; ``own``: User-Mode Linux, up in six, with one core.
        sudo_password: What sudo asks the user ``deploy`` for. None: it asks nothing.
        snapshot: Start from this snapshot instead of a clean Debian.
        certificate_names: DNS names of a self-made TLS certificate for the host.
        small_disk_mib: A disk of this many MiB instead of ``disk_gib``, to be filled up.
        say: Gets one line per step.

    Raises:
        SandboxError: This machine cannot host it, a value is out of range, or it does not start.
    """
    here = places()
    shape = Shape(
        name=name,
        address=address,
        cpu_cores=cpu_cores,
        memory_mib=memory_mib,
        swap_mib=swap_mib,
        disk_mib=small_disk_mib if small_disk_mib is not None else disk_gib * 1024,
        suite=suite,
        kernel=kernel,
        sudo_password=sudo_password,
        certificate_names=tuple(certificate_names),
    )
    check_suite(suite)
    shape.check()
    check_address(address)
    if reasons := missing_requirements():
        raise SandboxError(
            f"this machine cannot host a local VPS: {'; '.join(reasons)}", next_step="run make setup as root on Debian"
        )
    here.make()
    ensure_network(here, say)
    _ensure_kernel(shape, here, say)
    if snapshot is not None:
        found = find_snapshot(here, snapshot)
        shape = replace(shape, snapshot=found.identity, suite=found.suite, layers=found.layers)
    with here.lock(f"host-{name}", say, waiting_for=f"works on {name}"):
        return _up(shape, here, say)


def _up(shape: Shape, here: Places, say: Say) -> SandboxHost:
    before = read_shape(here, shape.name)
    if before is not None:
        runs = is_running(here, shape.name)
        if runs and before.asked_for() == shape.asked_for():
            return host_of(before, here, running=True)
        stop_host(here, shape.name, gracefully=runs)
        if before.same_disk(shape):
            shape = replace(shape, layers=before.layers)  # its disk fits no other tree than the one it was made on
        else:
            say(f"{shape.name}: another disk, suite, kernel or snapshot is wanted, so it is made anew")
            wipe_disk(here.host(shape.name))
    if not shape.layers:
        shape = replace(shape, layers=(ensure_tree(shape.suite, here, say),))
    shape = _place(shape, here, say)
    say(f"starting {shape.name}: {len(shape.cpus)} cores, {shape.memory_mib} MiB, {shape.address}")
    start_host(shape, here)
    return host_of(shape, here, running=True)


def _ensure_kernel(shape: Shape, here: Places, say: Say) -> None:
    if shape.own_kernel:
        ensure_kernel(here, say)
    else:
        ensure_lxcfs(here, say)


def _place(shape: Shape, here: Places, say: Say) -> Shape:
    with here.lock("placing", say, waiting_for="places a host"):
        others = [other for other in shapes(here) if other.name != shape.name]
        for other in others:
            if other.address == shape.address:
                raise SandboxError(f"{shape.name}: {other.name} has the address {shape.address} already")
        cores = 1 if shape.own_kernel else shape.cpu_cores
        cpus = choose_cpus(cores, sorted(_machine_cpus()), [other.cpus for other in others])
        if shape.own_kernel and shape.cpu_cores > 1:
            say(f"note: a kernel of its own has one core, so {shape.name} gets that instead of {shape.cpu_cores}")
        elif len(cpus) < shape.cpu_cores:
            say(f"note: this machine has {len(cpus)} cores, so {shape.name} gets those instead of {shape.cpu_cores}")
        if shape.swap_mib and not shape.own_kernel and not _machine_swap():
            say(f"note: this machine has no swap, so {shape.name} has none either")
        placed = replace(shape, cpus=cpus)
        here.host(shape.name).mkdir(exist_ok=True)
        write_shape(here, placed)
        return placed


def reset(name: str, *, say: Say = silent) -> SandboxHost:
    """Put a local VPS back to what it was when it was made, in a second or two; it runs afterwards.

    Raises:
        SandboxError: There is no such host, or it does not start.
    """
    here = places()
    ensure_network(here, say)
    with here.lock(f"host-{name}", say, waiting_for=f"works on {name}"):
        shape = known_shape(here, name)
        _ensure_kernel(shape, here, say)
        stop_host(here, name)
        wipe_disk(here.host(name))
        start_host(shape, here)
        return host_of(shape, here, running=True)


def down(name: str, *, say: Say = silent) -> None:
    """Take a local VPS away with all that it held; its host key is kept for the next of that name.

    Raises:
        SandboxError: There is no such host.
    """
    here = places()
    with here.lock(f"host-{name}", say, waiting_for=f"works on {name}"):
        known_shape(here, name)
        stop_host(here, name)
        remove_tree(here.host(name))
    with here.lock("placing", say, waiting_for="places a host"):
        prune_layers(here)


def cut_power(name: str, *, say: Say = silent) -> None:
    """Kill a local VPS with all that runs on it, at once; its disk is kept, and ``up`` or ``power_on`` boots it again.

    With a kernel of its own, what it had not written to its disk is lost.

    Raises:
        SandboxError: There is no such host.
    """
    here = places()
    with here.lock(f"host-{name}", say, waiting_for=f"works on {name}"):
        known_shape(here, name)
        stop_host(here, name)


def power_on(name: str, *, say: Say = silent) -> SandboxHost:
    """Boot a local VPS that does not run, with the disk that it has.

    Raises:
        SandboxError: There is no such host, or it does not start.
    """
    here = places()
    with here.lock(f"host-{name}", say, waiting_for=f"works on {name}"):
        shape = known_shape(here, name)
        if not is_running(here, name):
            start_host(shape, here)
        return host_of(shape, here, running=True)


def hosts() -> tuple[SandboxHost, ...]:
    """List the local VPSes, running or not, by name."""
    here = places()
    return tuple(host_of(shape, here, running=is_running(here, shape.name)) for shape in shapes(here))


def down_all(*, say: Say = silent) -> None:
    """Take every local VPS away, and the bridge, the package proxy and lxcfs with them; base trees and snapshots stay.

    Raises:
        SandboxError: Something does not stop.
    """
    here = places()
    for shape in shapes(here):
        say(f"taking {shape.name} down")
        down(shape.name, say=say)
    remove_network(here)
    stop_lxcfs(here)


def generator_cpus(host: SandboxHost) -> tuple[int, ...]:
    """Name the machine's processors that the host is not pinned to: those are for a load generator.

    Empty when the host has them all; then a measurement includes its own generator's work.
    """
    return tuple(sorted(_machine_cpus() - set(host.cpus)))


def known_shape(here: Places, name: str) -> Shape:
    """Read a host's shape.

    Raises:
        SandboxError: There is no such host.
    """
    shape = read_shape(here, name)
    if shape is None:
        there = ", ".join(other.name for other in shapes(here)) or "none"
        raise SandboxError(f"there is no local VPS called {name}", next_step=f"those that exist: {there}")
    return shape


def _machine_cpus() -> set[int]:
    return os.sched_getaffinity(0)


def _machine_swap() -> bool:
    return len(Path("/proc/swaps").read_text(encoding="utf-8").splitlines()) > 1

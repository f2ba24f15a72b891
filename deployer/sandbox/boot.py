"""Starting and stopping a host, and waiting until it is the one that was asked for."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from deployer.sandbox.container import container_config
from deployer.sandbox.disk import attach_disk, detach_disk
from deployer.sandbox.host import host_of
from deployer.sandbox.identity import remember_host_key, write_identity
from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import PATH, last_lines, run
from deployer.sandbox.progress import silent
from deployer.sandbox.shape import Shape
from deployer.sandbox.states import read_shape
from deployer.sandbox.uml.disk import ensure_disk
from deployer.sandbox.uml.kernel import ensure_kernel
from deployer.sandbox.uml.machine import forget_machine, is_machine_running, kill_machine, start_machine

_BOOT_TIMEOUT_S: Final = 60
#: lxc-info calls a host stopped whose monitor is too busy to say otherwise; after so long it is.
_GONE_S: Final = 3
#: Seconds that a host's services get to end before they are killed.
_HALT_TIMEOUT_S: Final = 20
#: Of 1024 MiB such a kernel shows 994, of 256 it shows 238.
_LEFT_BY_OWN_KERNEL: Final = 0.85
_LOOK: Final = "timeout 30 systemctl is-system-running --wait; nproc; grep MemTotal /proc/meminfo"


def is_running(places: Places, name: str) -> bool:
    """Tell whether the host runs."""
    if is_machine_running(places, name):
        return True
    if not (places.host(name) / "config").exists():
        return False
    return "RUNNING" in run(["lxc-info", "-n", name, "-P", places.hosts, "-sH"], doing="looking at the host")


def start_host(shape: Shape, places: Places) -> None:
    """Furnish and start a host, and wait until it answers and has its size.

    Raises:
        SandboxError: It does not start, does not answer in time, or does not see the size it was given.
    """
    remember_host_key(places, shape)
    kernel = ensure_kernel(places, silent) if shape.own_kernel else None
    if kernel is not None:
        ensure_disk(shape, kernel, places)
    else:
        _furnish_container(shape, places)
    try:
        if kernel is not None:
            start_machine(shape, kernel, places)
        else:
            _start_container(shape.name, places)
        _wait(shape, places)
    except BaseException:
        # what runs passes for a host that is as it was asked for, so nothing half-made may go on running
        with contextlib.suppress(SandboxError):
            stop_host(places, shape.name)
        raise


def stop_host(places: Places, name: str, *, gracefully: bool = False) -> None:
    """Stop a host and unmount its tree.

    A power cut loses what a kernel of its own had not written to the disk; what a container wrote, the machine's kernel
    still has.

    Args:
        places: The sandbox.
        name: The host.
        gracefully: Let its services end, as a power-off does; otherwise it is as a pulled plug.
    """
    shape = read_shape(places, name)
    if shape is not None and shape.own_kernel:
        if gracefully and is_machine_running(places, name):
            _power_off(shape, places)
        kill_machine(shape, places)
    elif is_running(places, name):
        how = ["-t", str(_HALT_TIMEOUT_S)] if gracefully else ["-k"]
        run(["lxc-stop", "-n", name, "-P", places.hosts, *how], doing=f"stopping {name}", timeout_s=60)
    detach_disk(places.host(name))


def _power_off(shape: Shape, places: Places) -> None:
    # its sshd ends with the rest of it, so the command need not have an end that is seen
    with contextlib.suppress(SandboxError):
        host_of(shape, places, running=True).sh("systemctl poweroff", check=False, timeout_s=_HALT_TIMEOUT_S)
        forget_machine(shape, places)


def _furnish_container(shape: Shape, places: Places) -> None:
    directory = places.host(shape.name)
    layers = [places.layers / layer for layer in shape.layers]
    rootfs = attach_disk(directory, layers, disk_mib=shape.disk_mib)
    write_identity(rootfs, shape, places)
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    config = container_config(shape, rootfs=rootfs, lxcfs=places.lxcfs, unified=unified)
    (directory / "config").write_text(config)


def _start_container(name: str, places: Places) -> None:
    directory = places.host(name)
    log = directory / "lxc.log"
    log.unlink(missing_ok=True)
    argv = ["lxc-start", "-n", name, "-P", str(places.hosts), "-d", "-l", "WARN", "-o", str(log)]
    argv += ["-L", str(directory / "console.log")]
    # its monitor stays and keeps the output open, so this must not be a pipe that somebody reads to the end
    try:
        with (directory / "lxc-start.log").open("w") as output:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
                check=False,
                timeout=_BOOT_TIMEOUT_S,
                env={**os.environ, "PATH": PATH},
            )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"{name} does not start within {_BOOT_TIMEOUT_S} s", where=str(log)) from error
    if done.returncode:
        said = log.read_text(errors="replace") if log.exists() else ""
        raise SandboxError(f"{name} does not start: {last_lines(said)}", where=str(log))


def _wait(shape: Shape, places: Places) -> None:
    end = time.monotonic() + _BOOT_TIMEOUT_S
    seen_s = time.monotonic()
    while not _answers(shape.address):
        if is_running(places, shape.name):
            seen_s = time.monotonic()
        if time.monotonic() > min(end, seen_s + _GONE_S):
            log = places.host(shape.name) / "console.log"
            said = log.read_text(errors="replace") if log.exists() else ""
            raise SandboxError(f"{shape.name} does not answer on port 22: {last_lines(said)}", where=str(log))
        time.sleep(0.05)
    check_size(shape, host_of(shape, places, running=True).sh(_LOOK))


def check_size(shape: Shape, look: str) -> None:
    """Hold what a host sees of itself against what it was given.

    Raises:
        SandboxError: It sees the machine's memory or processors: then nothing measured on it would be true.
    """
    found = re.search(r"^(\d+)\nMemTotal:\s+(\d+) kB", look, re.MULTILINE)
    cores, memory_mib = (int(found[1]), int(found[2]) / 1024) if found else (0, 0.0)
    # a kernel of its own takes what it needs itself from that memory, as that of a rented server does
    least_mib = shape.memory_mib * _LEFT_BY_OWN_KERNEL if shape.own_kernel else shape.memory_mib - 1
    if cores != len(shape.cpus) or not least_mib <= memory_mib <= shape.memory_mib + 1:
        raise SandboxError(
            f"{shape.name} sees {cores} cores and {memory_mib:.0f} MiB instead of "
            f"{len(shape.cpus)} and {shape.memory_mib} MiB",
            next_step="" if shape.own_kernel else "lxcfs is at fault: take all local VPSes down and up again",
        )


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as peer:
            return peer.recv(4) == b"SSH-"
    except OSError:
        return False

"""The text of a container's LXC configuration. No effects here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deployer.sandbox.network import BRIDGE, GATEWAY, NETWORK
from deployer.sandbox.shape import Shape
from deployer.sandbox.sizes import FILES

_MIB: Final = 2**20
#: Processes and threads of a host; a fork bomb in it must not take the machine.
_PIDS: Final = 4000
_QUOTA_PERIOD_US: Final = 100_000


def container_config(shape: Shape, *, rootfs: Path, lxcfs: Path, unified: bool) -> str:
    """Write the configuration of a host.

    Args:
        shape: The host, placed on its processors.
        rootfs: Where its tree is mounted.
        lxcfs: Where our lxcfs is mounted.
        unified: The machine has cgroup v2.
    """
    lines = [
        "lxc.include = /usr/share/lxc/config/common.conf",
        # common.conf brings in the hook of whatever lxcfs the machine runs; ours is bound below
        "lxc.hook.mount =",
        "lxc.hook.post-stop =",
        f"lxc.uts.name = {shape.name}",
        f"lxc.rootfs.path = dir:{rootfs}",
        "lxc.signal.halt = SIGRTMIN+3",
        "lxc.apparmor.profile = unconfined",
        # "mixed": a host must not write the machine's own sysctls
        "lxc.mount.auto = proc:mixed sys:mixed cgroup:rw:force",
        *(f"lxc.mount.entry = {lxcfs}/proc/{name} proc/{name} none bind,create=file 0 0" for name in FILES),
        f"lxc.mount.entry = {lxcfs}/sys/devices/system/cpu sys/devices/system/cpu none bind,optional 0 0",
        "lxc.net.0.type = veth",
        f"lxc.net.0.link = {BRIDGE}",
        "lxc.net.0.flags = up",
        "lxc.net.0.name = eth0",
        # with another one at every start, the machine would look for a host in vain until it forgets the old one
        f"lxc.net.0.hwaddr = 02:00:{':'.join(f'{int(part):02x}' for part in shape.address.split('.'))}",
        f"lxc.net.0.veth.pair = {BRIDGE}v{shape.address.rpartition('.')[2]}",
        f"lxc.net.0.ipv4.address = {shape.address}/{NETWORK.prefixlen}",
        f"lxc.net.0.ipv4.gateway = {GATEWAY}",
        *(_unified_limits(shape) if unified else _legacy_limits(shape)),
    ]
    return "\n".join(lines) + "\n"


def _unified_limits(shape: Shape) -> list[str]:
    quota_us = shape.cpu_cores * _QUOTA_PERIOD_US
    return [
        f"lxc.cgroup2.memory.max = {shape.memory_mib * _MIB}",
        f"lxc.cgroup2.memory.swap.max = {shape.swap_mib * _MIB}",
        f"lxc.cgroup2.cpuset.cpus = {_list(shape.cpus)}",
        f"lxc.cgroup2.cpu.max = {quota_us} {_QUOTA_PERIOD_US}",
        f"lxc.cgroup2.pids.max = {_PIDS}",
    ]


def _legacy_limits(shape: Shape) -> list[str]:
    return [
        f"lxc.cgroup.memory.limit_in_bytes = {shape.memory_mib * _MIB}",
        f"lxc.cgroup.memory.memsw.limit_in_bytes = {(shape.memory_mib + shape.swap_mib) * _MIB}",
        f"lxc.cgroup.cpuset.cpus = {_list(shape.cpus)}",
        f"lxc.cgroup.cpu.cfs_quota_us = {shape.cpu_cores * _QUOTA_PERIOD_US}",
        f"lxc.cgroup.pids.max = {_PIDS}",
    ]


def _list(cpus: tuple[int, ...]) -> str:
    return ",".join(str(cpu) for cpu in cpus)

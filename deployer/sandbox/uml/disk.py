"""The disk of a host with a kernel of its own: one ext4 image that holds all, as a rented server's does.

It is made from the layers that a container would stand on, so that both kinds of hosts start from the same Debian
and the same snapshots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deployer.sandbox.identity import write_identity
from deployer.sandbox.network import GATEWAY, NETWORK
from deployer.sandbox.places import Places
from deployer.sandbox.programs import run, unmount_below
from deployer.sandbox.shape import Shape
from deployer.sandbox.uml.kernel import Kernel

#: There is no DHCP on the bridge. The kernel's processor has no "core id", without which Debian 12's ps ends at once.
_UNIT: Final = """\
[Unit]
Description=Network and processor of a local VPS
DefaultDependencies=no
After=systemd-remount-fs.service
Before=network-pre.target sysinit.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/sbin/ip link set lo up
ExecStart=/sbin/ip link set vec0 name eth0
ExecStart=/sbin/ip address add {address} dev eth0
ExecStart=/sbin/ip link set eth0 up
ExecStart=/sbin/ip route add default via {gateway}
ExecStart=/bin/sh -c '(grep . /proc/cpuinfo; echo "core id : 0"; echo) >/run/cpuinfo'
ExecStart=/bin/mount --bind /run/cpuinfo /proc/cpuinfo
"""
_UNIT_FILE: Final = "etc/systemd/system/sandbox-machine.service"
_WANTED_BY: Final = "etc/systemd/system/sysinit.target.wants/sandbox-machine.service"
_SWAP_LINE: Final = "/dev/ubdb none swap sw 0 0\n"


def disk_file(directory: Path) -> Path:
    """Name the image of a host's disk."""
    return directory / "disk.img"


def swap_file(directory: Path) -> Path:
    """Name the image of a host's swap."""
    return directory / "swap.img"


def ensure_disk(shape: Shape, kernel: Kernel, places: Places) -> None:
    """Make a host's disk if there is none, which takes 2 to 8 s, and make it this host's.

    Its kernel's modules are on it: swap in compressed memory is wanted before any other file system is mounted.

    A disk that is there is left alone: after a power cut it is for the host's own kernel to look at.

    Raises:
        SandboxError: The kernel has no loop devices or no overlayfs, or a disk is full.
    """
    directory = places.host(shape.name)
    image = disk_file(directory)
    if not image.exists():
        part = image.with_suffix(".part")
        part.unlink(missing_ok=True)
        _make(part, shape, [kernel.modules, *(places.layers / layer for layer in shape.layers)])
        _furnish(part, shape, places)
        part.rename(image)
    elif _written_identity(directory) != _identity(shape):
        _furnish(image, shape, places)
    _make_swap(shape, directory)


def _make(image: Path, shape: Shape, layers: list[Path]) -> None:
    with image.open("wb") as file:
        file.truncate(shape.disk_mib * 2**20)
    with _merged(layers, image.parent / "tree") as tree:
        argv = ["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"]
        run([*argv, "-d", tree, image], doing="making the disk", timeout_s=300)


@contextmanager
def _merged(layers: list[Path], place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    unmount_below(place)
    lower = ":".join(str(layer) for layer in layers)
    run(["mount", "-t", "overlay", "deployer-sandbox", "-o", f"ro,lowerdir={lower}", place], doing="joining the layers")
    try:
        yield place
    finally:
        unmount_below(place)


def _furnish(image: Path, shape: Shape, places: Places) -> None:
    rootfs = image.parent / "rootfs"
    rootfs.mkdir(exist_ok=True)
    unmount_below(rootfs)
    run(["mount", "-o", "loop", image, rootfs], doing="mounting the disk")
    try:
        write_identity(rootfs, shape, places)
        address = f"{shape.address}/{NETWORK.prefixlen}"
        (rootfs / _UNIT_FILE).write_text(_UNIT.format(address=address, gateway=GATEWAY))
        wanted = rootfs / _WANTED_BY
        wanted.parent.mkdir(parents=True, exist_ok=True)
        wanted.unlink(missing_ok=True)
        wanted.symlink_to(f"../{Path(_UNIT_FILE).name}")
        (rootfs / "etc/fstab").write_text(_SWAP_LINE if shape.swap_mib else "")
    finally:
        unmount_below(rootfs)
    _identity_file(image.parent).write_text(_identity(shape))


def _make_swap(shape: Shape, directory: Path) -> None:
    file, size = swap_file(directory), shape.swap_mib * 2**20
    if file.exists() and file.stat().st_size == size:
        return
    file.unlink(missing_ok=True)
    if size:
        with file.open("wb") as empty:
            empty.truncate(size)
        file.chmod(0o600)
        run(["mkswap", "-q", file], doing="making the swap")


def _identity(shape: Shape) -> str:
    said = (shape.address, shape.sudo_password, shape.certificate_names, bool(shape.swap_mib), _UNIT)
    return hashlib.sha256(repr(said).encode()).hexdigest()


def _identity_file(directory: Path) -> Path:
    return directory / "identity"


def _written_identity(directory: Path) -> str:
    try:
        return _identity_file(directory).read_text()
    except FileNotFoundError:
        return ""

"""A host's disk: an ext4 image for what it writes, over read-only layers.

The image is sparse, so that 20 GiB cost what is in them; the host sees its size, and a full disk is a full disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deployer.sandbox.programs import remove_tree, run, unmount_below


def attach_disk(directory: Path, layers: Sequence[Path], *, disk_mib: int) -> Path:
    """Mount a host's tree and return where; the disk is made if it is not there.

    Args:
        directory: The host's own directory.
        layers: Read-only trees, uppermost first.
        disk_mib: Size of the disk if it has to be made, MiB.

    Raises:
        SandboxError: The kernel has no loop devices or no overlayfs, or the machine's disk is full.
    """
    image, disk, rootfs = directory / "disk.img", directory / "disk", directory / "rootfs"
    if not image.exists():
        with image.open("wb") as file:
            file.truncate(disk_mib * 2**20)
        # no space is kept back for root: root is who fills it
        argv = ["mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"]
        run([*argv, image], doing="making the disk")
    disk.mkdir(exist_ok=True)
    rootfs.mkdir(exist_ok=True)
    if not disk.is_mount():
        run(["mount", "-o", "loop,noatime", image, disk], doing="mounting the disk")
    for name in ("upper", "work"):
        (disk / name).mkdir(exist_ok=True)
    if not rootfs.is_mount():
        lower = ":".join(str(layer) for layer in layers)
        options = f"lowerdir={lower},upperdir={disk}/upper,workdir={disk}/work"
        run(["mount", "-t", "overlay", "deployer-sandbox", "-o", options, rootfs], doing="mounting the host's tree")
    return rootfs


def detach_disk(directory: Path) -> None:
    """Unmount a host's tree and disk; nothing is lost."""
    unmount_below(directory / "rootfs")
    unmount_below(directory / "disk")


def wipe_disk(directory: Path) -> None:
    """Unmount a host's tree and forget all that the host wrote."""
    detach_disk(directory)
    (directory / "disk.img").unlink(missing_ok=True)


def copy_written(directory: Path, destination: Path) -> None:
    """Copy what a host wrote to a new layer. The host must be stopped and its tree mounted.

    Whiteouts and opaque marks of overlayfs are device nodes and extended attributes; ``cp -a`` keeps both.
    """
    part = destination.with_name(f"{destination.name}.part")
    if part.exists():
        remove_tree(part)
    run(["cp", "-a", directory / "disk" / "upper", part], doing="copying what the host wrote", timeout_s=600)
    part.rename(destination)

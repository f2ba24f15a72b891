"""The process that is a host: started, looked for, and killed as a power cut kills."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Final

from deployer.sandbox.network import BRIDGE
from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import gone, run, running, start, wait_until
from deployer.sandbox.shape import Shape
from deployer.sandbox.uml.disk import disk_file, swap_file
from deployer.sandbox.uml.kernel import Kernel

#: A process that is killed ends at once, unless the machine's disk is slow to take what it wrote.
_END_TIMEOUT_S: Final = 20
#: Its memory is a file. Without one of these it looks for a file system in memory, else that file may be on a disk.
_NO_FOLDER: Final = {"TMP": "", "TEMP": "", "TMPDIR": ""}


def start_machine(shape: Shape, kernel: Kernel, places: Places) -> None:
    """Boot a host that is placed on its processors and has a disk; it does not answer yet.

    Raises:
        SandboxError: Its network device or its process cannot be made.
    """
    directory = places.host(shape.name)
    _make_tap(shape)
    # a process namespace of its own: all that the kernel started goes with it, whoever kills it
    alone = ["taskset", "-c", str(shape.cpus[0]), "unshare", "--pid", "--fork", "--kill-child"]
    start(
        [*alone, *_argv(shape, kernel, places)],
        pid_file=_pid_file(directory),
        log_file=directory / "console.log",
        environment=_NO_FOLDER,
    )


def is_machine_running(places: Places, name: str) -> bool:
    """Tell whether the host's kernel runs."""
    directory = places.host(name)
    return running(_pid_file(directory), str(disk_file(directory))) is not None


def kill_machine(shape: Shape, places: Places) -> None:
    """End a host as a power cut does, and wait until nothing of it is left; its disk stays as it is.

    Raises:
        SandboxError: It is still there after 20 s.
    """
    directory = places.host(shape.name)
    pid = running(_pid_file(directory), str(disk_file(directory)))
    if pid is not None:
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    forget_machine(shape, places)


def forget_machine(shape: Shape, places: Places) -> None:
    """Wait until a host's kernel has ended, and take its network device away.

    Raises:
        SandboxError: It is still there after 20 s.
    """
    directory = places.host(shape.name)
    pid = running(_pid_file(directory), str(disk_file(directory)))
    if pid is not None and not wait_until(lambda: gone(pid), timeout_s=_END_TIMEOUT_S):
        raise SandboxError(f"{shape.name}: process {pid} does not end")
    _pid_file(directory).unlink(missing_ok=True)
    if Path(f"/sys/class/net/{_tap(shape)}").exists():
        run(["ip", "link", "delete", _tap(shape)], doing="removing the host's network device")


def _argv(shape: Shape, kernel: Kernel, places: Places) -> list[str]:
    directory = places.host(shape.name)
    mac = f"02:00:{':'.join(f'{int(part):02x}' for part in shape.address.split('.'))}"
    return [
        str(kernel.start),
        f"umid={shape.name}",
        f"uml_dir={directory}/uml",
        f"mem={shape.memory_mib}M",
        "seccomp=on",  # boots twice as quickly as with ptrace
        f"ubd0={disk_file(directory)}",
        *([f"ubd1={swap_file(directory)}"] if shape.swap_mib else []),
        "root=/dev/ubda",
        "rw",
        # without gro=1 it drops large frames, and downloads stall
        f"vec0:transport=tap,ifname={_tap(shape)},mac={mac},depth=128,gro=1",
        # of the machine's own files it can mount its console's only
        f"hostfs={directory}/uml",
        *("con=null", "con0=null,fd:1", "ssl=null"),
    ]


def _make_tap(shape: Shape) -> None:
    tap, doing = _tap(shape), "making the host's network device"
    if Path(f"/sys/class/net/{tap}").exists():
        run(["ip", "link", "delete", tap], doing=doing)
    run(["ip", "tuntap", "add", "dev", tap, "mode", "tap"], doing=doing)
    run(["ethtool", "-K", tap, "tx", "off", "tso", "off", "gso", "off"], doing=doing)
    run(["ip", "link", "set", tap, "master", BRIDGE, "up"], doing=doing)


def _tap(shape: Shape) -> str:
    return f"{BRIDGE}t{shape.address.rpartition('.')[2]}"


def _pid_file(directory: Path) -> Path:
    return directory / "kernel.pid"

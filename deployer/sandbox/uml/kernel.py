"""The kernel: Debian's package of it, unpacked beside the C library that it needs, never installed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deployer.sandbox.bootstrap import bootstrap
from deployer.sandbox.places import Places
from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import remove_tree, run
from deployer.sandbox.progress import Say
from deployer.sandbox.sources import machine_sources

#: Raised when the steps below change, so that an older kernel is not used any more.
_RECIPE: Final = 2
#: Older releases have kernels that do not start on processors of today, as their floating-point state is too large.
_RELEASE: Final = "sid"
_PACKAGE: Final = "user-mode-linux"
_PROGRAM: Final = "usr/bin/linux.uml"
_MODULES: Final = "usr/lib/uml/modules"
#: Where a host looks for them.
_HOST_MODULES: Final = "usr/lib/modules"
_LOADER: Final = "usr/lib64/ld-linux-x86-64.so.2"
_LIBRARIES: Final = "usr/lib/x86_64-linux-gnu"
#: At a reboot the kernel starts its own ``$0`` anew: that is this script. A network device that the kernel of before
#: still held open would be busy for ever, so all that it left open is closed first.
_START: Final = """\
#!/bin/bash
for descriptor in /proc/self/fd/*; do
    number=${{descriptor##*/}}
    [ "$number" -gt 2 ] && eval "exec $number>&-"
done
exec -a "$0" {program} "$@"
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel on this machine.

    Attributes:
        folder: Where it was unpacked.
    """

    folder: Path

    @property
    def start(self) -> Path:
        """The program that boots it."""
        return self.folder / "start"

    @property
    def modules(self) -> Path:
        """A layer for a host's disk: the kernel's modules, where the host looks for them."""
        return self.folder / "modules"


def ensure_kernel(places: Places, say: Say) -> Kernel:
    """Give the kernel, fetching it through the package proxy if this machine does not have it; some seconds, once.

    Raises:
        SandboxError: The package cannot be fetched, or holds something else than expected.
    """
    sources = machine_sources(_RELEASE)
    digest = hashlib.sha256(f"{_RECIPE} {_PACKAGE} {_START} {sources.apt}".encode()).hexdigest()[:12]
    folder = places.kernels / f"{_RELEASE}-{digest}"
    if folder.is_dir():
        return Kernel(folder)
    with places.lock(f"kernel-{digest}", say, waiting_for="fetches the kernel"):
        if not folder.is_dir():
            part = folder.with_name(f"{folder.name}.part")
            if part.exists():
                remove_tree(part)
            say("fetching a kernel for hosts that have one of their own (once; some seconds)")
            bootstrap(part, _RELEASE, sources, [_PACKAGE], variant="extract")
            _prepare(part, folder)
            part.rename(folder)
    return Kernel(folder)


def _prepare(part: Path, folder: Path) -> None:
    program = part / _PROGRAM
    if not program.is_file():
        raise SandboxError(f"Debian's package {_PACKAGE} holds no {_PROGRAM}", where=str(part))
    ties = ["--set-interpreter", str(folder / _LOADER), "--set-rpath", str(folder / _LIBRARIES)]
    run(["patchelf", *ties, program], doing="tying the kernel to its C library")
    modules = part / "modules" / _HOST_MODULES
    modules.parent.mkdir(parents=True)
    (part / _MODULES).rename(modules)
    start = part / "start"
    start.write_text(_START.format(program=folder / _PROGRAM))
    start.chmod(0o755)

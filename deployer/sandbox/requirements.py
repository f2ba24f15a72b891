"""Can this machine host local VPSes, and what would have to be installed for it."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.sandbox.problem import SandboxError
from deployer.sandbox.programs import PATH, run
from deployer.sandbox.progress import Say, silent

#: Program: the Debian package that has it.
PROGRAMS = {
    "mmdebstrap": "mmdebstrap",
    "apt-cacher-ng": "apt-cacher-ng",
    "lxc-start": "lxc",
    "lxcfs": "lxcfs",
    "ip": "iproute2",
    "patchelf": "patchelf",
    "ethtool": "ethtool",
    "ssh": "openssh-client",
    "openssl": "openssl",
    "mkfs.ext4": "e2fsprogs",
    "mount": "mount",
}
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_POLICY = Path("/usr/sbin/policy-rc.d")
_OURS = "#!/bin/sh\n# deployer sandbox: while its packages are installed\nexit 101\n"
_LISTS = Path("/var/lib/apt/lists")
_QUIET = {"DEBIAN_FRONTEND": "noninteractive"}


def missing_requirements() -> list[str]:
    """Say why this machine cannot host a local VPS, one reason per line; empty when it can."""
    if sys.platform != "linux":
        return [f"local VPSes need Linux; this is {sys.platform}"]
    reasons = []
    if os.geteuid() != 0:
        reasons.append("local VPSes need root: they are containers with a network of their own")
    if not shutil.which("apt-get", path=PATH):
        reasons.append("local VPSes are built with apt-get, which this machine does not have")
    if packages := _missing_packages():
        reasons.append(f"Debian packages are missing: {' '.join(packages)}")
    if not Path("/dev/fuse").exists():
        reasons.append("/dev/fuse does not exist; lxcfs needs it")
    if not _memory_limits():
        reasons.append("the kernel's memory controller is not mounted below /sys/fs/cgroup")
    return reasons


def install_requirements(say: Say = silent) -> None:
    """Install the Debian packages that hosts need, from the machine's own sources, starting no service.

    Does nothing when they are there.

    Raises:
        SandboxError: Not root, not Debian, or apt-get failed.
    """
    packages = _missing_packages()
    if not packages:
        return
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get", path=PATH):
        raise SandboxError(f"these packages need root on a Debian machine: {' '.join(packages)}")
    listed = any(_LISTS.glob("*_Packages*")) or any(_LISTS.glob("*_InRelease"))
    if not listed:
        _update_lists(say)
    say(f"installing {' '.join(packages)}")
    with _no_service_starts():
        try:
            _install(packages)
        except SandboxError:
            if not listed:
                raise
            _update_lists(say)  # lists of an older image name versions that the mirrors no longer have
            _install(packages)
    if shutil.which("systemctl", path=PATH) and Path("/run/systemd/system").exists():
        # The sandbox runs the two daemons itself; Debian's proxy would listen to the whole network after a reboot.
        units = [f"{name}.service" for name in ("apt-cacher-ng", "lxc-net") if name.removesuffix("-net") in packages]
        if units:
            run(["systemctl", "disable", "--quiet", *units], doing="keeping the packages' own services off")


def _update_lists(say: Say) -> None:
    say("updating the package lists")
    run(["apt-get", "update", "-qq"], doing="updating the package lists", timeout_s=600, environment=_QUIET)


def _install(packages: list[str]) -> None:
    run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "-qq", "--no-install-recommends", *packages],
        doing="installing the sandbox's packages",
        timeout_s=1200,
        environment=_QUIET,
    )


def _missing_packages() -> list[str]:
    missing = {package for program, package in PROGRAMS.items() if not shutil.which(program, path=PATH)}
    if not _KEYRING.exists():
        missing.add("debian-archive-keyring")
    return sorted(missing)


def _memory_limits() -> bool:
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        return "memory" in unified.read_text().split()
    return Path("/sys/fs/cgroup/memory/memory.limit_in_bytes").exists()


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Tell Debian's maintainer scripts to start nothing, and put back what was there."""
    saved = _POLICY.with_name("policy-rc.d.before-deployer-sandbox")
    # one like ours is of a setup that was killed: kept, it would forbid every service for ever
    if not saved.exists() and _POLICY.exists() and _POLICY.read_text(errors="replace") != _OURS:
        _POLICY.rename(saved)
    _POLICY.write_text(_OURS)
    _POLICY.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    try:
        yield
    finally:
        if saved.exists():
            saved.rename(_POLICY)
        else:
            _POLICY.unlink(missing_ok=True)

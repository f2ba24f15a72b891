"""The kernel: the few settings that a web host needs, each with its reason, and swap where it is wanted."""

from __future__ import annotations

from deployer.service import Rank, Service
from deployer.services.kernel.budget import contradictions, disk, numbers, reserves
from deployer.services.kernel.files import wanted
from deployer.services.kernel.remedies import remedies
from deployer.services.kernel.settings import KernelSettings, settings_of

SERVICE = Service(
    name="kernel",
    rank=Rank.SYSTEM,
    runs=lambda declaration: bool(declaration.apps),
    reserves=reserves,
    claims=lambda _declaration, _chain: (),
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    settings=KernelSettings,
    always=True,
    remedies=remedies,
    contradictions=contradictions,
    experimental=lambda declaration: (
        ("services.kernel.swap: a host with zram was not seen to boot with it yet",)
        if settings_of(declaration).swap == "zram"
        else ()
    ),
)

__all__ = ["SERVICE", "KernelSettings"]

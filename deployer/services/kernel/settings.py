"""What the inventory may say about the kernel's settings and about swap."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from deployer.declaration import Declaration, ServiceSettings
from deployer.hardware import Hardware

#: Beyond this more swap only makes a host slower before it fails, MiB.
MOST_ZRAM_MIB = 4096
SWAP_FILE_MIB = 1024


class KernelSettings(ServiceSettings):
    """The few settings of the kernel that a web host needs, and swap where it is wanted."""

    swap: Literal["keep", "zram", "file"] = "keep"
    """keep: as hardware.swap_mib says; zram: compressed memory as swap; file: a swap file on the disk."""
    swap_mib: Annotated[int, Field(ge=64, le=64 * 1024)] | None = None
    """Size of the swap that is made, MiB; left out: half of the memory up to 4096 as zram, 1024 as a file."""

    def swap_made_mib(self, hardware: Hardware) -> int:
        """Say how much swap is made, MiB."""
        if self.swap == "keep":
            return 0
        if self.swap_mib is not None:
            return self.swap_mib
        return min(MOST_ZRAM_MIB, hardware.memory_mib // 2) if self.swap == "zram" else SWAP_FILE_MIB


def settings_of(declaration: Declaration) -> KernelSettings:
    """Give the host's settings; the defaults if it has none."""
    return declaration.said_of("kernel", KernelSettings)

"""What a VPS is, as its owner rents it. Facts of the host are held against it, never mixed in."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Declared(BaseModel):
    """Base of everything that an inventory says: frozen, strict, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


Mib = Annotated[int, Field(ge=0, le=1024 * 1024)]


class Hardware(Declared):
    """The machine: cores, memory, disk and link of one VPS."""

    cpu_cores: Annotated[int, Field(ge=1, le=64)]
    """Virtual cores, 1 to 64."""
    memory_mib: Annotated[int, Field(ge=512, le=256 * 1024)]
    """Memory as the provider sells it, in MiB: 1 GiB is 1024. At least 512."""
    swap_mib: Mib = 0
    """Swap, MiB; 0 where there is none."""
    disk_gib: Annotated[int, Field(ge=4, le=64 * 1024)] = 20
    """Disk, GiB."""
    disk_kind: Literal["ssd", "hdd"] = "ssd"
    """ssd or hdd."""
    bandwidth_mbit_per_s: Annotated[float, Field(ge=0.01, le=100_000, strict=False)] | None = None
    """What the link carries outwards, Mbit/s; leave out where it is not known."""
    traffic_gb_per_month: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Traffic that the plan includes, GB (10**9 bytes) a month."""

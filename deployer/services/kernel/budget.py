"""Swap, what it costs, and how the kernel uses it.

zram keeps swapped pages compressed in memory, so it is no free memory: what it may hold is limited and kept back in the
ledger. Half of its size is allowed, as web apps' heaps compress to a third or less; a page that would go beyond is not
swapped out.
"""

from __future__ import annotations

from collections.abc import Mapping

from deployer.budget import Grant, Reserve
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Derived, Numbers, default, derived, pinned
from deployer.service import Contradictions, SysctlWanted
from deployer.services.kernel.settings import settings_of

TAKER = "kernel"
#: How gladly the kernel swaps out: zram is as quick as memory, a disk is not.
SWAPPINESS = {"zram": 100, "file": 10, "keep": 10}
#: What a slow visitor's socket may hold unsent in the kernel, bytes. With 128 KiB a thousand of them held some 70 MiB,
#: and nginx cut whoever read less than that within send_timeout: the kernel did not say that anything was read.
NOTSENT_LOWAT_BYTES = 16_384


def reserves(declaration: Declaration) -> tuple[Reserve, ...]:
    """Keep back what zram may hold."""
    if settings_of(declaration).swap != "zram":
        return ()
    held = _zram_held_mib(declaration)
    made = settings_of(declaration).swap_made_mib(declaration.hardware)
    return (Reserve("zram", held, f"half of {made} MiB of swap, compressed", ("kernel.swap",)),)


def numbers(declaration: Declaration, chain: Chain, _grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the sizes of swap and the values of the sysctls."""
    settings = settings_of(declaration)
    found: dict[str, Derived] = {"backlog": chain.numbers["backlog"]}
    made = settings.swap_made_mib(declaration.hardware)
    if settings.swap_mib is not None and made:
        found["swap"] = pinned(made, "MiB", "services.kernel.swap_mib")
    elif settings.swap == "zram":
        found["swap"] = derived(made, "MiB", "half of the memory, at most 4096", "hardware.memory_mib")
    elif settings.swap == "file":
        found["swap"] = default(made, "MiB", "enough for what is never used again")
    if settings.swap == "zram":
        found["zram_resident_limit"] = derived(
            _zram_held_mib(declaration), "MiB", "half of its size: the ledger keeps it back", "kernel.swap"
        )
    if declaration.swap_mib:
        found["swappiness"] = default(
            SWAPPINESS[settings.swap], "", "zram is as quick as memory" if settings.swap == "zram" else "a disk is slow"
        )
    return {TAKER: found}


def sysctls(declaration: Declaration, backlog: int) -> tuple[SysctlWanted, ...]:
    """Choose the kernel's settings, each with its reason."""
    found = [
        SysctlWanted(
            name="net.core.somaxconn",
            value=str(backlog),
            least=True,
            because="a burst of visitors waits here; nginx and the apps' sockets ask for as many",
        ),
        SysctlWanted(
            name="net.ipv4.tcp_max_syn_backlog",
            value=str(backlog),
            least=True,
            because="the same burst, before its connections are made",
        ),
        SysctlWanted(
            name="net.ipv4.tcp_slow_start_after_idle",
            value="0",
            because="a reader's next page on a kept connection comes as quickly as the first one ended",
        ),
        SysctlWanted(
            name="net.ipv4.tcp_notsent_lowat",
            value=str(NOTSENT_LOWAT_BYTES),
            because="what one slow visitor makes the kernel hold is bounded; nginx learns in time that he reads",
        ),
    ]
    if declaration.swap_mib:
        swap = settings_of(declaration).swap
        found.append(
            SysctlWanted(
                name="vm.swappiness",
                value=str(SWAPPINESS[swap]),
                because="zram is as quick as memory" if swap == "zram" else "a disk is slow",
            )
        )
    return tuple(found)


def contradictions(declaration: Declaration) -> Contradictions:
    """Refuse a size for a swap that is not made, and a swap file that the disk has no room for."""
    settings = settings_of(declaration)
    where = ("services", "kernel", "swap_mib")
    if settings.swap == "keep" and settings.swap_mib is not None:
        yield where, "no swap is made; write swap: zram or swap: file, or hardware.swap_mib for what is there"
    disk_mib = declaration.hardware.disk_gib * 1024
    could_hold_mib = disk_mib + declaration.hardware.memory_mib
    if declaration.hardware.swap_mib > could_hold_mib:
        yield ("hardware", "swap_mib"), f"more than disk and memory could hold together, {could_hold_mib} MiB"
    if settings.swap == "file" and settings.swap_made_mib(declaration.hardware) > disk_mib // 4:
        yield where, f"a swap file of more than a quarter of the disk ({disk_mib // 4} MiB)"


def disk(declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what a swap file fills, MiB."""
    if settings_of(declaration).swap != "file":
        return {}
    return {"swap file": derived(int(numbers[TAKER]["swap"].value), "MiB", "all of it, from the first", "kernel.swap")}


def _zram_held_mib(declaration: Declaration) -> int:
    return settings_of(declaration).swap_made_mib(declaration.hardware) // 2

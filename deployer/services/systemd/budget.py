"""What a deploy itself needs while the site goes on serving, and how much the journal may keep."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.budget import Claim, Grant
from deployer.declaration import Declaration
from deployer.links import Chain
from deployer.numbers import Numbers, derived
from deployer.priors import PRIORS

DEPLOY = "deploy"
#: Journal of a host of 20 GiB and more, MiB; a quarter of a percent of a smaller disk.
JOURNAL_MIB = 50


def claims(_declaration: Declaration, _chain: Chain) -> list[Claim]:
    """Price the work of a deploy: apt, pip and migrations run in a slice of their own, one after the other."""
    parts = {"apt, pip or a migration at work": float(PRIORS.deploy_work_mib)}
    return [Claim(DEPLOY, parts, inputs=("priors.deploy_work_mib",))]


def numbers(declaration: Declaration, _chain: Chain, grants: Mapping[str, Grant]) -> Mapping[str, Numbers]:
    """Derive the slices' limits and the journal's size."""
    together = sum(grant.memory_mib for grant in grants.values())
    disk_mib = declaration.hardware.disk_gib * 1024
    journal = max(16, min(JOURNAL_MIB, disk_mib // 400))
    return {
        "systemd": {
            "MemoryMax": derived(
                together,
                "MiB",
                "sum of every MemoryMax below deployer.slice",
                *(f"ledger.{taker}" for taker in grants),
            ),
            "SystemMaxUse": derived(
                journal,
                "MiB",
                f"1/400 of {declaration.hardware.disk_gib} GiB, at most {JOURNAL_MIB}",
                "hardware.disk_gib",
            ),
        },
        DEPLOY: {
            "MemoryMax": derived(
                grants[DEPLOY].memory_mib,
                "MiB",
                "apt, pip and migrations at work: docs/benchmarks.md",
                f"ledger.{DEPLOY}",
            )
        },
    }


def disk(_declaration: Declaration, numbers: Mapping[str, Numbers]) -> Numbers:
    """Say what the journal fills at the most, MiB."""
    most = int(numbers["systemd"]["SystemMaxUse"].value)
    return {"journal": derived(most, "MiB", "SystemMaxUse", "systemd.SystemMaxUse")}

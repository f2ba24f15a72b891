"""systemd: one slice for everything of ours, one below it for deploys, a cap on the journal."""

from __future__ import annotations

from deployer.service import Rank, Service
from deployer.services.systemd.budget import claims, disk, numbers, remedies
from deployer.services.systemd.files import wanted

SERVICE = Service(
    name="systemd",
    rank=Rank.SYSTEM,
    runs=lambda _: True,
    claims=claims,
    numbers=numbers,
    disk=disk,
    wanted=wanted,
    remedies=remedies,
)

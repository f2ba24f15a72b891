"""The slices and the journal's cap."""

from __future__ import annotations

from deployer.budget import DEPLOY, HostBudget
from deployer.declaration import Declaration
from deployer.service import FileWanted, UnitWanted, Validator, Wanted

SLICE = "deployer.slice"
DEPLOY_SLICE = "deployer-deploy.slice"
UNIT_FOLDER = "/etc/systemd/system"


def wanted(_declaration: Declaration, _budget: HostBudget) -> Wanted:
    """Want the slices, the journal's cap and log rotation."""
    return Wanted(
        packages=("logrotate",),
        files=(
            FileWanted(taker="systemd", template="systemd/deployer.slice.j2", path=f"{UNIT_FOLDER}/{SLICE}"),
            FileWanted(taker=DEPLOY, template="systemd/deployer-deploy.slice.j2", path=f"{UNIT_FOLDER}/{DEPLOY_SLICE}"),
            FileWanted(
                taker="systemd",
                template="systemd/journald.conf.j2",
                path="/etc/systemd/journald.conf.d/60-deployer.conf",
                restarts=("systemd-journald.service",),
            ),
        ),
        # a package that comes with the start of services suppressed leaves its timer off until the next boot
        units=(UnitWanted(unit="logrotate.timer", taker=DEPLOY),),
        validators=(Validator(name="systemd-analyze verify (slices)", argv=("systemd-analyze", "verify", SLICE)),),
    )

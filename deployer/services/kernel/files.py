"""The kernel's settings for the next boot, and swap."""

from __future__ import annotations

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import FileWanted, UnitWanted, Validator, Wanted
from deployer.services.kernel.budget import TAKER, sysctls
from deployer.services.kernel.settings import settings_of

UNIT_FOLDER = "/etc/systemd/system"
SWAP_FILE = "/var/lib/deployer-swap/swapfile"
#: systemd demands that a swap unit is named after its file.
SWAP_UNIT = r"var-lib-deployer\x2dswap-swapfile.swap"
MAKE_SWAP_UNIT = "deployer-swapfile.service"
ZRAM_UNIT = "systemd-zram-setup@zram0.service"


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want the sysctls, and the swap that is to be made."""
    files = [FileWanted(taker=TAKER, template="kernel/sysctl.conf.j2", path="/etc/sysctl.d/60-deployer.conf")]
    packages: tuple[str, ...] = ()
    units: tuple[UnitWanted, ...] = ()
    validators: tuple[Validator, ...] = ()
    settings = settings_of(declaration)
    if settings.swap == "zram":
        packages = ("systemd-zram-generator",)
        files.append(
            FileWanted(
                taker=TAKER,
                template="kernel/zram-generator.conf.j2",
                path="/etc/systemd/zram-generator.conf",
                restarts=(ZRAM_UNIT,),
            )
        )
        units = (UnitWanted(unit=ZRAM_UNIT, taker=TAKER),)
    elif settings.swap == "file":
        context = {"file": SWAP_FILE, "make_unit": MAKE_SWAP_UNIT, "swap_unit": SWAP_UNIT}
        for template, unit in (("swapfile.service.j2", MAKE_SWAP_UNIT), ("swapfile.swap.j2", SWAP_UNIT)):
            files.append(
                FileWanted(
                    taker=TAKER,
                    template=f"kernel/{template}",
                    path=f"{UNIT_FOLDER}/{unit}",
                    context=context,
                    restarts=(SWAP_UNIT,),
                )
            )
        units = (UnitWanted(unit=SWAP_UNIT, taker=TAKER),)
        validators = (
            Validator(
                name="systemd-analyze verify (swap)", argv=("systemd-analyze", "verify", SWAP_UNIT, MAKE_SWAP_UNIT)
            ),
        )
    return Wanted(
        packages=packages,
        files=tuple(files),
        units=units,
        validators=validators,
        sysctls=sysctls(declaration, budget.count(TAKER, "backlog")),
    )

"""The kernel's settings for the next boot, and swap."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.service import FileWanted, UnitWanted, Validator, Wanted
from deployer.services.kernel.budget import TAKER, sysctls
from deployer.services.kernel.settings import settings_of

UNIT_FOLDER = "/etc/systemd/system"
SWAP_FILE = "/var/lib/deployer-swap/swapfile"
MAKE_SWAP_UNIT = "deployer-swapfile.service"
ZRAM_DEVICE = "/dev/zram0"


@dataclass(frozen=True, slots=True)
class _Made:
    """A swap that is made.

    Attributes:
        what: What is swapped to.
        unit: The unit that swaps to it; systemd demands that it is named after that.
        maker: The unit that makes it first.
        template: Template of the maker.
    """

    what: str
    unit: str
    maker: str
    template: str


#: By the setting ``swap``. zram has a unit of ours too: systemd-zram-generator 1.1 of Debian 12 knows no limit of what
#: it may hold, and its package makes a swap of its own as soon as no file of ours stands where its config does.
MADE = {
    "file": _Made(SWAP_FILE, r"var-lib-deployer\x2dswap-swapfile.swap", MAKE_SWAP_UNIT, "swapfile.service.j2"),
    "zram": _Made(ZRAM_DEVICE, "dev-zram0.swap", "deployer-zram.service", "zram.service.j2"),
}


def wanted(declaration: Declaration, budget: HostBudget) -> Wanted:
    """Want the sysctls, and the swap that is to be made."""
    files = [FileWanted(taker=TAKER, template="kernel/sysctl.conf.j2", path="/etc/sysctl.d/60-deployer.conf")]
    units: tuple[UnitWanted, ...] = ()
    validators: tuple[Validator, ...] = ()
    if made := MADE.get(settings_of(declaration).swap):
        context = {"what": made.what, "swap_unit": made.unit, "make_unit": made.maker}
        for template, unit in ((made.template, made.maker), ("swap.swap.j2", made.unit)):
            files.append(
                FileWanted(
                    taker=TAKER,
                    template=f"kernel/{template}",
                    path=f"{UNIT_FOLDER}/{unit}",
                    context=context,
                    restarts=(made.unit,),
                )
            )
        units = (UnitWanted(unit=made.unit, taker=TAKER),)
        validators = (
            Validator(name="systemd-analyze verify (swap)", argv=("systemd-analyze", "verify", made.unit, made.maker)),
        )
    return Wanted(
        files=tuple(files),
        units=units,
        validators=validators,
        sysctls=sysctls(declaration, budget.count(TAKER, "backlog")),
    )

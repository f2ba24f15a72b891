"""What another size of machine buys: the same host's mix, budgeted for each of several sizes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from deployer.allocate import allocate, shortage_mib
from deployer.budget import HostBudget
from deployer.catalog import SERVICES
from deployer.declaration import Declaration
from deployer.errors import BudgetError, UsageError
from deployer.hardware import Hardware
from deployer.limits import first_to_end
from deployer.numbers import Provenance

_SIZE = re.compile(r"(\d{1,4})c(\d{1,7})([gm])", re.IGNORECASE)
#: Units of what memory and cores buy; descriptors, timeouts and the like only follow.
_BOUGHT = ("MiB", "processes", "threads", "connections")


@dataclass(frozen=True, slots=True)
class Size:
    """A machine as it is sold: ``2c4g``, ``1c512m``."""

    name: str
    cpu_cores: int
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Column:
    """What a size gives.

    Attributes:
        size: The size.
        budget: The budget for it; None if it does not fit.
        missing_mib: Memory that is missing, MiB; 0 if it fits, or if something else than memory is wrong.
        reason: The first line of why it does not fit, or what of the declaration such a size contradicts.
    """

    size: Size
    budget: HostBudget | None
    missing_mib: int = 0
    reason: str = ""

    @property
    def binds(self) -> tuple[str, int] | None:
        """The resource that ends first, and the visitors that it carries."""
        name = first_to_end(self.budget.limits) if self.budget else None
        return (name, int(self.budget.limits[name].value)) if self.budget and name else None


def sizes_of(text: str) -> tuple[Size, ...]:
    """Read sizes as people write them: ``1c1g,2c2g,4c4g``; ``g`` is GiB, ``m`` MiB.

    Raises:
        UsageError: One of them is no size, or none that a host can have, or stands there twice.
    """
    found: list[Size] = []
    for word in (one.strip().lower() for one in text.split(",")):
        match = _SIZE.fullmatch(word)
        if match is None:
            raise UsageError(
                f"{word!r} is no size", where=f"--compare {text}", next_step="cores and memory: 1c1g,2c2g,1c512m"
            )
        cores, memory_mib = int(match[1]), int(match[2]) * (1024 if match[3] == "g" else 1)
        try:
            Hardware(cpu_cores=cores, memory_mib=memory_mib)
        except ValidationError as error:
            raise UsageError(
                f"{word} is no size of a host: 1 to 64 cores, 512 MiB to 256 GiB", where=f"--compare {text}"
            ) from error
        if any(size.name == word for size in found):
            raise UsageError(f"{word} stands there twice", where=f"--compare {text}", next_step="name it once")
        found.append(Size(word, cores, memory_mib))
    return tuple(found)


def compare(declaration: Declaration, sizes: Sequence[Size]) -> tuple[Column, ...]:
    """Budget a host's mix for each size; disk, link and all else stay as they are declared."""
    return tuple(_column(declaration, size) for size in sizes)


def _column(declaration: Declaration, size: Size) -> Column:
    hardware = declaration.hardware.model_copy(update={"cpu_cores": size.cpu_cores, "memory_mib": size.memory_mib})
    changed = declaration.model_copy(update={"hardware": hardware})
    contradiction = next((one for service in SERVICES for one in service.contradictions(changed)), None)
    if contradiction is not None:
        place, message = contradiction
        return Column(size, None, 0, f"{'.'.join(map(str, place))}: {message}")
    try:
        return Column(size, allocate(changed))
    except BudgetError as error:
        reason = error.message.partition("\n")[0]
    try:
        return Column(size, None, max(0, shortage_mib(changed)), reason)
    except BudgetError:
        return Column(size, None, 0, reason)


def bought(columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """Name the numbers that sizes differ in, and the links of the chain that are not the same everywhere."""
    budgets = [column.budget for column in columns if column.budget is not None]
    names = dict.fromkeys(
        (taker, name)
        for budget in budgets
        for taker, numbers in budget.numbers.items()
        for name, number in numbers.items()
        if number.unit in _BOUGHT and name[0].islower()  # systemd's own limits have capitals, and follow the grant
    )
    for taker, name in names:
        found = [number for budget in budgets if (number := budget.numbers.get(taker, {}).get(name)) is not None]
        differs = len({number.value for number in found}) > 1
        linked = any(f"{taker}.{name}" in budget.chain.numbers for budget in budgets)
        if differs or (linked and any(number.provenance != Provenance.DEFAULT for number in found)):
            yield taker, name

"""Which settings are turned, in which steps, and what each is for. Pure.

Durability, security and what visitors are promised are no knobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.measured import PageKind

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, Direction] = ("up", "down")
#: A step of what is counted in MiB, s or threads; workers go one by one.
FACTOR = 1.25
POOL_STEP_MIB = 8
#: A page from the cache may be so old at the most, s, whatever it brings: that is the user's to say.
LONGEST_CACHE_S = 10


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting that can be turned.

    Attributes:
        path: Where it is pinned in the host's entry.
        value: What it is now.
        unit: Its unit.
        aim: Pages that it is for.
        least: The least that it may be.
        most: The most.
        grain: It is a whole multiple of this.
        by_one: It is turned by one grain, not by a quarter.
    """

    path: str
    value: int
    unit: str
    aim: PageKind
    least: int = 1
    most: int = 64
    grain: int = 1
    by_one: bool = False

    def turned(self, direction: Direction) -> int | None:
        """Give the next value in a direction; None: there is none."""
        if self.by_one:
            found = self.value + (self.grain if direction == "up" else -self.grain)
        elif direction == "up":
            found = max(ceil(self.value * FACTOR / self.grain) * self.grain, self.value + self.grain)
        else:
            found = min(floor(self.value / FACTOR / self.grain) * self.grain, self.value - self.grain)
        return found if self.least <= found <= self.most else None


def knobs_of(declaration: Declaration, budget: HostBudget) -> tuple[Knob, ...]:
    """List what can be turned on a host, the likeliest first, with the values that its budget gives now."""
    return (*_of_apps(declaration, budget), *_of_databases(declaration, budget), *_of_caches(declaration))


def _of_apps(declaration: Declaration, budget: HostBudget) -> Iterator[Knob]:
    for name, app in declaration.apps.items():
        numbers = budget.numbers.get(name, {})
        for runner in app.runners[:1]:
            settings = app.run_by(runner)
            fields = type(settings).model_fields if settings is not None else {}
            place = f"apps.{name}.{runner}"
            for key in ("workers", "processes"):
                if key in fields and key in numbers:
                    yield Knob(f"{place}.{key}", int(numbers[key].value), key, "uncached", by_one=True)
            if "threads" in fields and getattr(settings, "is_threaded", False):
                yield Knob(f"{place}.threads", int(numbers["threads"].value), "threads", "uncached", most=128)
            if "pool_size" in fields and "pool_size" in numbers:
                value = int(numbers["pool_size"].value)
                yield Knob(f"{place}.pool_size", value, "connections", "uncached", most=200, by_one=True)


def _of_databases(declaration: Declaration, budget: HostBudget) -> Iterator[Knob]:
    """What a database gets more, the apps' share of the remainder loses: the ledger moves memory, it never adds any."""
    most = declaration.hardware.memory_mib
    for service, number in (("mysql", "innodb_buffer_pool_size"), ("postgresql", "shared_buffers")):
        found = budget.numbers.get(service, {}).get(number)
        if found is not None and service in declaration.settings:
            yield Knob(
                f"services.{service}.{number}_mib",
                int(found.value),
                "MiB",
                "uncached",
                least=32,
                most=most,
                grain=POOL_STEP_MIB,
            )


def _of_caches(declaration: Declaration) -> Iterator[Knob]:
    for name, app in declaration.apps.items():
        if app.session_cookie and 0 < app.cache_s <= LONGEST_CACHE_S:
            path, now_s = f"apps.{name}.cache_s", app.cache_s
            yield Knob(path, now_s, "s", "cached", least=now_s, most=LONGEST_CACHE_S)

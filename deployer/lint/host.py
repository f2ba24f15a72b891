"""What a rule may ask about the host that a file is for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.budget import HostBudget
from deployer.declaration import Declaration
from deployer.dialects import Statement
from deployer.registry import Registry, registry

_TAKERS = {"mycnf": "mysql", "nginx": "nginx", "postgresql": "postgresql", "redis": "redis"}
_UNITS = (
    (re.compile(r"nginx\b.*"), "nginx"),
    (re.compile(r"(mariadb|mysql|mysqld)\b.*"), "mysql"),
    (re.compile(r"(redis|valkey)(-server)?\b.*"), "redis"),
    (re.compile(r"postgresql\b.*"), "postgresql"),
)


@dataclass(frozen=True, slots=True)
class Host:
    """The host of a file: its declaration, its budget, and whose file it is.

    Attributes:
        declaration: The host.
        budget: Its budget.
        taker: Whose grant the file uses; empty if that is not known.
        dialect: Language of the file.
        flavour: Which server reads it; empty for the dialect's first one.
        version: Its release; empty if it is not declared.
    """

    declaration: Declaration
    budget: HostBudget
    taker: str
    dialect: str
    flavour: str
    version: str

    @property
    def registry(self) -> Registry:
        """What the server knows."""
        return registry(self.dialect, self.flavour)

    @property
    def release(self) -> str:
        """The release that is judged."""
        return self.version or self.registry.versions[-1]

    @property
    def services_mib(self) -> int:
        """What the ledger has for all services together, MiB."""
        return self.budget.usable_mib - self.budget.reserved_mib

    @property
    def room_mib(self) -> int:
        """What the file's server is granted, MiB; if it is not known whose it is, the most that an app is."""
        if self.taker:
            grant = self.budget.grants.get(self.taker)
            return grant.memory_mib if grant is not None else 0
        apps = [grant.memory_mib for taker, grant in self.budget.grants.items() if taker in self.declaration.apps]
        return max(apps, default=self.budget.spare_mib)

    def number(self, name: str, taker: str = "") -> int | None:
        """Give a whole number of the budget; None if it has none of that name."""
        found = self.budget.numbers.get(taker or self.taker, {}).get(name)
        return int(found.value) if found is not None and isinstance(found.value, (int, float)) else None


#: What runs for some seconds of a release, in memory of its own, is none of the app's processes.
_NO_RELEASE = r"(?!candidate\.|hold\.)"


def taker_of(dialect: str, filename: str, declaration: Declaration) -> str:
    """Name whose grant a file uses; empty if that is not known."""
    if dialect in _TAKERS:
        return _TAKERS[dialect]
    if dialect == "gunicorn":
        apps = [name for name, app in declaration.apps.items() if app.run_by("gunicorn") is not None]
        named = [name for name in apps if name in filename.split("/")]
        return next(iter(named or apps), "")
    unit = next((part for part in reversed(filename.split("/")) if re.search(r"\.(service|slice)(\.d)?$", part)), "")
    for name in declaration.apps:
        if re.fullmatch(rf"(app-)?{re.escape(name)}(@{_NO_RELEASE}\S*)?\.(service|slice)(\.d)?", unit):
            return name
    return next((taker for pattern, taker in _UNITS if pattern.fullmatch(unit)), "")


def last(statements: Sequence[Statement], *names: str) -> Statement | None:
    """Give the statement that counts of those with one of the names: the last."""
    return next((one for one in reversed(statements) if one.name in names), None)

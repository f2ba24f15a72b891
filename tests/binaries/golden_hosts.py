"""The golden hosts: their files, the numbers of their budgets, and the same for the servers of another Debian."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from deployer.allocate import allocate
from deployer.budget import HostBudget
from deployer.catalog import running
from deployer.declaration import Declaration
from deployer.inventory import Inventory, load_inventory
from deployer.render import render

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/golden"
NAMES = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
#: What a host declares to have the servers of a Debian tree, by service; trixie
#: and sid have Redis and Valkey, so there the host's own flavour stays.
DECLARED: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "bookworm": {
        "nginx": {"version": "1.22"},
        "mysql": {"flavour": "mariadb", "version": "10.11"},
        "redis": {"flavour": "redis", "version": "7"},
        "postgresql": {"version": "15"},
    },
    "trixie": {
        "nginx": {"version": "1.26"},
        "mysql": {"flavour": "mariadb", "version": "11.8"},
        "redis": {"version": "8"},
        "postgresql": {"version": "17"},
    },
    "sid": {
        "nginx": {"version": "1.30"},
        "mysql": {"flavour": "mysql", "version": "9.7"},
        "redis": {"version": "8"},
    },
}
#: What fits beside MariaDB need not fit beside MySQL 9.7, which takes 170 MiB more when it is empty.
MEMORY_FACTORS = {"sid": 2}
_FACTORS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SUFFIXES = {"k": 2**10, "m": 2**20, "g": 2**30}


@dataclass(frozen=True)
class GoldenHost:
    files: Mapping[str, bytes]
    budget: HostBudget

    @classmethod
    def of(cls, name: str, release: str, **declared: Mapping[str, Any]) -> Self:
        """Take the committed files where the host is declared for the servers of this Debian, else render for them.

        `declared` are more fields of services, as `redis={"flavour": "valkey"}`; a host without the service ignores it.
        """
        declaration = inventory().entry(name).declaration
        settings = {**declaration.settings}
        for service, fields in {**DECLARED[release], **declared}.items():
            if service in settings:
                settings[service] = declared_again(settings[service], fields)
        redeclared = declaration.model_copy(update={"settings": settings})
        if name in NAMES and packages_of(redeclared) == packages_of(declaration):
            return cls(committed(name), allocate(declaration))
        memory_mib = declaration.hardware.memory_mib * MEMORY_FACTORS.get(release, 1)
        hardware = declaration.hardware.model_copy(update={"memory_mib": memory_mib})
        for_release = redeclared.model_copy(update={"hardware": hardware})
        budget = allocate(for_release)
        return cls({file.path: file.content for file in render(for_release, budget).files}, budget)

    def text(self, path: str) -> str:
        return self.files[path].decode()

    def below(self, folder: str, ending: str = "") -> list[str]:
        return sorted(path for path in self.files if path.startswith(folder) and path.endswith(ending))

    def limit_nofile(self, unit: str) -> int:
        """Read LimitNOFILE of a unit's drop-in."""
        return int(re.findall(r"^LimitNOFILE=(\d+)$", self.drop_in(unit), re.MULTILINE)[-1])

    def environment(self, unit: str) -> dict[str, str]:
        """Read the variables of a unit's drop-in."""
        return dict(re.findall(r"^Environment=(\w+)=(\S+)$", self.drop_in(unit), re.MULTILINE))

    def drop_in(self, unit: str) -> str:
        (path,) = self.below(f"/etc/systemd/system/{unit}.d/", ".conf")
        return self.text(path)


@cache
def inventory() -> Inventory:
    return load_inventory([ROOT / "inventories", GOLDEN / "hosts.yml", Path(__file__).with_name("inventory.yml")])


@cache
def committed(name: str) -> Mapping[str, bytes]:
    folder = GOLDEN / name
    return {
        f"/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def having(folder: str) -> list[str]:
    """Names of the golden hosts that have a file below a folder."""
    return [name for name in NAMES if any(path.startswith(folder) for path in committed(name))]


def packages_of(declaration: Declaration) -> dict[str, str]:
    """Release series of each server that a host has, by package."""
    return {name: series for service in running(declaration) for name, series in service.versions(declaration).items()}


def declared_again(settings: Any, fields: Mapping[str, Any]) -> Any:
    """The settings of a service with some fields declared otherwise, checked as those of an inventory are."""
    return type(settings).model_validate({**settings.model_dump(exclude_unset=True), **fields})


def in_bytes(value: float | str, unit: str) -> float | str:
    """A number of the budget: bytes where it is memory, words as they are."""
    return value if isinstance(value, str) else value * _FACTORS.get(unit, 1)


def size_of(text: str) -> float | str:
    """A value of a config or of a server's answer, `236M`, `16k`, `0.000000`, as a number where it is one."""
    factor = _SUFFIXES.get(text[-1:].lower(), 1)
    try:
        return float(text if factor == 1 else text[:-1]) * factor
    except ValueError:
        return text


def differing(wanted: Mapping[str, float | str], has: Mapping[str, str]) -> dict[str, str]:
    """Settings that a server does not have as they are wanted, and what it has."""
    return {
        name: f"{has.get(name, 'not there')}, not {value}"
        for name, value in wanted.items()
        if name not in has or size_of(has[name]) != value
    }

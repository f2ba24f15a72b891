"""What a server's releases know: the registry of each, read from ``registry.json`` beside its service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

from deployer.errors import UsageError

_SERVICES = Path(__file__).parents[1] / "services"
#: Whose folder holds the registry of a dialect.
_FOLDERS: Mapping[str, str] = {
    "mycnf": "mysql",
    "nginx": "nginx",
    "unit": "systemd",
    "gunicorn": "gunicorn",
    "postgresql": "postgresql",
    "redis": "redis",
    "sysctl": "kernel",
}
Fate = Literal["fatal", "ignored"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of one flavour of a server.

    Attributes:
        name: As the config has it.
        kind: Form of its value: ``size``, ``int``, ``float``, ``bool``, ``duration``, ``enum``, ``hook`` or ``text``;
            empty if the server does not say.
        unit: What a bare number counts, where that is not bytes or one.
        least: Smallest value; None if the server does not say.
        most: Largest value.
        values: What an enum takes.
        contexts: Sections or blocks that it may stand in; none where there are none.
        flags: Options of the command line that set it.
        defaults: Its default, by the release from which on it holds.
        dynamic: Whether it can change while the server runs; None if that was not asked.
        introduced: First release that knows it; empty for one older than all that are known here.
        removed: First release that does not; empty if all later ones do.
        then: What a release does with it that does not know it any more.
        before: What a release does with it that does not know it yet.
        deprecated: First release that warns of it.
        module: Debian's binary has it only with a module.
    """

    name: str
    kind: str = ""
    unit: str = ""
    least: int | None = None
    most: int | None = None
    values: tuple[str, ...] = ()
    contexts: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    dynamic: bool | None = None
    introduced: str = ""
    removed: str = ""
    then: Fate | None = None
    before: Fate | None = None
    deprecated: str = ""
    module: bool = False

    def is_known_to(self, version: str) -> bool:
        """Say whether a release has it."""
        at = order(version)
        return (not self.introduced or at >= order(self.introduced)) and (not self.removed or at < order(self.removed))

    def is_deprecated_in(self, version: str) -> bool:
        """Say whether a release warns of it."""
        return bool(self.deprecated) and order(version) >= order(self.deprecated)

    def default_in(self, version: str) -> str | None:
        """Give the default of a release; None if it was not asked."""
        held = [value for since, value in self.defaults if not since or order(since) <= order(version)]
        return held[-1] if held else None


@dataclass(frozen=True, slots=True)
class Registry:
    """All that one flavour of a server knows.

    Attributes:
        dialect: Language of its config.
        flavour: Which server: ``mariadb``, ``nginx``, ``systemd``.
        versions: Release series that were looked at, oldest first.
        asked: The binary that was asked, by series.
        not_proven: What else is known from, by series: a source or a manual.
        unknown: What the server does with a name that it never knew.
        plugins: How names begin that only plugins know.
        settings: All settings by name.
    """

    dialect: str
    flavour: str
    versions: tuple[str, ...]
    asked: Mapping[str, str]
    not_proven: Mapping[str, str]
    unknown: Fate
    plugins: tuple[str, ...]
    settings: Mapping[str, Setting]

    def source(self, version: str) -> str:
        """Tell where what is said of a release is known from."""
        series = self.series(version)
        if self.is_proven(version):
            return f"asked of {self.asked[series]}"
        return f"not proven: {self.not_proven.get(series, 'this release was not looked at')}"

    def is_proven(self, version: str) -> bool:
        """Say whether the binary of this very series was asked; a release between two that were is not proven."""
        return any(version == one or version.startswith(f"{one}.") for one in self.asked)

    def series(self, version: str) -> str:
        """Give the newest series that was looked at and is not newer than a release; the oldest for older ones."""
        held = [one for one in self.versions if order(one) <= order(version)]
        return held[-1] if held else self.versions[0]


@lru_cache(maxsize=256)
def order(version: str) -> tuple[int, ...]:
    """Make releases comparable: 10.11 comes after 10.6. What is no number in it counts as 0."""
    return tuple(int(part) if part.isdecimal() and part.isascii() else 0 for part in version.split("."))


def registry(dialect: str, flavour: str = "") -> Registry:
    """Give a server's registry.

    Args:
        dialect: Language of its config, one of ``deployer.dialects.DIALECTS``.
        flavour: Which server; the first one where that is empty.

    Raises:
        UsageError: There is no such dialect or flavour.
    """
    if dialect not in _FOLDERS:
        raise UsageError(f"there is no registry for {dialect!r}; there are {', '.join(_FOLDERS)}")
    found = _read(dialect)
    if flavour and flavour not in found:
        raise UsageError(f"there is no registry for {dialect}/{flavour}; there are {', '.join(found)}")
    return found[flavour or next(iter(found))]


@cache
def _read(dialect: str) -> Mapping[str, Registry]:
    document = json.loads((_SERVICES / _FOLDERS[dialect] / "registry.json").read_text(encoding="utf-8"))
    return {flavour: _registry(dialect, flavour, part) for flavour, part in document["flavours"].items()}


def _registry(dialect: str, flavour: str, part: Mapping[str, Any]) -> Registry:
    return Registry(
        dialect=dialect,
        flavour=flavour,
        versions=tuple(part["versions"]),
        asked=part["asked"],
        not_proven=part["not_proven"],
        unknown=part["unknown"],
        plugins=tuple(part.get("plugins", ())),
        settings={one["name"]: _setting(one) for one in part["settings"]},
    )


def _setting(row: Mapping[str, Any]) -> Setting:
    default = row.get("default")
    defaults = default if isinstance(default, dict) else {} if default is None else {"": default}
    return Setting(
        name=row["name"],
        kind=row.get("kind", ""),
        unit=row.get("unit", ""),
        least=row.get("min"),
        most=row.get("max"),
        values=tuple(row.get("values", ())),
        contexts=tuple(row.get("in", ())),
        flags=tuple(row.get("flags", ())),
        defaults=tuple(defaults.items()),
        dynamic=row.get("dynamic"),
        introduced=row.get("introduced", ""),
        removed=row.get("removed", ""),
        then=row.get("then"),
        before=row.get("before"),
        deprecated=row.get("deprecated", ""),
        module="module" in row,
    )

"""Doctor: what the servers of a host say that they run with, against what was rendered for them. Pure.

``question`` makes the agent's request, ``diagnose`` holds its answer against the rendered files. What a server was
given stands in those files, which the guard has held against the ledger; so they are what is compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployer.dialects import Statement, read
from deployer.dialects.values import (
    mysql_size,
    postgresql_duration_s,
    postgresql_size,
    redis_size,
    systemd_duration_s,
    systemd_size,
)
from deployer.readers import reader_of
from deployer.registry import WRONG, Finding, judge, order, registry, split
from deployer.registry.judge import is_read_by_server
from deployer.render import Rendered

#: Keys of units that are asked for, and the property that tells each.
_PROPERTIES = {
    **{name: name for name in ("MemoryMax", "MemoryHigh", "MemorySwapMax", "TasksMax", "LimitNOFILE")},
    "TimeoutStopSec": "TimeoutStopUSec",
}
_UNIT_FILE = re.compile(r"/etc/systemd/system/([^/]+\.(?:service|slice))(?:\.d/[^/]+)?")
#: A directive on a line of its own without quotes and variables: the agent tells only those.
_DIRECTIVE = re.compile(r"^\s*([a-z_0-9]+)\s+([^;{}'\"$\n]+);\s*$", re.MULTILINE)
_QUANTITY = re.compile(r"on|off|auto|.*\d.*")
#: Redis tells it in another form than it takes it.
_OTHER_FORM = frozenset({"client-output-buffer-limit"})
_SWITCHES = {"on": 1.0, "true": 1.0, "yes": 1.0, "off": 0.0, "false": 0.0, "no": 0.0}

#: Server, where, setting, value: ``("systemd", "nginx.service", "MemoryMax", "64M")``.
Wish = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """One setting, wanted and found.

    Attributes:
        server: Who was asked: ``mariadb``, ``nginx``, ``systemd``, ``kernel``...
        where: Unit or file it belongs to; empty where the server has it once.
        setting: Its name, in the server's spelling.
        wanted: Value of the rendered files, as they have it.
        found: What the server says, in its own units; None if it does not.
        state: ``ok``, ``differs`` or ``not told``.
    """

    server: str
    where: str
    setting: str
    wanted: str
    found: str | None
    state: str


@dataclass(frozen=True, slots=True)
class ServerRelease:
    """A server's release.

    Attributes:
        server: Its name.
        declared: Series that the budget was made for; for systemd the oldest one that will do.
        found: What runs; empty if it does not answer.
        proven: What is known of that series was asked of its own binary.
        agrees: It is of the declared series.
        findings: What in the rendered files this release refuses, misreads or passes over.
    """

    server: str
    declared: str
    found: str
    proven: bool
    agrees: bool
    findings: tuple[tuple[str, Finding], ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that was found out about a host."""

    releases: tuple[ServerRelease, ...]
    readings: tuple[Reading, ...]

    @property
    def agrees(self) -> bool:
        """Say whether every server answers, is of its declared release, and runs with what was rendered."""
        settings = all(one.state != "differs" for one in self.readings)
        return settings and all(one.agrees and not one.findings for one in self.releases)


def question(rendered: Rendered) -> dict[str, Any]:
    """Make the agent's request: per server the names of the settings that were rendered for it."""
    servers: dict[str, dict[str, Any]] = {}
    for server, where, setting, value in _wishes(rendered):
        asked = servers.setdefault(server, {"names": []})
        if setting not in asked["names"]:
            asked["names"].append(setting)
        if server == "systemd" and where not in asked.setdefault("units", []):
            asked["units"].append(where)
        if setting == "unixsocket":
            asked["socket"] = value
    return {"op": "readback", "servers": servers}


def diagnose(rendered: Rendered, answer: Mapping[str, Any]) -> Diagnosis:
    """Compare what was rendered with what the servers told.

    Args:
        rendered: The files of the host.
        answer: The agent's answer to ``question(rendered)``.
    """
    told: Mapping[str, Any] = answer["servers"]
    least = {one.name for one in rendered.wanted.sysctls if one.least}
    readings = tuple(_reading(wish, told.get(wish[0]) or {}, least) for wish in _wishes(rendered))
    return Diagnosis(tuple(_releases(rendered, told)), readings)


def _wishes(rendered: Rendered) -> Iterator[Wish]:
    found: dict[tuple[str, str, str], str] = {}
    # systemd reads a unit before its drop-ins, and those in the order of their names
    for file, server, version, text in _read_files(rendered):
        if server == "systemd":
            for unit in _units_of(file, rendered):
                for one in read("unit", text):
                    if one.name in _PROPERTIES and one.value is not None:
                        found["systemd", unit, _PROPERTIES[one.name]] = one.value
        elif server == "nginx":
            for name, value in _directives(text).items():
                found["nginx", file, name] = value
        else:
            for name, value in _settings(server, version, text).items():
                found[server, "", name] = value
    yield from ((server, where, name, value) for (server, where, name), value in found.items())
    yield from (("kernel", "", one.name, one.value) for one in rendered.wanted.sysctls)


def _read_files(rendered: Rendered) -> Iterator[tuple[str, str, str, str]]:
    """Give path, server, declared release and text of each file whose reader can be asked."""
    for file in rendered.files:
        dialect, flavour, version = split(reader_of(rendered.declaration, file.wanted.dialect, file.path))
        if dialect in {"mycnf", "nginx", "postgresql", "redis", "unit"}:
            yield file.path, flavour or registry(dialect).flavour, version, file.content.decode()


def _units_of(path: str, rendered: Rendered) -> tuple[str, ...]:
    matched = _UNIT_FILE.fullmatch(path)
    if matched is None:
        return ()
    template, at, suffix = matched[1].partition("@.")
    if not at:
        return (matched[1],)
    instances = (one.unit for one in rendered.wanted.units)
    return tuple(unit for unit in instances if unit.startswith(f"{template}@") and unit.endswith(suffix))


def _directives(text: str) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, value in _DIRECTIVE.findall(text):
        values.setdefault(name, []).append(" ".join(value.split()))
    return {name: ", ".join(many) for name, many in values.items() if any(map(_QUANTITY.fullmatch, many))}


def _settings(server: str, version: str, text: str) -> dict[str, str]:
    dialect = _dialect(server)
    found: dict[str, str] = {}
    for one in read(dialect, text):
        if dialect == "mycnf" and not is_read_by_server(one, server, version):
            continue
        value = "on" if one.value is None else one.value
        several = dialect == "redis" and one.name in found
        found[one.name] = f"{found[one.name]} {value}" if several else value
    return found


def _dialect(server: str) -> str:
    known = {"mariadb": "mycnf", "mysql": "mycnf", "valkey": "redis", "systemd": "unit"}
    return known.get(server, server)


def _reading(wish: Wish, told: Mapping[str, Any], least: set[str]) -> Reading:
    server, where, setting, wanted = wish
    values: Mapping[str, Any] = told.get("values", {})
    found = (values.get(where) or {}).get(setting) if where else values.get(setting)
    if isinstance(found, list):
        found = ", ".join(found)
    refused = (told.get("refused") or {}).get(setting) == wanted
    if found is None or setting in _OTHER_FORM:
        return Reading(server, where, setting, wanted, found, "not told")
    unit = (told.get("units") or {}).get(setting, "")
    meant, is_so = _meaning(server, setting, wanted, unit), _meaning(server, setting, found, unit)
    enough = setting in least and isinstance(meant, float) and isinstance(is_so, float) and is_so >= meant
    # a deploy has said already what the kernel of a container does not take
    state = "ok" if meant == is_so or enough else "not told" if refused else "differs"
    return Reading(server, where, setting, wanted, found, state)


def _meaning(server: str, setting: str, text: str, unit: str) -> float | str:
    """Give a value's quantity, in bytes, seconds or one; its words if it is none."""
    words = " ".join(text.split())
    if server == "nginx":
        return words
    try:
        return _quantity(server, setting, words, unit)
    except ValueError:
        return _SWITCHES.get(words.lower(), words.lower().rstrip("/"))


def _quantity(server: str, setting: str, text: str, unit: str) -> float:
    if server in {"mariadb", "mysql"}:
        return float(text) if "." in text or text.startswith("-") else float(mysql_size(text))
    if server == "postgresql" and unit:
        is_size = unit.endswith("B")
        return float(postgresql_size(text, unit)) if is_size else postgresql_duration_s(text, unit)
    if server in {"redis", "valkey"}:
        return float(redis_size(text))
    if server == "systemd":
        return systemd_duration_s(text) if setting.endswith("USec") else systemd_size(text, 0)
    return float(text)


def _releases(rendered: Rendered, told: Mapping[str, Any]) -> Iterator[ServerRelease]:
    declared: dict[str, str] = {}
    texts: dict[str, list[tuple[str, str]]] = {}
    for path, server, version, text in _read_files(rendered):
        declared[server] = version
        texts.setdefault(server, []).append((path, text))
    for server, version in declared.items():
        found = str((told.get(server) or {}).get("version", ""))
        if not found:
            yield ServerRelease(server, version, "", proven=False, agrees=False)
            continue
        dialect = _dialect(server)
        known = registry(dialect, server)
        at_least = server == "systemd" and order(found) >= order(version)
        findings = tuple(
            (path, one) for path, text in texts[server] for one in _wrong(read(dialect, text), dialect, server, found)
        )
        proven = any(_is_of(found, series) for series in known.asked)
        agrees = at_least or not version or _is_of(found, version)
        yield ServerRelease(server, version, found, proven, agrees, findings)


def _is_of(release: str, series: str) -> bool:
    """Say whether a release belongs to a series: 10.11.14 to 10.11. The registry's nearest one would hide others."""
    numbers = order(series)
    return order(release)[: len(numbers)] == numbers


def _wrong(statements: tuple[Statement, ...], dialect: str, server: str, version: str) -> Iterator[Finding]:
    return (one for one in judge(statements, dialect, server, version) if one.kind in WRONG)

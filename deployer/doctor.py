"""Doctor: what the servers of a host say that they run with, against what was rendered for them. Pure.

``question`` makes the agent's request, ``diagnose`` holds its answer against the rendered files. What a server was
given stands in those files, which the guard has held against the ledger; so they are what is compared.
"""

from __future__ import annotations

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
from deployer.registry import WRONG, Finding, judge, order, registry
from deployer.render import Rendered
from deployer.wishes import Wish, dialect_of_server, options, read_files, wishes

#: Redis tells it in another form than it takes it.
_OTHER_FORM = frozenset({"client-output-buffer-limit"})
_SWITCHES = {"on": 1.0, "true": 1.0, "yes": 1.0, "off": 0.0, "false": 0.0, "no": 0.0}


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
    for server, where, setting, value in wishes(rendered):
        asked = servers.setdefault(server, {"names": []})
        if setting not in asked["names"]:
            asked["names"].append(setting)
        if server == "systemd" and where not in asked.setdefault("units", []):
            asked["units"].append(where)
        if setting == "unixsocket":
            asked["socket"] = value
    units: dict[str, list[str]] = {}
    for _, unit, _, names, _ in options(rendered):
        asked_of = units.setdefault(unit, [])
        asked_of += [name for name in names if name not in asked_of]
    servers["commandlines"] = {"units": units}
    return {"op": "readback", "servers": servers}


def diagnose(rendered: Rendered, answer: Mapping[str, Any]) -> Diagnosis:
    """Compare what was rendered with what the servers told.

    Args:
        rendered: The files of the host.
        answer: The agent's answer to ``question(rendered)``.
    """
    told: Mapping[str, Any] = answer["servers"]
    least = {one.name for one in rendered.wanted.sysctls if one.least}
    readings = tuple(_reading(wish, told.get(wish[0]) or {}, least) for wish in wishes(rendered))
    more = (*_told_besides(rendered, told), *_at_boot(rendered, told, least))
    return Diagnosis(tuple(_releases(rendered, told)), readings + more)


def _told_besides(rendered: Rendered, told: Mapping[str, Any]) -> Iterator[Reading]:
    """Read what programs were told on their command lines and in variables, which count more than their configs."""
    values: Mapping[str, Mapping[str, str]] = (told.get("commandlines") or {}).get("values", {})
    seen = set()
    for server, unit, setting, names, wanted in options(rendered):
        for name in names:
            found = values.get(unit, {}).get(name)
            if found is None or (unit, name) in seen:
                continue
            seen.add((unit, name))
            is_meant = bool(wanted) and _meaning(server, setting, wanted, "") == _meaning(server, setting, found, "")
            yield Reading(server, f"command line of {unit}", name, wanted, found, "ok" if is_meant else "differs")


def _at_boot(rendered: Rendered, told: Mapping[str, Any], least: set[str]) -> Iterator[Reading]:
    """Read which other file has the last word on a setting of the kernel at the next boot."""
    at_boot: Mapping[str, Mapping[str, str]] = (told.get("kernel") or {}).get("at_boot", {})
    ours = {file.path for file in rendered.files}
    for one in rendered.wanted.sysctls:
        said = at_boot.get(one.name)
        if said is None or said["file"] in ours:
            continue
        wish = ("kernel", "", one.name, one.value)
        reading = _reading(wish, {"values": {one.name: said["value"]}}, least)
        yield Reading("kernel", said["file"], one.name, one.value, said["value"], reading.state)


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
    for path, server, version, text in read_files(rendered):
        declared[server] = version
        texts.setdefault(server, []).append((path, text))
    for server, version in declared.items():
        found = str((told.get(server) or {}).get("version", ""))
        if not found:
            yield ServerRelease(server, version, "", proven=False, agrees=False)
            continue
        dialect = dialect_of_server(server)
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

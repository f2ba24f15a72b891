"""systemd: what ``systemd --dump-configuration-items`` knows; releases without a package, from their source."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from scripts.registry.asked import Asked, flavour, in_tree

_KINDS = {
    "BOOLEAN": "bool",
    "SECONDS": "duration",
    "NANOSECONDS": "duration",
    "SIZE": "size",
    "UNSIGNED": "int",
    "INTEGER": "int",
    "LONG": "int",
}
_PARSERS = {"config_parse_bool": "bool", "config_parse_sec": "duration", "config_parse_unsigned": "int"}
_MEMORY = {"MemoryMin", "MemoryLow", "MemoryHigh", "MemoryMax", "MemorySwapMax", "MemoryLimit", "MemoryZSwapMax"}
#: Forms of values that the dump does not tell; each was tried with ``systemd-analyze verify`` of 252 and 257.
_BOOLEANS = ["yes", "no", "true", "false", "on", "off", "1", "0", "y", "n", "t", "f"]
_FORMS: dict[str, dict[str, Any]] = {
    "CPUQuota": {"kind": "share"},
    "CPUWeight": {"kind": "weight", "min": 1, "max": 10000},
    "DevicePolicy": {"kind": "enum", "values": ["auto", "closed", "strict"]},
    "IOWeight": {"kind": "weight", "min": 1, "max": 10000},
    "KillMode": {"kind": "enum", "values": ["control-group", "mixed", "process", "none"]},
    "LimitNOFILE": {"kind": "limit"},
    "LimitNPROC": {"kind": "limit"},
    "MemoryHigh": {"kind": "size", "min": 1},
    "MemoryMax": {"kind": "size", "min": 1},
    "Nice": {"kind": "int", "min": -20, "max": 19},
    "NotifyAccess": {"kind": "enum", "values": ["none", "main", "exec", "all"]},
    "OOMPolicy": {"kind": "enum", "values": ["continue", "stop", "kill"]},
    "OOMScoreAdjust": {"kind": "int", "min": -1000, "max": 1000},
    "PrivateTmp": {"kind": "enum", "values": [*_BOOLEANS, "disconnected"]},
    "ProcSubset": {"kind": "enum", "values": ["all", "pid"]},
    "ProtectHome": {"kind": "enum", "values": [*_BOOLEANS, "read-only", "tmpfs"]},
    "ProtectProc": {"kind": "enum", "values": ["default", "invisible", "noaccess", "ptraceable"]},
    "ProtectSystem": {"kind": "enum", "values": [*_BOOLEANS, "full", "strict"]},
    "Restart": {
        "kind": "enum",
        "values": ["no", "always", "on-success", "on-failure", "on-abnormal", "on-abort", "on-watchdog"],
    },
    "TasksMax": {"kind": "tasks", "min": 1},
    "Type": {
        "kind": "enum",
        "values": ["simple", "exec", "forking", "oneshot", "dbus", "notify", "notify-reload", "idle"],
    },
}
_OF_TYPES = ["Service", "Socket", "Mount", "Swap"]
_JOURNAL = re.compile(r"^Journal\.(\w+),\s*(\w+)", re.MULTILINE)
_ITEM = re.compile(r"^(?:(\w+)|\{\{\s*type\s*\}\})\.(\w+),\s*(\w+),", re.MULTILINE)


def ask(version: str, tree: Path, repository: Path) -> Asked:
    """Ask a systemd of a Debian tree. What it still accepts and does nothing with, it says itself when it verifies."""
    said = in_tree(tree, "/lib/systemd/systemd", "--dump-configuration-items").stdout
    known: dict[str, dict[str, Any]] = {}
    section = ""
    for line in said.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            name, _, kind = line.partition("=")
            one = known.setdefault(name, {"in": []})
            one["in"].append(section)
            if name in _MEMORY:
                one["kind"] = "size"
            elif kind in _KINDS:
                one["kind"] = _KINDS[kind]
            if section in {"Service", "Slice"}:
                one |= _FORMS.get(name, {})
    release = in_tree(tree, "systemctl", "--version").stdout.split("(")[1].split(")")[0]
    asked = Asked("systemd", version, f"systemd {release} of Debian", proven=True, settings=known)
    asked.ignored = _gone(version, repository)
    for name in asked.ignored:
        known.pop(name, None)
    for name, one in _journal(version, repository).items():
        known.setdefault(name, {"in": []})["in"].append("Journal")
        known[name] |= {key: value for key, value in one.items() if key == "kind"}
    return asked


def _show(repository: Path, version: str, path: str) -> str:
    tags = subprocess.run(
        ["/usr/bin/git", "-C", str(repository), "tag", "--list", f"v{version}.*"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if not tags:
        tags = [f"v{_NEAREST.get(version, version)}"]
    tag = max(tags, key=lambda one: int(one.rpartition(".")[2]) if "." in one else 0)
    return subprocess.run(
        ["/usr/bin/git", "-C", str(repository), "show", f"{tag}:{path}"], capture_output=True, text=True, check=True
    ).stdout


#: Releases whose source is not at hand, and the one before it that is.
_NEAREST = {"257": "255.13"}


def _gone(version: str, repository: Path) -> set[str]:
    text = _show(repository, version, "src/core/load-fragment-gperf.gperf.in")
    found = [(name, parser) for _, name, parser in _ITEM.findall(text)]
    # a key of a library that systemd can be built without is there twice: as it is, and as one that is ignored
    return {name for name, _ in found} - {name for name, parser in found if parser != "config_parse_warn_compat"}


def _journal(version: str, repository: Path) -> dict[str, dict[str, Any]]:
    text = _show(repository, version, "src/journal/journald-gperf.gperf")
    return {
        name: {"in": ["Journal"], **({"kind": _PARSERS[parser]} if parser in _PARSERS else {})}
        for name, parser in _JOURNAL.findall(text)
    }


def of_source(version: str, repository: Path, like: Asked) -> Asked:
    """Read a release's tables; the sections of a key that all kinds of units have are those of ``like``."""
    text = _show(repository, version, "src/core/load-fragment-gperf.gperf.in")
    known: dict[str, dict[str, Any]] = {}
    for section, name, parser in _ITEM.findall(text):
        if parser == "config_parse_warn_compat":
            continue
        one = known.setdefault(name, {"in": []})
        one["in"] = [*one["in"], section] if section else list(like.settings.get(name, {}).get("in", _OF_TYPES))
        if parser in _PARSERS:
            one["kind"] = _PARSERS[parser]
        if name in _MEMORY:
            one["kind"] = "size"
    for name, one in _journal(version, repository).items():
        known.setdefault(name, one)
    return Asked(
        "systemd",
        version,
        f"source of systemd {version}",
        proven=False,
        settings=known,
        ignored=_gone(version, repository),
    )


def registry(trees: dict[str, Path], repository: Path) -> dict[str, Any]:
    """Ask 252 and 257, read 249 and 255."""
    asked = {version: ask(version, trees[f"systemd:{version}"], repository) for version in ("252", "257")}
    answers = [
        of_source("249", repository, asked["252"]),
        asked["252"],
        of_source("255", repository, asked["257"]),
        asked["257"],
    ]
    return {"systemd": flavour(answers, unknown="ignored")}

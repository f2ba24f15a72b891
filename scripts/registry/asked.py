"""What one release of a server answered, and how the answers of several become one registry."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Defaults longer than this are lists or paths of the asked machine, characters.
LONGEST_DEFAULT = 32
#: Settings whose default is what the asked machine is called or has.
OF_THE_MACHINE = frozenset(
    {
        "general_log_file",
        "hostname",
        "log_basename",
        "log_bin_basename",
        "open_files_limit",
        "pid_file",
        "slow_query_log_file",
        "wsrep_node_name",
    }
)


@dataclass
class Asked:
    """One release and what it knows.

    Attributes:
        flavour: Which server.
        version: Its release series.
        source: Who was asked.
        proven: It was the real binary, not its source or its manual.
        settings: Attributes by name.
        ignored: Names that it accepts and that do nothing.
    """

    flavour: str
    version: str
    source: str
    proven: bool
    settings: dict[str, dict[str, Any]]
    ignored: set[str] = field(default_factory=set)


def in_tree(tree: Path, *argv: str, given: str = "", user: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program of a Debian tree in it, as root; both outputs come back as text."""
    chroot = ["chroot", *([f"--userspec={user}"] if user else []), str(tree)]
    return subprocess.run(
        [*chroot, *argv],
        input=given,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=300,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/"},
    )


def flavour(answers: Sequence[Asked], **head: Any) -> dict[str, Any]:
    """Make one flavour's part of a registry from the answers of its releases, oldest first."""
    versions = [one.version for one in answers]
    names = sorted({name for one in answers for name in (*one.settings, *one.ignored)})
    return {
        "versions": versions,
        "asked": {one.version: one.source for one in answers if one.proven},
        "not_proven": {one.version: one.source for one in answers if not one.proven},
        **head,
        "settings": [_setting(name, answers) for name in names],
    }


def _setting(name: str, answers: Sequence[Asked]) -> dict[str, Any]:
    has = [one for one in answers if name in one.settings]
    entry: dict[str, Any] = {"name": name}
    if not has:
        return {**entry, "removed": answers[0].version, "then": "ignored"}
    best = next((one for one in reversed(has) if one.proven), has[-1])
    entry |= {key: value for key, value in best.settings[name].items() if key not in {"default", "deprecated"}}
    entry |= _default(name, has)
    if has[0] is not answers[0]:
        entry["introduced"] = has[0].version
        if name in answers[0].ignored:
            entry["before"] = "ignored"
    if has[-1] is not answers[-1]:
        gone = answers[answers.index(has[-1]) + 1]
        entry["removed"] = gone.version
        if name in gone.ignored:
            entry["then"] = "ignored"
    deprecated = [one.version for one in has if one.settings[name].get("deprecated")]
    if deprecated:
        entry["deprecated"] = deprecated[0]
    return entry


def _default(name: str, has: Sequence[Asked]) -> dict[str, Any]:
    changes: dict[str, str] = {}
    for one in has:
        value = one.settings[name].get("default")
        if value is None or len(value) > LONGEST_DEFAULT or "tmp/" in value or name in OF_THE_MACHINE:
            continue
        if value != next(reversed(changes.values()), None):
            changes[one.version] = value
    if not changes:
        return {}
    return {"default": changes if len(changes) > 1 else next(iter(changes.values()))}


def write(path: Path, dialect: str, flavours: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a registry, one line for each setting, so that a change of one is a change of one line."""
    lines = ["{", ' "schema": "deployer/registry/1",', f' "dialect": {json.dumps(dialect)},', ' "flavours": {']
    for number, (name, part) in enumerate(flavours.items()):
        lines.append(f"  {json.dumps(name)}: {{")
        lines += [
            f"   {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)},"
            for key, value in part.items()
            if key != "settings"
        ]
        lines.append('   "settings": [')
        lines += list(_rows(part["settings"]))
        lines.append("   ]}" + ("," if number < len(flavours) - 1 else ""))
    lines += [" }", "}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def _rows(settings: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for number, setting in enumerate(settings):
        end = "," if number < len(settings) - 1 else ""
        yield json.dumps(setting, ensure_ascii=False, separators=(",", ":")) + end

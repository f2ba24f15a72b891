"""MySQL and MariaDB: the option list of ``--help --verbose``, and types, bounds and defaults of a running server.

MySQL 8.0 and 8.4 have no package in Debian: what differs from the asked 9.7 is from the tables in MySQL's own
"mysqld version reference", and from what tuning measurements saw on 8.0.36 and 8.4.8.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scripts.registry.asked import Asked, flavour, in_tree

_SCRATCH = "tmp/registry"
_HELP = ("--help", "--verbose")
_QUERY = {
    "mariadb": "SELECT VARIABLE_NAME, VARIABLE_TYPE, NUMERIC_MIN_VALUE, NUMERIC_MAX_VALUE, DEFAULT_VALUE, READ_ONLY,"
    " COALESCE(ENUM_VALUE_LIST, '') FROM information_schema.SYSTEM_VARIABLES",
    "mysql": "SELECT VARIABLE_NAME, DATA_TYPE, MIN_VALUE, MAX_VALUE, NULL, NULL, ''"
    " FROM performance_schema.variables_metadata",
}
#: Shown as ON or OFF, and given as a name.
_FILES = ("log_bin",)
_KINDS = {"BOOLEAN": "bool", "ENUM": "enum", "ENUMERATION": "enum", "DOUBLE": "float", "NUMERIC": "float"}
#: The option takes a file's name, what the server says of it later is ON or OFF.
_NAMES_OF_FILES = frozenset({"log_bin"})
_SIZE = re.compile(r"(_size|_capacity|_length|_packet|_stack|_ram|_mmap|_limit|buffer|_size_max|_min|_used)$")
_NO_SIZE = re.compile(r"^(query_cache_limit|performance_schema_|ft_|.*(table|cursor|session)_limit)|_cache_size$")
_CACHES_IN_BYTES = re.compile(r"^(query|binlog|aria|key|myisam|max_binlog|innodb_ft|sys).*_cache_size$")

#: What stands in manuals where there is no binary to ask, and names to try.
_TOLD: dict[str, list[str]] = {
    key: value.split() for key, value in tomllib.loads(Path(__file__).with_suffix(".toml").read_text()).items()
}


def ask(name: str, version: str, tree: Path, former: Iterable[str] = ()) -> Asked:
    """Ask a server of a Debian tree: start it once on an empty data directory, without network.

    ``former`` are names of earlier releases, to see what it makes of them.
    """
    program = "/usr/sbin/mysqld" if name == "mysql" else "/usr/sbin/mariadbd"
    said = in_tree(tree, program, "--no-defaults", *_HELP).stdout
    settings = {option: {} for option in _options(said)}
    running = _variables(name, program, tree)
    for option, value in _values(said).items():
        settings.setdefault(option, {})
        if "default" not in running.get(option, {}):
            running.setdefault(option, {})["default"] = value
    settings = {option: running.get(option, {}) for option in settings}
    series = said.split("Ver ", 1)[-1].split()[0]
    if name == "mysql":
        for option, one in settings.items():
            if option in _TOLD["mysql_dynamic"] or option in _TOLD["mysql_static"]:
                one["dynamic"] = option in _TOLD["mysql_dynamic"]
    found = Asked(name, version, f"{Path(program).name} {series} of Debian", proven=True, settings=settings)
    if name == "mariadb":
        tried = {*former, *_TOLD["mariadb_tried"], *_TOLD["mysql_only_80"]} - set(settings)
        found.ignored = {old for old in tried if _is_ignored(tree, old)}
    return found


def _options(said: str) -> set[str]:
    names = re.findall(
        r"^  (?:-\w, )?--([a-z0-9][a-z0-9_-]+)", said.partition("Variables (--variable")[0], re.MULTILINE
    )
    return {name.replace("-", "_") for name in names}


def _values(said: str) -> dict[str, str]:
    values = {}
    for line in said.partition("Variables (--variable")[2].splitlines()[3:]:
        if not line.strip():
            break
        option, _, value = line.partition(" ")
        value = value.strip()
        values[option.replace("-", "_")] = "" if value.startswith("(No default") else value
    return values


def _variables(name: str, program: str, tree: Path) -> dict[str, dict[str, Any]]:
    scratch = tree / _SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, mode=0o755)
    asked = f"{_QUERY[name]} INTO OUTFILE '/{_SCRATCH}/answer';"
    (scratch / "init.sql").write_text(f"{asked}\nSHUTDOWN;\n")
    common = ["--no-defaults", "--user=root", f"--datadir=/{_SCRATCH}/data"]
    if name == "mysql":
        in_tree(tree, program, *common, "--initialize-insecure")
        common += ["--mysqlx=OFF", f"--secure-file-priv=/{_SCRATCH}"]
    else:
        (scratch / "data").mkdir()
        common += ["--skip-grant-tables"]
    places = [f"--{word}=/{_SCRATCH}/{word}" for word in ("socket", "pid-file")]
    in_tree(tree, program, *common, *places, "--skip-networking", f"--init-file=/{_SCRATCH}/init.sql")
    rows = (scratch / "answer").read_text().splitlines()
    shutil.rmtree(scratch)
    return {row.split("\t")[0].lower(): _attributes(row.split("\t")) for row in rows}


def _attributes(row: list[str]) -> dict[str, Any]:
    name, kind, least, most, default, read_only, values = row
    found: dict[str, Any] = {"kind": _kind(name.lower(), kind)}
    if found["kind"] in {"int", "size"}:
        found |= {
            key: int(value.partition(".")[0])
            for key, value in (("min", least), ("max", most))
            if value not in {"", r"\N"}
        }
    if found["kind"] == "enum" and values:
        found["values"] = values.split(",")
    if read_only in {"YES", "NO"}:
        found["dynamic"] = read_only == "NO"
    if default != r"\N":
        found["default"] = default
    return found


def _kind(name: str, kind: str) -> str:
    kind = "TEXT" if name in _NAMES_OF_FILES else kind.upper()
    if "INT" in kind:
        in_bytes = _SIZE.search(name) and (not _NO_SIZE.search(name) or _CACHES_IN_BYTES.search(name))
        return "size" if in_bytes else "int"
    return _KINDS.get(kind, "text")


def _is_ignored(tree: Path, option: str) -> bool:
    said = in_tree(tree, "/usr/sbin/mariadbd", "--no-defaults", f"--{option.replace('_', '-')}=1", *_HELP)
    return said.returncode == 0 and option in said.stderr.replace("-", "_")


def before_97(asked: Asked) -> list[Asked]:
    """Give MySQL 8.0 and 8.4 from the asked 9.7 and the version reference."""
    source = "dev.mysql.com: mysqld version reference, option and variable changes"
    gone = {name: {} for name in (*_TOLD["mysql_only_80"], *_TOLD["mysql_until_84"])}
    everything = {**gone, **asked.settings}
    lacks = {
        "8.0": {*_TOLD["mysql_since_84"], *_TOLD["mysql_since_97"]},
        "8.4": {*_TOLD["mysql_only_80"], *_TOLD["mysql_since_97"]},
    }
    older = {
        version: {name: dict(one) for name, one in everything.items() if name not in missing}
        for version, missing in lacks.items()
    }
    for pair in _TOLD["mysql_defaults_80"]:
        name, _, default = pair.partition("=")
        older["8.0"][name]["default"] = default
    for version, known in older.items():
        for name in _TOLD[f"mysql_deprecated_{version.replace('.', '')}"]:
            known.setdefault(name, {})["deprecated"] = True
    return [Asked("mysql", version, source, proven=False, settings=known) for version, known in older.items()]


def between(before: Asked, after: Asked) -> Asked:
    """Give MariaDB 11.4 from the releases around it and the versions in MariaDB's manual."""
    later, until = _TOLD["mariadb_since_115"], _TOLD["mariadb_until_114"]
    known = {name: one for name, one in after.settings.items() if name not in later}
    known |= {name: one for name, one in before.settings.items() if name in until}
    source = "mariadb.com: system variables by version"
    return Asked("mariadb", "11.4", source, proven=False, settings=known, ignored=set(after.ignored))


def registry(trees: dict[str, Path]) -> dict[str, Any]:
    """Ask every tree; keys are ``mariadb:10.11`` and the like."""
    mysql_97 = ask("mysql", "9.7", trees["mysql:9.7"])
    mariadb_1011 = ask("mariadb", "10.11", trees["mariadb:10.11"], mysql_97.settings)
    former = {*mysql_97.settings, *mariadb_1011.settings}
    mariadb_118 = ask("mariadb", "11.8", trees["mariadb:11.8"], former)
    head = {"unknown": "fatal", "plugins": _TOLD["plugins"]}
    return {
        "mariadb": flavour([mariadb_1011, between(mariadb_1011, mariadb_118), mariadb_118], **head),
        "mysql": flavour([*before_97(mysql_97), mysql_97], **head),
    }

"""What a host's servers, units and programs were told, by setting, as the rendered files have it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.dialects import read
from deployer.readers import reader_of
from deployer.registry import registry, split
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
#: Server, where, setting, value: ``("systemd", "nginx.service", "MemoryMax", "64M")``.
Wish = tuple[str, str, str, str]
#: Server, unit, setting, the options and variables that set it, value: ``("mariadb", "mariadb.service",
#: "max_connections", ("--max-connections",), "15")``. Without a value: nothing was rendered, and nobody should say it.
Option = tuple[str, str, str, tuple[str, ...], str]

#: Options of runtimes that stand in rendered units, and limit memory.
_OPTIONS = re.compile(
    r"(--max-(?:old|semi)-space-size|-XX:Max\w+Size|-XX:ReservedCodeCacheSize)=(\w+)|(-Xmx|-Xss)(\w+)"
)
#: Variables likewise.
_VARIABLES = re.compile(
    r'^Environment="?(GOMEMLIMIT|GOMAXPROCS|UV_THREADPOOL_SIZE|MALLOC_ARENA_MAX|\w+_POOL_SIZE)=(\w+)'
)
#: What would undo an option that was rendered.
_RIVALS = {
    "--max-old-space-size": ("--max-heap-size",),
    "-Xmx": ("-XX:MaxRAMPercentage", "-XX:MaxRAM", "-Xms"),
}


def wishes(rendered: Rendered) -> Iterator[Wish]:
    """Give what every server, unit and the kernel were told, by setting."""
    found: dict[tuple[str, str, str], str] = {}
    # systemd reads a unit before its drop-ins, and those in the order of their names
    for file, server, version, text in read_files(rendered):
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


def read_files(rendered: Rendered) -> Iterator[tuple[str, str, str, str]]:
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
    dialect = dialect_of_server(server)
    found: dict[str, str] = {}
    for one in read(dialect, text):
        if dialect == "mycnf" and not is_read_by_server(one, server, version):
            continue
        value = "on" if one.value is None else one.value
        several = dialect == "redis" and one.name in found
        found[one.name] = f"{found[one.name]} {value}" if several else value
    return found


def dialect_of_server(server: str) -> str:
    """Name the dialect of a server's config."""
    known = {"mariadb": "mycnf", "mysql": "mycnf", "valkey": "redis", "systemd": "unit"}
    return known.get(server, server)


def options(rendered: Rendered) -> Iterator[Option]:
    """Give what the command lines and variables of units may say: what was rendered there, and nothing against it."""
    for file in rendered.files:
        dialect, flavour, version = split(reader_of(rendered.declaration, file.wanted.dialect, file.path))
        text = file.content.decode()
        if dialect == "unit":
            for unit in _units_of(file.path, rendered):
                yield from _of_unit(unit, text)
        elif dialect in {"mycnf", "postgresql", "gunicorn"}:
            server = flavour or registry(dialect).flavour
            known = registry(dialect, server).settings
            for name, value in _settings(server, version, text).items():
                flags = known[name].flags if name in known else ()
                for unit in file.wanted.restarts:
                    yield server, unit, name, flags or (f"--{name.replace('_', '-')}",), value


def _of_unit(unit: str, text: str) -> Iterator[Option]:
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        for variable, value in _VARIABLES.findall(line):
            yield "program", unit, variable, (variable,), value
        for long, its, short, size in _OPTIONS.findall(line):
            yield "program", unit, long or short, (long or short,), its or size
            yield from (("program", unit, rival, (rival,), "") for rival in _RIVALS.get(long or short, ()))

"""Whether a value has the form that its setting takes; what the server does with one that has not."""

from __future__ import annotations

import re
from collections.abc import Callable

from deployer.dialects import values
from deployer.registry.finding import Kind
from deployer.registry.known import Setting

#: What a server does with a value that it cannot read. MySQL and MariaDB guess.
_FATE = {
    "mycnf": Kind.MISREAD,
    "nginx": Kind.FATAL,
    "unit": Kind.IGNORED,
    "gunicorn": Kind.FATAL,
    "postgresql": Kind.FATAL,
    "redis": Kind.FATAL,
}
_WHOLE_BYTES = 1024**3


def misformed(dialect: str, setting: Setting, value: str) -> tuple[Kind, str] | None:
    """Say what becomes of a value, and why; None if the server reads it as it is written."""
    if dialect not in _FATE or not value or "$" in value:
        return None
    read = _READERS.get((dialect, setting.kind))
    if read is None:
        return _not_of(dialect, setting, value) if setting.kind == "enum" else None
    try:
        number = read(setting, value)
    except ValueError as error:
        kind = _FATE[dialect]
        if dialect == "mycnf" and setting.kind != "bool" and not re.match(r"(?i)[+-]?\d*[KMGTPE]", value):
            kind = Kind.FATAL  # only what follows one of these letters is passed over
        return kind, f"{value!r} is not read as it is meant: {error}"
    return _out_of_bounds(dialect, setting, value, number)


def _out_of_bounds(dialect: str, setting: Setting, value: str, number: float) -> tuple[Kind, str] | None:
    least, most = setting.least, setting.most
    if dialect == "postgresql" and setting.kind in {"size", "duration"} and least is not None and most is not None:
        unit = _in_unit(setting, "1")
        least, most = int(least * unit), int(most * unit)
    if dialect not in {"mycnf", "postgresql"}:
        return None
    for bound, beyond, word in ((least, (least or 0) - number, "least"), (most, number - (most or 0), "most")):
        if bound is not None and beyond > 0 and not (dialect == "mycnf" and number < 0):
            if dialect == "mycnf":
                return Kind.MISREAD, f"{value} becomes {bound}: that is the {word} that the server takes"
            return Kind.FATAL, f"{value} is beyond {bound}, the {word} that the server takes"
    return None


def _not_of(dialect: str, setting: Setting, value: str) -> tuple[Kind, str] | None:
    wanted = [one.lower() for one in setting.values]
    if not wanted or value.lower() in wanted or value.isdecimal() or dialect not in {"mycnf", "postgresql"}:
        return None
    if dialect == "postgresql" and value.lower() in {"true", "false", "yes", "no"}:
        return None
    return Kind.FATAL, f"{value!r} is none of {', '.join(setting.values)}"


def _integer(_setting: Setting, value: str) -> float:
    if re.fullmatch(r"-?\d{1,20}", value, re.ASCII) is None:
        raise ValueError("it takes a whole number")
    return int(value)


def _mysql_integer(setting: Setting, value: str) -> float:
    return _integer(setting, value) if value.startswith("-") else values.mysql_size(value)


def _in_unit(setting: Setting, value: str) -> float:
    if setting.kind == "duration":
        return values.postgresql_duration_s(value, setting.unit)
    return values.postgresql_size(value, setting.unit)


def _boolean(dialect: str) -> Callable[[Setting, str], float]:
    return lambda _setting, value: float(values.boolean(dialect, value))


_READERS: dict[tuple[str, str], Callable[[Setting, str], float]] = {
    ("mycnf", "size"): _mysql_integer,
    ("mycnf", "int"): _mysql_integer,
    ("nginx", "size"): lambda _setting, value: values.nginx_size(value),
    ("nginx", "int"): _integer,
    ("nginx", "duration"): lambda _setting, value: values.nginx_duration_s(value),
    ("unit", "size"): lambda _setting, value: values.systemd_size(value, _WHOLE_BYTES),
    ("unit", "duration"): lambda _setting, value: values.systemd_duration_s(value),
    ("gunicorn", "int"): _integer,
    ("postgresql", "size"): _in_unit,
    ("postgresql", "duration"): _in_unit,
    ("postgresql", "int"): _integer,
    ("redis", "size"): lambda _setting, value: values.redis_size(value),
    ("redis", "int"): lambda _setting, value: values.redis_size(value.removeprefix("-")),
    **{(dialect, "bool"): _boolean(dialect) for dialect in _FATE},
}

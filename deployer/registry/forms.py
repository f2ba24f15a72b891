"""Whether a value has the form that its setting takes; what the server does with one that has not."""

from __future__ import annotations

import re
from collections.abc import Callable

from deployer.dialects import values
from deployer.registry import unitvalues
from deployer.registry.finding import Kind
from deployer.registry.known import Registry, Setting

#: What a server does with a value that it cannot read. MySQL and MariaDB guess.
_FATE = {
    "mycnf": Kind.MISREAD,
    "nginx": Kind.FATAL,
    "unit": Kind.IGNORED,
    "gunicorn": Kind.FATAL,
    "postgresql": Kind.FATAL,
    "redis": Kind.FATAL,
}
#: Whose data has the bounds of numbers, in the setting's own unit; whose has what there is to choose from.
_BOUNDED = frozenset({"mycnf", "postgresql", "redis", "unit"})
_CHOOSING = frozenset({"mycnf", "postgresql", "redis", "unit"})
#: Sizes of MySQL and MariaDB that may stand without a value.
_BARE = frozenset(
    {"innodb_max_undo_log_size", "innodb_page_size", "mysqlx_max_allowed_packet", "select_into_buffer_size"}
)
#: What systemd reads in any case of its letters; all other words in theirs alone.
_BOOLEAN_WORDS = frozenset({"yes", "no", "true", "false", "on", "off", "y", "n", "t", "f"})
_WHOLE_BYTES = 1024**3
#: Longest value that is repeated in a message, characters.
_SHOWN = 60


def misformed(known: Registry, setting: Setting, value: str) -> tuple[Kind, str] | None:
    """Say what becomes of a value, and why; None if the server reads it as it is written."""
    dialect = known.dialect
    if dialect not in _FATE or not value or "$" in value:
        return None
    read = _READERS.get((dialect, setting.kind))
    if read is None and dialect == "unit" and not setting.kind:
        found = unitvalues.misread(setting.name, value)
        return (found[0], f"{shown(value)} is not read as it is meant: {found[1]}") if found is not None else None
    if read is None:
        return _not_of(dialect, setting, value) if setting.kind == "enum" else None
    try:
        number = read(setting, value)
    except ValueError as error:
        kind = _FATE[dialect]
        if dialect == "mycnf" and setting.kind != "bool" and not re.match(r"(?i)[+-]?\d*[KMGTPE]", value):
            kind = Kind.FATAL  # only what follows one of these letters is passed over
        return kind, f"{shown(value)} is not read as it is meant: {error}"
    return _out_of_bounds(known, setting, value, number)


def empty(known: Registry, setting: Setting, value: str | None) -> tuple[Kind, str] | None:
    """Say what becomes of a setting with nothing behind it; None if the server takes that.

    Args:
        known: The server.
        setting: The setting.
        value: None where not even a sign for a value stands there, else nothing.
    """
    if known.dialect == "redis" and not value:
        return (Kind.FATAL, "it stands there without a value") if value is None else None
    if known.dialect == "nginx" and not value and setting.kind in {"bool", "size", "int", "duration"}:
        return Kind.FATAL, "it stands there without a value"
    if known.dialect != "mycnf" or value or setting.kind not in {"size", "int", "float"}:
        return None
    if value is None:
        is_needed = setting.kind == "size" and setting.name not in _BARE
        return (Kind.FATAL, "it stands there without a value") if is_needed else None
    if known.flavour == "mysql":
        return Kind.FATAL, "the value is empty"
    return Kind.MISREAD, f"an empty value becomes {setting.least or 0}"


def shown(text: str) -> str:
    """Give as much of a text of the user's as a line holds."""
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _out_of_bounds(known: Registry, setting: Setting, value: str, number: float) -> tuple[Kind, str] | None:
    dialect = known.dialect
    if dialect == "mycnf" and number < 0:
        return _below_zero(known, setting, value, number)
    if dialect not in _BOUNDED:
        return None
    for bound, beyond, word in (
        (setting.least, (setting.least or 0) - number, "least"),
        (setting.most, number - (setting.most or 0), "most"),
    ):
        if bound is None or beyond <= 0:
            continue
        if dialect == "mycnf":
            return Kind.MISREAD, f"{value} becomes {bound}: that is the {word} that the server takes"
        unit = f" {setting.unit}" if setting.unit else ""
        return _FATE[dialect], f"{value} is beyond {bound}{unit}, the {word} that the server takes"
    return None


def _below_zero(known: Registry, setting: Setting, value: str, number: float) -> tuple[Kind, str] | None:
    if setting.least is None or setting.least < 0:
        return None
    if known.flavour == "mariadb":
        return Kind.FATAL, f"{value} is below 0: the server refuses it"
    if number == -1:  # with many settings that is the server's own choice
        return None
    return Kind.MISREAD, f"{value} becomes {setting.least}: that is the least that the server takes"


def _not_of(dialect: str, setting: Setting, value: str) -> tuple[Kind, str] | None:
    wanted = [one.lower() for one in setting.values]
    word = value.lower()
    if not wanted or dialect not in _CHOOSING:
        return None
    if word in wanted and (dialect != "unit" or value in setting.values or word in _BOOLEAN_WORDS):
        return None
    if dialect == "mycnf" and value.isdecimal() and value.isascii() and int(value[:9]) < len(wanted):
        return None  # MySQL and MariaDB take a choice by its number too
    if dialect == "postgresql" and "on" in wanted and word in {"true", "false", "yes", "no", "0", "1"}:
        return None
    return _FATE[
        dialect
    ] if dialect != "mycnf" else Kind.FATAL, f"{shown(value)} is none of {', '.join(setting.values)}"


def _integer(_setting: Setting, value: str) -> float:
    if re.fullmatch(r"-?\d{1,20}", value, re.ASCII) is None:
        raise ValueError("it takes a whole number")
    return int(value)


def _count(_setting: Setting, value: str) -> float:
    if re.fullmatch(r"\d{1,19}", value, re.ASCII) is None:
        raise ValueError("it takes a whole number")
    return int(value)


def _mysql_integer(_setting: Setting, value: str) -> float:
    sign, digits = (-1, value[1:]) if value.startswith("-") else (1, value.removeprefix("+"))
    return sign * values.mysql_size(digits)


def _mysql_float(_setting: Setting, value: str) -> float:
    if re.fullmatch(r"[+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?", value, re.ASCII) is None:
        raise ValueError("it takes a number")
    return float(value)


def _postgresql_whole(setting: Setting, value: str) -> float:
    return float(f"{values.postgresql_number(value, setting.unit):.0f}")  # to the nearest, as the server does


def _limit(_setting: Setting, value: str) -> float:
    """Read a limit of how many there may be: a number, or a soft and a hard one."""
    soft, _, hard = value.partition(":")
    bounds = [float("inf") if one == "infinity" else _count(_setting, one) for one in (soft, hard or soft)]
    if bounds[0] > bounds[1]:
        raise ValueError("the soft limit is above the hard one")
    return bounds[1]


def _share(_setting: Setting, value: str) -> float:
    if re.fullmatch(r"\d{1,9}(\.\d{1,2})?%", value, re.ASCII) is None:
        raise ValueError("it takes a number and %")
    return float(value[:-1])


def _tasks(setting: Setting, value: str) -> float:
    if value == "infinity":
        return float("inf")
    return _share(setting, value) if value.endswith("%") else _count(setting, value)


def _redis_integer(_setting: Setting, value: str) -> float:
    if re.fullmatch(r"-?\d{1,19}", value, re.ASCII) is None:
        raise ValueError("it takes a whole number")
    return int(value)


def _redis_share(_setting: Setting, value: str) -> float:
    if re.fullmatch(r"\d{1,2}%|100%", value, re.ASCII):
        return 0.0
    return values.redis_size(value)


def _boolean(dialect: str) -> Callable[[Setting, str], float]:
    return lambda _setting, value: float(values.boolean(dialect, value))


_READERS: dict[tuple[str, str], Callable[[Setting, str], float]] = {
    ("mycnf", "size"): _mysql_integer,
    ("mycnf", "int"): _mysql_integer,
    ("mycnf", "float"): _mysql_float,
    ("nginx", "size"): lambda _setting, value: values.nginx_size(value),
    ("nginx", "int"): _count,
    ("nginx", "duration"): lambda _setting, value: values.nginx_duration_s(value),
    ("unit", "size"): lambda _setting, value: values.systemd_size(value, _WHOLE_BYTES),
    ("unit", "duration"): lambda _setting, value: values.systemd_duration_s(value),
    ("unit", "int"): _integer,
    ("unit", "limit"): _limit,
    ("unit", "weight"): lambda _setting, value: 100 if value == "idle" else _count(_setting, value),
    ("unit", "share"): _share,
    ("unit", "tasks"): _tasks,
    ("gunicorn", "int"): _integer,
    ("postgresql", "size"): _postgresql_whole,
    ("postgresql", "duration"): _postgresql_whole,
    ("postgresql", "int"): _postgresql_whole,
    ("postgresql", "float"): lambda setting, value: values.postgresql_number(value, setting.unit, is_whole=False),
    ("redis", "size"): lambda _setting, value: values.redis_size(value),
    ("redis", "int"): _redis_integer,
    ("redis", "share"): _redis_share,
    **{(dialect, "bool"): _boolean(dialect) for dialect in _FATE},
}

"""Values as each server reads them: sizes in bytes, durations in seconds, booleans. ValueError where it would not.

The same letters mean different things: ``100m`` is 100 000 000 bytes to Redis and 104 857 600 to nginx; ``256MB`` is
256 MiB to PostgreSQL, and to MySQL a number with rubbish behind it, which it takes without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_POWERS: Mapping[str, int] = {letter: int(1024**power) for power, letter in enumerate("KMGTPE", start=1)}
_POSTGRESQL_SIZES: Mapping[str, float] = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_POSTGRESQL_DURATIONS: Mapping[str, float] = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_POSTGRESQL_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>0[xX][0-9a-fA-F]{1,16}|(?:\d{1,19}(?:\.\d{0,19})?|\.\d{1,19})(?:[eE][+-]?\d{1,2})?)\s*(?P<unit>[A-Za-z]*)",
    re.ASCII,
)
_REDIS_SIZES = {
    "": 1,
    "b": 1,
    "k": 1000,
    "kb": 1024,
    "m": 1000**2,
    "mb": 1024**2,
    "g": 1000**3,
    "gb": 1024**3,
}
_NGINX_DURATION = re.compile(
    r"(?:(\d{1,9})y)?\s*(?:(\d{1,9})M)?\s*(?:(\d{1,9})w)?\s*(?:(\d{1,9})d)?\s*(?:(\d{1,9})h)?\s*(?:(\d{1,9})m)?\s*"
    r"(?:(\d{1,9})s)?\s*(?:(\d{1,9})ms)?\s*(\d{1,9})?",
    re.ASCII,
)
_NGINX_DURATIONS_S = (31_536_000.0, 2_592_000.0, 604_800.0, 86_400.0, 3600.0, 60.0, 1.0, 1e-3, 1.0)
_SYSTEMD_DURATIONS = {
    **dict.fromkeys(("us", "usec", "µs"), 1e-6),
    **dict.fromkeys(("ms", "msec"), 1e-3),
    **dict.fromkeys(("", "s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hr", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604_800.0),
    **dict.fromkeys(("M", "month", "months"), 2_629_800.0),
    **dict.fromkeys(("y", "year", "years"), 31_557_600.0),
}


def _begun(word: str) -> tuple[str, ...]:
    return tuple(word[:length] for length in range(len(word), 0, -1))


_BOOLEANS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mycnf": (("1", "on", "true"), ("0", "off", "false")),
    "nginx": (("on",), ("off",)),
    "unit": (("1", "yes", "y", "true", "t", "on"), ("0", "no", "n", "false", "f", "off")),
    "postgresql": (("on", "1", *_begun("true"), *_begun("yes")), ("off", "of", "0", *_begun("false"), *_begun("no"))),
    "redis": (("yes",), ("no",)),
    "gunicorn": (("true",), ("false",)),
}


def boolean(dialect: str, text: str) -> bool:
    """Read a boolean; nginx alone wants it in small letters too, which no one writes otherwise."""
    true, false = _BOOLEANS[dialect]
    word = text.lower()
    if word not in true + false:
        raise ValueError(f"it takes {true[0]} or {false[0]}")
    return word in true


def mysql_size(text: str) -> int:
    """Read bytes strictly: the server would take ``256MB`` and even ``1GBX``, and guess."""
    matched = re.fullmatch(r"(\d{1,19})([KMGTPE]?)", text.upper(), re.ASCII)
    if matched is None:
        raise ValueError("a size is a number and at most one letter of K, M, G, T")
    return int(matched[1]) * _POWERS.get(matched[2], 1)


def postgresql_number(text: str, unit: str = "", *, is_whole: bool = True) -> float:
    """Read a number in a setting's own unit: ``8kB``, ``kB``, ``MB``, ``ms``, ``min``; without one it takes none.

    As the server does, a setting of whole numbers takes C's ``0x10`` and ``010`` too.
    """
    units = next((one for one in (_POSTGRESQL_SIZES, _POSTGRESQL_DURATIONS) if unit.lstrip("0123456789") in one), {})
    wanted = f"a number, or one with {', '.join(units)}" if units else "a number"
    matched = _POSTGRESQL_NUMBER.fullmatch(text.strip())
    if matched is None or (matched["unit"] and matched["unit"] not in units):
        raise ValueError(f"it takes {wanted}")
    digits = matched["digits"]
    base = 16 if digits[:2] in {"0x", "0X"} else 8 if is_whole and re.fullmatch(r"0[0-7]+", digits) else 10
    if base == 10 and is_whole and re.fullmatch(r"0\d+", digits):
        raise ValueError("a number that begins with 0 is octal")
    number = (float(digits) if base == 10 else int(digits, base)) * (-1 if matched["sign"] == "-" else 1)
    if not matched["unit"]:
        return number
    own = re.fullmatch(r"(\d*)([A-Za-z]+)", unit)
    return number * units[matched["unit"]] / (int(own[1] or 1) * units[own[2]]) if own else number


def postgresql_size(text: str, unit: str) -> int:
    """Read bytes; a bare number counts in the setting's own unit: ``8kB``, ``kB``, ``MB``."""
    return int(postgresql_number(text, unit) * postgresql_number(f"1{unit}" if unit[:1].isalpha() else unit, "B"))


def postgresql_duration_s(text: str, unit: str) -> float:
    """Read seconds; a bare number counts in the setting's own unit."""
    return postgresql_number(text, unit) * postgresql_number(f"1{unit}", "s")


def redis_size(text: str) -> int:
    """Read bytes: ``100mb`` is binary, ``100m`` is 100 000 000."""
    matched = re.fullmatch(r"(\d{1,19})([a-z]*)", text.lower(), re.ASCII)
    if matched is None or matched[2] not in _REDIS_SIZES:
        raise ValueError("a size is a number with kb, mb or gb")
    return int(matched[1]) * _REDIS_SIZES[matched[2]]


def nginx_size(text: str) -> int:
    """Read bytes: a number with k or m; offsets may have g."""
    matched = re.fullmatch(r"(\d{1,19})([kKmMgG]?)", text, re.ASCII)
    if matched is None:
        raise ValueError("a size is a number with k or m")
    return int(matched[1]) * _POWERS.get(matched[2].upper(), 1)


def nginx_duration_s(text: str) -> float:
    """Read seconds: ``30s``, ``1h30m``, ``500ms``; the longer unit first, no fractions; a bare number is seconds."""
    matched = _NGINX_DURATION.fullmatch(text)
    if matched is None or not any(matched.groups()):
        raise ValueError("a time is like 30s, 5m or 1h30m")
    return sum(int(part or 0) * unit for part, unit in zip(matched.groups(), _NGINX_DURATIONS_S, strict=True))


def systemd_duration_s(text: str) -> float:
    """Read seconds: ``5min 20s``; a bare number is seconds, ``infinity`` has no end."""
    if text.strip() == "infinity":
        return float("inf")
    return _added(text, _SYSTEMD_DURATIONS, "a time is like 30s, 5min or infinity")


def _added(text: str, units: Mapping[str, float], wanted: str) -> float:
    parts = re.findall(r"(\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-zµ]*)\s*", text, re.ASCII)
    if not parts or "".join(number + unit for number, unit in parts) != re.sub(r"\s", "", text, flags=re.ASCII):
        raise ValueError(wanted)
    if any(unit not in units for _, unit in parts):
        raise ValueError(wanted)
    return sum(float(number) * units[unit] for number, unit in parts)


def systemd_size(text: str, whole: int) -> float:
    """Read bytes: ``100M``, ``1G 512M``, ``25%`` of ``whole`` bytes; ``infinity`` has no bound."""
    if text == "infinity":
        return float("inf")
    share = re.fullmatch(r"(\d{1,3}(?:\.\d{1,2})?)%", text, re.ASCII)
    if share is not None and float(share[1]) <= 100:
        return whole * float(share[1]) / 100
    units: dict[str, float] = {"": 1.0, "B": 1.0, **_POWERS}
    order = [units.get(unit or "B", 0.0) for unit in re.findall(r"\d+\s*([A-Za-z]*)", re.sub(r"\.\d+", "", text))]
    if order != sorted(set(order), reverse=True):
        raise ValueError("the larger unit stands first")
    return _added(text, units, "a size is like 512M, 1G, 25% or infinity")

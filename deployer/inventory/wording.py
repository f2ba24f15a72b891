"""Human words for what a model expects, and for the nearest right thing to write instead."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from deployer.inventory.problems import Value, quoted
from deployer.inventory.schema_walk import Option, Schema, known_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Likeness (0 to 1) from which a name counts as a misspelling of another; difflib's own customary value.
_LIKENESS = 0.6
_MOST_NAMES_SHOWN = 8
#: Unit endings of key names; they make different names look alike, so they do not count.
_UNIT_ENDING = re.compile(
    r"_(mib|gib|kib|mb|gb|kb|tb|bytes|ms|s|min|percent|mbps|(mbit|mb|gbit)(_per_s)?|per_s|gb_per_month)$"
)

_TRUTH_WORDS = frozenset(["yes", "no", "on", "off", "y", "n", "true", "false"])
_LEADING_ZERO = re.compile(r"[+-]?0+(?P<number>[0-9]+)")
_GROUPED = re.compile(r"[0-9]{1,3}([_, '][0-9]{3})+|[0-9]+(_[0-9]+)+")
_OTHER_BASE = re.compile(r"0[xX][0-9a-fA-F]{1,12}|0o[0-7]{1,12}|0b[01]{1,40}")
_EXPONENT = re.compile(r"(?P<digits>[0-9]{1,3})[eE]\+?(?P<power>[0-9]{1,2})")
_PLAIN_NUMBER = re.compile(r"\+?(?P<number>0|[1-9][0-9]{0,17})(\.0+)?")
_WITH_UNIT = re.compile(r"(?P<number>[0-9]{1,9}) ?(?P<unit>[A-Za-z]+)")
#: Units that people write behind a number, in the key's unit: ``1G`` in a ``_mib`` key is 1024.
_UNITS: Mapping[str, Mapping[str, float]] = {
    "_mib": {"m": 1, "mb": 1, "mib": 1, "g": 1024, "gb": 1024, "gib": 1024},
    "_gib": {"g": 1, "gb": 1, "gib": 1, "t": 1024, "tb": 1024, "tib": 1024},
    "_s": {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600},
    "_ms": {"ms": 1, "s": 1000},
    "_mbit_per_s": {"mbit": 1, "mbps": 1, "gbit": 1000, "gbps": 1000},
}


def expected_words(options: Sequence[Option]) -> str:
    """Say what the model takes: ``a whole number from 512 to 262144``, ``one of ssd, hdd``."""
    words = list(dict.fromkeys(_one_expected(option.schema) for option in options))
    return (", or " if any("," in word for word in words) else " or ").join(words) or "another value"


def _one_expected(schema: Schema) -> str:
    choices = choices_of(schema)
    if choices:
        shown = [choice_words(choice) for choice in choices]
        return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"
    match schema.get("type"):
        case "integer":
            return f"a whole number{_bounds(schema)}"
        case "number":
            return f"a number{_bounds(schema)}"
        case "boolean":
            return "true or false"
        case "string":
            if "pattern" in schema:
                return f"text matching {schema['pattern']}"
            noun = "a path" if str(schema.get("format", "")).endswith("path") else "text"
            return noun + _size(schema, "minLength", "maxLength", "character")
        case "array":
            return "a list" + _size(schema, "minItems", "maxItems", "item")
        case "object":
            names = known_names([Option(schema)])
            return f"a mapping with {_listed(names)}" if names else "a mapping"
        case "null":
            return "nothing"
        case _:
            return "another value"


def _bounds(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    low_open, high_open = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    text = ""
    if low is not None and high is not None:
        text = f" from {_number(low)} to {_number(high)}"
    else:
        limits = [(">=", low), (">", low_open), ("<=", high), ("<", high_open)]
        text = " and".join(f" {sign} {_number(limit)}" for sign, limit in limits if limit is not None)
    if "multipleOf" in schema:
        text += f", a multiple of {_number(schema['multipleOf'])}"
    return text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _size(schema: Schema, low_key: str, high_key: str, noun: str) -> str:
    low, high = schema.get(low_key), schema.get(high_key)
    if low is None and high is None:
        return ""
    if low == high:
        return f" of {low} {noun}{'' if low == 1 else 's'}"
    if low is None:
        return f" of at most {high} {noun}s"
    return f" of at least {low} {noun}{'' if low == 1 else 's'}" if high is None else f" of {low} to {high} {noun}s"


def choices_of(schema: Schema) -> tuple[Any, ...]:
    """List the only values that the schema takes; empty if it takes others."""
    return (schema["const"],) if "const" in schema else tuple(schema.get("enum", ()))


def choice_words(choice: Any) -> str:
    """Show a choice as it has to be written: text that would be read as a number needs its quotes."""
    if isinstance(choice, bool) or not isinstance(choice, str):
        return str(choice).lower()
    return choice if re.match(r"[A-Za-z/]", choice) and choice not in {"true", "false", "null"} else quoted(choice)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMES_SHOWN])
    return shown if len(names) <= _MOST_NAMES_SHOWN else f"{shown} and {len(names) - _MOST_NAMES_SHOWN} more"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that ``name`` most likely stands for, or None.

    Unit endings, case and hyphens are set aside: ``memory_mb`` means ``memory_mib``, but ``ram_mib`` is
    not ``swap_mib``.
    """
    wanted = _stem(name)
    best, best_likeness = None, _LIKENESS
    for candidate in known:
        # The full names decide between candidates of the same stem.
        stem_likeness = SequenceMatcher(None, wanted, _stem(candidate)).ratio()
        likeness = stem_likeness + SequenceMatcher(None, name.lower(), candidate.lower()).ratio() / 100
        if stem_likeness >= _LIKENESS and likeness > best_likeness:
            best, best_likeness = candidate, likeness
    return best


def _stem(name: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_").replace(" ", "_")
    return _UNIT_ENDING.sub("", snake)


def hint(value: Value, plain_text: str | None, name: str, options: Sequence[Option]) -> str:
    """Say what to write instead, where that is clear.

    Args:
        value: What was found.
        plain_text: How it is written in the file, if it is without quotes.
        name: The key it belongs to; its ending is its unit.
        options: What the model takes.
    """
    types = {option.schema.get("type") for option in options}
    choices = [choice for option in options for choice in choices_of(option.schema)]
    text = value if isinstance(value, str) else plain_text
    if text is not None and choices:
        return _choice_hint(value, text, [choice for choice in choices if isinstance(choice, str)])
    if isinstance(value, str):
        if types & {"integer", "number"}:
            return _number_hint(value, name, is_plain=plain_text is not None)
        if "boolean" in types and value.lower() in _TRUTH_WORDS:
            written = value if plain_text is not None else quoted(value)
            return f"{written} is not a truth value here; write true or false"
    if types == {"string"} and plain_text and isinstance(value, bool | int | float):
        return f"write {quoted(plain_text)} in quotes"
    if types == {"array"} and not isinstance(value, dict | list) and text:
        return f"write a list: [{text if plain_text is not None else quoted(text)}]"
    if types == {"integer"} and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    return ""


def _choice_hint(value: Value, text: str, choices: Sequence[str]) -> str:
    if not isinstance(value, str):
        return f"write {quoted(text)} in quotes" if text in choices else ""
    if all(re.fullmatch(r"[\d.]+", choice) for choice in choices):
        return ""  # a release is no misspelling of another
    meant = nearest(text, choices)
    return f"did you mean {choice_words(meant)}?" if meant else ""


def _number_hint(text: str, name: str, *, is_plain: bool) -> str:
    number = _number_meant(text, name)
    if number is None:
        return ""
    written = text if is_plain else quoted(text)
    return f"{written} is not a number here; write {number}"


def _number_meant(text: str, name: str) -> int | None:
    if match := _PLAIN_NUMBER.fullmatch(text):
        return int(match["number"])
    if match := _LEADING_ZERO.fullmatch(text):
        return int(match["number"]) if len(text) <= 18 and not text.startswith("-") else None
    if _OTHER_BASE.fullmatch(text):
        return int(text, 0)
    if _GROUPED.fullmatch(text) and len(text) <= 18:
        return int(re.sub(r"[^0-9]", "", text))
    if match := _EXPONENT.fullmatch(text):
        return int(match["digits"]) * 10 ** int(match["power"]) if int(match["power"]) <= 12 else None
    match = _WITH_UNIT.fullmatch(text)
    endings = [ending for ending in _UNITS if name.endswith(ending)]
    if not match or not endings:
        return None
    factor = _UNITS[max(endings, key=len)].get(match["unit"].lower())
    return None if factor is None else round(int(match["number"]) * factor)

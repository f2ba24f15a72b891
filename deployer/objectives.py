"""The language of `slo.must` and `slo.should`: one comparison, strictly read, never evaluated as code. Pure.

    [scope.]metric (< | <= | > | >= | ==) number[unit]

    hold.connections >= 1000      r1000.p95 < 150ms        cached.rps >= 800/s
    errors == 0                   host.mem < 85%           service.mariadb.mem < 90%

What cannot be understood is refused when the inventory is read, not after a load test of minutes.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, Literal

Operator = Literal["<", "<=", ">", ">=", "=="]
#: What a number is of; ``share`` is 0 to 1 inside and percent in the inventory.
Unit = Literal["ms", "req_per_s", "share", "mib", "count"]

#: How a unit may be written, and what that is worth in the unit that is reckoned in.
WRITTEN: Final[Mapping[Unit, Mapping[str, float]]] = {
    "ms": {"ms": 1.0, "s": 1000.0},
    "req_per_s": {"/s": 1.0, "": 1.0},
    "share": {"%": 0.01},
    "mib": {"MiB": 1.0, "GiB": 1024.0},
    "count": {"": 1.0},
}
#: Metrics by scope, each with the units that it may be compared in.
OF_PHASES: Final[Mapping[str, tuple[Unit, ...]]] = {
    "p50": ("ms",),
    "p95": ("ms",),
    "p99": ("ms",),
    "max": ("ms",),
    "rps": ("req_per_s",),
    "errors": ("count", "share"),
    "connections": ("count",),
}
OF_HOST: Final[Mapping[str, tuple[Unit, ...]]] = {
    "mem": ("share",),
    "cpu": ("share",),
    "steal": ("share",),
    "oom_kills": ("count",),
    "restarts": ("count",),
    "listen_drops": ("count",),
}
OF_SERVICE: Final[Mapping[str, tuple[Unit, ...]]] = {
    "mem": ("share", "mib"),
    "oom_kills": ("count",),
    "restarts": ("count",),
}
OF_KNEE: Final[Mapping[str, tuple[Unit, ...]]] = {"rps": ("req_per_s",)}
#: Scopes that are kinds of phases; a rate is ``r`` and its number.
PHASES: Final = ("hold", "cached", "capacity", "open")
#: What may stand without a scope: it is then about every phase.
EVERYWHERE: Final = ("p50", "p95", "p99", "errors")

_COMPARED: Final[Mapping[Operator, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_FORM: Final = re.compile(
    r"\s*(?P<left>[A-Za-z0-9_.@*-]+)\s*(?P<operator><=|>=|==|<|>)\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z/%]*)\s*"
)
_RATE: Final = re.compile(r"r([1-9]\d{0,6})")
_SERVICE: Final = re.compile(r"[A-Za-z0-9@_-]+|\*")
_WORDS: Final[Mapping[Unit, str]] = {
    "ms": "a time as 200ms or 1.5s",
    "req_per_s": "a rate as 800/s",
    "share": "a share as 85%",
    "mib": "a size as 300MiB",
    "count": "a plain number",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One comparison.

    Attributes:
        text: As it was written, with single spaces.
        scope: ``hold``, ``cached``, ``capacity``, ``open``, ``r1000``, ``knee``, ``host``, ``service.NAME``,
            ``service.*``; empty: every phase.
        metric: What is compared.
        comparison: How.
        value: The limit, in ``unit``.
        unit: Of the limit.
    """

    text: str
    scope: str
    metric: str
    comparison: Operator
    value: float
    unit: Unit

    @property
    def at_least(self) -> bool:
        """Whether more is better."""
        return self.comparison in (">", ">=")

    def holds(self, value: float) -> bool:
        """Compare a measured value, in ``unit``, with the limit."""
        return _COMPARED[self.comparison](value, self.value)


def parse(text: str) -> Criterion:
    """Read a comparison.

    Raises:
        ValueError: It is none; the text says what was expected where, for people.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a comparison such as `r1000.p95 < 200ms`, found {text!r}")
    scope, metrics, metric = _scope_of(found["left"])
    if metric not in metrics:
        near = get_close_matches(metric, metrics, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{scope or 'every phase'} has no {metric!r}, only {', '.join(metrics)}{meant}")
    unit, factor = _unit_of(metrics[metric], found["unit"], found["left"])
    value = round(float(found["number"]) * factor, 9)
    comparison = next(known for known in _COMPARED if known == found["operator"])
    if unit == "share" and value > 1:
        raise ValueError(f"{found['left']} is a share of a whole: at most 100%, found {found['number']}%")
    words = f"{found['left']} {comparison} {found['number']}{found['unit']}"
    return Criterion(text=words, scope=scope, metric=metric, comparison=comparison, value=value, unit=unit)


def _scope_of(left: str) -> tuple[str, Mapping[str, tuple[Unit, ...]], str]:
    """Take a left side apart: scope, the metrics that it has, and the metric that was written."""
    scope, dot, metric = left.rpartition(".")
    if not dot:
        return "", {name: OF_PHASES[name] for name in EVERYWHERE}, metric
    if scope in PHASES or _RATE.fullmatch(scope):
        return scope, OF_PHASES, metric
    if scope == "host":
        return scope, OF_HOST, metric
    if scope == "knee":
        return scope, OF_KNEE, metric
    kind, _, name = scope.partition(".")
    if kind == "service" and _SERVICE.fullmatch(name.removesuffix(".service")):
        return f"service.{name.removesuffix('.service')}", OF_SERVICE, metric
    known = ", ".join((*PHASES, "r1000 (a rate of slo.rates_per_s)", "knee", "host", "service.NAME", "service.*"))
    raise ValueError(f"there is no {scope!r} to compare, only {known}")


def _unit_of(units: tuple[Unit, ...], written: str, left: str) -> tuple[Unit, float]:
    for unit in units:
        if written in WRITTEN[unit]:
            return unit, WRITTEN[unit][written]
    expected = " or ".join(_WORDS[unit] for unit in units)
    raise ValueError(f"{left} is compared with {expected}, found the unit {written or 'none'!r}")


def rate_of(scope: str) -> int | None:
    """Give the rate that a scope is about, requests/s; None where it is about none."""
    found = _RATE.fullmatch(scope)
    return int(found[1]) if found else None


def checked(text: str) -> str:
    """Give a comparison back as it is, once it has been understood.

    Raises:
        ValueError: As ``parse``.
    """
    parse(text)
    return text

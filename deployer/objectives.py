"""The language of `slo.must`, `should`, `abort`, `valid`: one comparison, strictly read, never run as code. Pure.

    [scope.]metric (< | <= | > | >= | ==) number[unit] [for SECONDSs | within SECONDSs]

    hold.connections >= 1000      r1000.p95 < 150ms        cached.rps >= 800/s for 5s
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
#: What a line is for: it is judged (``must``, ``should``), ends the load, or says when the test is worth anything.
Use = Literal["must", "abort", "valid"]
#: ``for``: in each second of so many on end; ``within``: of so many on end, taken together.
WindowKind = Literal["for", "within"]

#: How a unit may be written, and what that is worth in the unit that is reckoned in.
WRITTEN: Final[Mapping[Unit, Mapping[str, float]]] = {
    "ms": {"ms": 1.0, "s": 1000.0},
    "req_per_s": {"/s": 1.0, "": 1.0},
    "share": {"%": 0.01},
    "mib": {"MiB": 1.0, "GiB": 1024.0},
    "count": {"": 1.0},
}


@dataclass(frozen=True, slots=True)
class Metric:
    """What can be compared.

    Attributes:
        units: That it may be compared in.
        uses: Lists that may hold it.
        windows: Windows that it may have; a percentile is never averaged, so it is taken second by second.
    """

    units: tuple[Unit, ...]
    uses: frozenset[Use] = frozenset({"must", "abort", "valid"})
    windows: frozenset[WindowKind] = frozenset({"for", "within"})


_NO_WINDOW: Final[frozenset[WindowKind]] = frozenset()
_EACH_SECOND: Final[frozenset[WindowKind]] = frozenset({"for"})
_IN_THE_END: Final[frozenset[Use]] = frozenset({"must", "valid"})
_VALID: Final[frozenset[Use]] = frozenset({"valid"})
_LIVE: Final[frozenset[Use]] = frozenset({"abort"})

#: Metrics by scope.
OF_PHASES: Final[Mapping[str, Metric]] = {
    "p50": Metric(("ms",), windows=_EACH_SECOND),
    "p95": Metric(("ms",), windows=_EACH_SECOND),
    "p99": Metric(("ms",), windows=_EACH_SECOND),
    "max": Metric(("ms",), _IN_THE_END, _NO_WINDOW),
    "rps": Metric(("req_per_s",)),
    "errors": Metric(("count", "share")),
    "connections": Metric(("count",)),
}
OF_HOST: Final[Mapping[str, Metric]] = {
    "mem": Metric(("share",)),
    "cpu": Metric(("share",)),
    "steal": Metric(("share",)),
    "neighbour": Metric(("share",), frozenset({"abort", "valid"})),
    "oom_kills": Metric(("count",)),
    "restarts": Metric(("count",)),
    "listen_drops": Metric(("count",)),
    "silent": Metric(("ms",), _LIVE, _NO_WINDOW),
}
OF_SERVICE: Final[Mapping[str, Metric]] = {
    "mem": Metric(("share", "mib")),
    "oom_kills": Metric(("count",)),
    "restarts": Metric(("count",)),
}
OF_KNEE: Final[Mapping[str, Metric]] = {"rps": Metric(("req_per_s",), _IN_THE_END, _NO_WINDOW)}
OF_GENERATOR: Final[Mapping[str, Metric]] = {
    "cpu": Metric(("share",), _VALID, _NO_WINDOW),
    "late.p99": Metric(("ms",), _VALID, _NO_WINDOW),
    "sent": Metric(("share",), _VALID, _NO_WINDOW),
    "errors": Metric(("count",), _VALID, _NO_WINDOW),
}
OF_NET: Final[Mapping[str, Metric]] = {"util": Metric(("share",), _VALID, _NO_WINDOW)}
OF_SAMPLER: Final[Mapping[str, Metric]] = {"silent": Metric(("ms",), _LIVE, _NO_WINDOW)}
#: Scopes that are kinds of phases; a rate is ``r`` and its number.
PHASES: Final = ("hold", "cached", "capacity", "open", "journeys")
#: What may stand without a scope: it is then about every phase.
EVERYWHERE: Final = ("p50", "p95", "p99", "errors")
#: Scopes of one word that are no phases.
_OTHER: Final[Mapping[str, Mapping[str, Metric]]] = {
    "knee": OF_KNEE,
    "host": OF_HOST,
    "gen": OF_GENERATOR,
    "net": OF_NET,
    "sampler": OF_SAMPLER,
}
#: A window has whole seconds, as everything is looked at once a second; s.
WINDOW_MOST_S: Final = 600

_COMPARED: Final[Mapping[Operator, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}
_FORM: Final = re.compile(
    r" *(?P<left>[A-Za-z0-9_.@*-]+) *(?P<operator><=|>=|==|<|>) *(?P<number>[0-9]{1,12}(?:\.[0-9]{1,6})?) *"
    r"(?P<unit>[A-Za-z/%]*)(?: +(?P<window>for|within) +(?P<seconds>[0-9]{1,6}) ?s)? *"
)
_RATE: Final = re.compile(r"r([1-9][0-9]{0,6})")
_SERVICE: Final = re.compile(r"[A-Za-z0-9@_-]+|\*")
_WORDS: Final[Mapping[Unit, str]] = {
    "ms": "a time as 200ms or 1.5s",
    "req_per_s": "a rate as 800/s",
    "share": "a share as 85%",
    "mib": "a size as 300MiB",
    "count": "a plain number",
}


_USES: Final[Mapping[Use, str]] = {
    "must": "judged when the test is over",
    "abort": "known while the load goes on",
    "valid": "a matter of whether the test is worth anything",
}


@dataclass(frozen=True, slots=True)
class Window:
    """The seconds that a comparison is about.

    Attributes:
        kind: Each of them, or all taken together.
        seconds: How many, on end, s.
    """

    kind: WindowKind
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One comparison.

    Attributes:
        text: As it was written, with single spaces.
        scope: ``hold``, ``cached``, ``capacity``, ``open``, ``journeys``, ``r1000``, ``knee``, ``host``,
            ``service.NAME``, ``service.*``, ``gen``, ``net``, ``sampler``; empty: every phase.
        metric: What is compared.
        comparison: How.
        value: The limit, in ``unit``.
        unit: Of the limit.
        window: The seconds that it is about; None: a whole phase, or any one second where it ends the load.
    """

    text: str
    scope: str
    metric: str
    comparison: Operator
    value: float
    unit: Unit
    window: Window | None = None

    @property
    def left(self) -> str:
        """What is compared, as it was written."""
        return self.text.partition(" ")[0]

    @property
    def at_least(self) -> bool:
        """Whether more is better."""
        return self.comparison in (">", ">=")

    def holds(self, value: float) -> bool:
        """Compare a measured value, in ``unit``, with the limit."""
        return _COMPARED[self.comparison](value, self.value)


def parse(text: str, use: Use = "must") -> Criterion:
    """Read a comparison.

    Args:
        text: What was written.
        use: What it is for; not everything is known in time to end a load, and some says nothing of the host.

    Raises:
        ValueError: It is none; the text says what was expected where, for people.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f"expected a comparison such as `r1000.p95 < 200ms` or `host.mem > 90% for 3s`, found {text!r}"
        )
    left = found["left"]
    scope, metrics, name = _scope_of(left)
    metric = metrics.get(name)
    if metric is None:
        near = get_close_matches(name, metrics, n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"{scope or 'every phase'} has no {name!r}, only {', '.join(metrics)}{meant}")
    if use not in metric.uses:
        raise ValueError(f"{left} is not {_USES[use]}; it may stand in slo.{' or slo.'.join(sorted(metric.uses))}")
    unit, factor = _unit_of(metric.units, found["unit"], left)
    value = round(float(found["number"]) * factor, 9)
    comparison = next(known for known in _COMPARED if known == found["operator"])
    if unit == "share" and value > 1:
        raise ValueError(f"{left} is a share of a whole: at most 100%, found {found['number']}%")
    window = _window_of(metric, found["window"], found["seconds"], left)
    words = f"{left} {comparison} {found['number']}{found['unit']}"
    words += f" {window.kind} {window.seconds}s" if window else ""
    return Criterion(text=words, scope=scope, metric=name, comparison=comparison, value=value, unit=unit, window=window)


def _window_of(metric: Metric, kind: str | None, seconds: str | None, left: str) -> Window | None:
    if kind is None or seconds is None:
        return None
    if not metric.windows:
        raise ValueError(f"{left} has no `{kind}`: it is one figure, not one of each second")
    if kind not in metric.windows:
        raise ValueError(f"{left} has no `{kind}`: percentiles are never averaged; `for {seconds}s` is each second")
    if not 1 <= int(seconds) <= WINDOW_MOST_S:
        raise ValueError(f"`{kind}` takes whole seconds, 1s to {WINDOW_MOST_S}s, found {seconds}s")
    return Window("for" if kind == "for" else "within", int(seconds))


def _scope_of(left: str) -> tuple[str, Mapping[str, Metric], str]:
    """Take a left side apart: scope, the metrics that it has, and the metric that was written."""
    word, _, rest = left.partition(".")
    if word in _OTHER and rest:
        return word, _OTHER[word], rest
    scope, dot, metric = left.rpartition(".")
    if not dot:
        return "", {name: OF_PHASES[name] for name in EVERYWHERE}, metric
    if scope in PHASES or _RATE.fullmatch(scope):
        return scope, OF_PHASES, metric
    kind, _, name = scope.partition(".")
    if kind == "service" and _SERVICE.fullmatch(name.removesuffix(".service")):
        return f"service.{name.removesuffix('.service')}", OF_SERVICE, metric
    known = ", ".join((*PHASES, "r1000 (a rate of slo.rates_per_s)", *_OTHER, "service.NAME", "service.*"))
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


def checked(text: str, use: Use = "must") -> str:
    """Give a comparison back as it is, once it has been understood.

    Raises:
        ValueError: As ``parse``.
    """
    parse(text, use)
    return text

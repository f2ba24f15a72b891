"""When a load must end: the safety stops and the host's own `slo.abort`, each second. Pure.

Whatever of it happens, a load ends within 2 s; a line with a window, within 2 s of its last second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from deployer.objectives import WINDOW_MOST_S, Criterion, parse
from deployer.verify.defaults import ERRORS_LEAST, SAFETY
from deployer.verify.measured import Timed
from deployer.verify.series import (
    COUNTERS,
    is_about,
    number,
    of_host,
    of_seconds,
    of_unit,
    risen,
    together,
    units_of,
)

#: No line is about older samples; a counter's value before the longest window is one of them.
LOOK_BACK: Final = WINDOW_MOST_S + 1


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a load was ended early.

    Attributes:
        why: For people.
        criterion: The line that asked for it; None where the host could no longer be watched.
        value: What was seen, in the criterion's unit.
        phase: In which phase; empty where nothing was asked.
    """

    why: str
    criterion: Criterion | None = None
    value: float | None = None
    phase: str = ""


class Watch(Protocol):
    """Who watches the host meanwhile."""

    def alarm(self) -> str:
        """Say why the host is no longer watched; nothing while it is."""
        ...

    def told(self) -> Sequence[Timed]:
        """Give the samples so far."""
        ...

    def silence_s(self) -> float:
        """Say since when the host has told nothing, s."""
        ...


class Guard:
    """What the seconds of the load and the host's samples say so far.

    Args:
        lines: The host's own, as `slo.abort` has them.

    Raises:
        ValueError: One of them is none.
    """

    def __init__(self, lines: Sequence[str] = ()) -> None:
        self._lines = (*SAFETY, *(parse(line, "abort") for line in lines))
        self._of_load = [line for line in self._lines if _is_of_load(line)]
        self._of_host = [line for line in self._lines if not _is_of_load(line) and line.metric != "silent"]
        self._own = frozenset(line for line in self._lines[len(SAFETY) :])
        self._phase = self._mode = ""
        self._seconds: list[Mapping[str, Any]] = []
        self._unanswered = False
        self._of_phase: Stop | None = None
        self._seen = 0
        self._of_samples: Stop | None = None

    def begin(self, phase: str = "", mode: str = "") -> None:
        """Forget the phase before, but not the samples."""
        self._phase, self._mode = phase, mode
        self._seconds.clear()
        self._of_phase, self._unanswered = None, False

    def heard(self, second: Mapping[str, Any]) -> None:
        """Take a second of the generator's."""
        told = {key: int(second.get(key) or 0) for key in ("done", "errors", "alive", "in_flight", "backlog")}
        self._unanswered = not told["done"] and told["in_flight"] + told["backlog"] > 0
        self._seconds.append({**second, **told})
        for line in self._of_load:
            if self._of_phase is None and is_about(line, self._phase, self._mode):
                self._of_phase = self._met_by_load(line)

    def look(self, watch: Watch) -> Stop | None:
        """Say why the load must end now; None while all is well."""
        if unwatched := watch.alarm():
            return Stop(unwatched, phase=self._phase)
        samples = watch.told()
        while self._of_samples is None and self._seen < len(samples):
            self._seen += 1
            self._of_samples = self._met_by_samples([each.values for each in samples[: self._seen][-LOOK_BACK:]])
        return self._of_phase or self._of_samples or self._silence(watch.silence_s())

    def _met_by_load(self, line: Criterion) -> Stop | None:
        length = line.window.seconds if line.window else 1
        last = self._seconds[-length:]
        parts = [last] if line.window is None or line.window.kind == "within" else [[second] for second in last]
        values = [self._figure(line, part) for part in parts]
        if len(last) < length or not all(value is not None and line.holds(value) for value in values):
            return None
        errors, done = (sum(second[key] for second in parts[-1]) for key in ("errors", "done"))
        of = "a second" if len(parts[-1]) == 1 else f"{length} s"
        told = f"{errors} of {done + errors} requests of {of} failed" if line.metric == "errors" else ""
        return self._stop(line, values[-1], told)

    def _figure(self, line: Criterion, seconds: Sequence[Mapping[str, Any]]) -> float | None:
        few = sum(second["errors"] for second in seconds) < ERRORS_LEAST
        return None if few and line.metric == "errors" and line.unit == "share" else of_seconds(line, seconds)

    def _met_by_samples(self, samples: Sequence[Mapping[str, Any]]) -> Stop | None:
        for line in self._of_host:
            # one more than the window has: what a counter was before it
            last = samples[-(line.window.seconds if line.window else 1) - 1 :]
            units = units_of(line, last) if line.scope.startswith("service.") else [""]
            for unit in units:
                value = _met(line, of_unit(line, last, unit) if unit else of_host(line, last))
                if value is not None:
                    return self._stop(line, value, _told_of_host(line, value, unit))
        return None

    def _silence(self, silence_s: float) -> Stop | None:
        for line in self._lines:
            silent_ms = 1000 * silence_s
            if line.scope == "host" and not self._unanswered:
                silent_ms = 0.0
            if line.metric == "silent" and line.holds(silent_ms):
                nothing = "answered nothing for a second, and told" if line.scope == "host" else "said"
                return self._stop(line, silent_ms, f"the host has {nothing} nothing for {silence_s:.0f} s")
        return None

    def _stop(self, line: Criterion, value: float | None, told: str) -> Stop:
        words = told or f"{line.left} was {shown(line, value or 0.0)}"
        source = f" (slo.abort: {line.text})" if line in self._own else f" ({line.text})"
        return Stop(words + source, line, value, self._phase)


def _met(line: Criterion, values: Sequence[float | None]) -> float | None:
    """Give the figure that meets a line now; None if it is not met."""
    if line.window is None:
        value = values[-1] if values else None
        return value if value is not None and line.holds(value) else None
    length = line.window.seconds
    if len(values) < length:
        return None
    steps = risen(values) if line.metric in COUNTERS else values
    # the sample before the window is there only for counters to count from
    last = steps[-length:]
    if line.window.kind == "within":
        value = together(line, last)
        return value if value is not None and line.holds(value) else None
    met = all(number(value) is not None and line.holds(value or 0.0) for value in last)
    return last[-1] if met else None


def _is_of_load(line: Criterion) -> bool:
    return line.scope not in ("host", "sampler") and not line.scope.startswith("service.")


def _told_of_host(line: Criterion, value: float, unit: str) -> str:
    whose = unit or "the host"
    if line.metric == "mem" and not unit:
        return f"{value:.1%} of the host's memory is in use"
    if line.metric == "mem":
        return f"{unit} holds {shown(line, value)}" + (" of its limit" if line.unit == "share" else "")
    if line.metric == "oom_kills" and not unit:
        return f"the kernel of the host killed {value:.0f} process{'es' if value != 1 else ''} for want of memory"
    return f"{whose}: {line.metric} {shown(line, value)}"


def shown(criterion: Criterion, value: float) -> str:
    """Give a figure for people, with its unit."""
    return {
        "ms": f"{value:.1f} ms",
        "req_per_s": f"{value:.0f} req/s",
        "share": f"{value:.1%}",
        "mib": f"{value:.0f} MiB",
        "count": f"{value:g}",
    }[criterion.unit]

"""What the plots of a page show, as data that the page's script draws. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from deployer.report.verdicts import Phase, Run, Sample, Second
from deployer.verify.report import short

#: Shares of the answers at which a percentile plot has points, from half of them to all but one in 10 000.
_SHARES: Final = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99, 0.995, 0.9975, 0.999, 0.9995, 0.9999)
#: What is plotted of servers and of apps, and what it is called.
_OF_SERVERS: Final = {"writing": "requests", "running": "statements", "lock_waiting": "for a lock"}
_OF_APPS: Final = {"queue": "at its socket", "outside_waiting": "for another host"}
Points = Iterable[tuple[float, float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line of a plot.

    Attributes:
        name: For the legend.
        x: Ascending.
        y: As many; None is a gap.
        dashed: It belongs to the first of two runs, or is a limit.
        colour: Number of its colour: a thing has the same in both runs.
        is_limit: It is what was wanted, not what was measured.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    dashed: bool = False
    colour: int = 0
    is_limit: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A plot.

    Attributes:
        title: What it shows.
        says: How to read it, in a sentence.
        x: Along it: ``s``, ``req/s``, or ``rarity`` (1 in so many answers).
        y: The unit of its height.
        log_y: Its height is logarithmic.
        series: Its lines.
    """

    title: str
    says: str
    x: str
    y: str
    series: list[Series] = field(default_factory=list)
    log_y: bool = False


def of(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Give the plots that the reports of one run, or of two, can fill."""
    figures = (
        _latencies(runs),
        _knees(runs),
        _throughput(runs),
        _latency_by_second(runs),
        _memory(runs),
        _units(runs),
        _processors(runs),
        _processor_time(runs),
        _waits(runs),
        _connections(runs),
    )
    return [asdict(figure) for figure in figures if any(not one.is_limit for one in figure.series)]


def _latencies(runs: Sequence[Run]) -> Figure:
    figure = Figure(
        title="Latency by percentile",
        says="Counted from when a request was due. Further right are the rarer, slower answers.",
        x="rarity",
        y="ms",
        log_y=True,
    )
    names = _in_order(phase.name for run in runs for phase in run.phases_but_trials)
    for number, run in enumerate(runs):
        for phase in run.phases_but_trials:
            total = phase.latency.count
            known = [share for share in _SHARES if total * (1 - share) >= 1]
            if known:
                points = [(1 / (1 - share), phase.latency.percentile_ms(share)) for share in known]
                figure.series.append(_series(phase.name, points, names.index(phase.name), runs, number))
    limits = {line.wanted for run in runs for line in run.lines if line.metric.endswith("p95_ms")}
    for limit in sorted(limits):
        figure.series.append(_limit(f"P95 wanted: {limit:g} ms", [(1, limit), (20, limit)]))
    return figure


def _knees(runs: Sequence[Run]) -> Figure:
    figure = Figure(
        title="The knee",
        says="P95 of each trial, by how many requests were due a second.",
        x="req/s",
        y="ms",
        log_y=True,
    )
    for number, run in enumerate(runs):
        trials = [trial for trial in (run.knee.trials if run.knee else ()) if trial.p95_ms is not None]
        for colour, name in enumerate(("kept", "not kept")):
            points = {trial.rate_per_s: trial.p95_ms for trial in trials if bool(trial.refusal) == bool(colour)}
            if points:
                figure.series.append(_series(name, points.items(), colour, runs, number))
    rates = [x for one in figure.series for x in one.x]
    limits = {line.wanted for run in runs for line in run.lines if line.metric == "cached_p95_ms"}
    for limit in sorted(limits if rates else ()):
        figure.series.append(_limit(f"P95 wanted: {limit:g} ms", [(min(rates), limit), (max(rates), limit)]))
    return figure


def _throughput(runs: Sequence[Run]) -> Figure:
    figure = Figure(title="Requests a second", says="Good answers in each second of a phase.", x="s", y="req/s")
    _by_second(figure, runs, lambda second: float(second.done))
    for begin, phase in _placed(runs[-1]):
        if phase.rate_per_s:
            ends = [(begin, phase.rate_per_s), (begin + phase.duration_s, phase.rate_per_s)]
            figure.series.append(_limit(f"due in {short(phase.name)}", ends))
    return figure


def _latency_by_second(runs: Sequence[Run]) -> Figure:
    figure = Figure(
        title="P95 by second", says="95 of 100 answers of that second were faster.", x="s", y="ms", log_y=True
    )
    _by_second(figure, runs, lambda second: second.p95_ms)
    return figure


def _connections(runs: Sequence[Run]) -> Figure:
    figure = Figure(
        title="Connections", says="Alive on the generator's side; in use as the host counts.", x="s", y="connections"
    )
    _by_second(figure, runs, lambda second: second.alive)
    _by_sample(figure, runs, "host: TCP in use", len(figure.series), lambda one: one.tcp_in_use)
    return figure


def _memory(runs: Sequence[Run]) -> Figure:
    figure = Figure(title="Memory of the host", says="Page cache is not counted.", x="s", y="%")
    _by_sample(figure, runs, "in use", 0, lambda one: None if one.memory_share is None else 100 * one.memory_share)
    wanted = [line.wanted for run in runs[-1:] for line in run.lines if line.metric == "memory_peak_share"]
    for share in wanted:
        figure.series.append(_limit(f"at most {share:.0%}", [(0, 100 * share), (runs[-1].duration_s, 100 * share)]))
    return figure


def _units(runs: Sequence[Run]) -> Figure:
    figure = Figure(title="Memory of each unit", says="Anonymous and shared memory.", x="s", y="MiB")
    names = _in_order(name for run in runs for sample in run.host_samples for name in sample.units)
    for colour, name in enumerate(names):
        _by_sample(figure, runs, name.removesuffix(".service"), colour, _of_unit(name))
    return figure


def _of_unit(name: str) -> Callable[[Sample], float | None]:
    def memory(sample: Sample) -> float | None:
        unit = sample.units.get(name)
        if unit is None:
            return None
        return unit.memory_mib if unit.anonymous_mib is None else unit.anonymous_mib

    return memory


def _processors(runs: Sequence[Run]) -> Figure:
    figure = Figure(
        title="Processors", says="Of all cores; stolen is what the hypervisor gave to others.", x="s", y="%"
    )
    kinds: tuple[tuple[str, Callable[[Sample], float | None]], ...] = (
        ("busy", lambda one: _percent(one.cpu_busy_share)),
        ("stolen", lambda one: _percent(one.cpu_steal_share)),
        ("neighbours", lambda one: _percent(one.cpu_neighbour_share)),
        ("idle, waiting for the disk", lambda one: _percent(one.cpu_iowait_share)),
        ("disk busy", lambda one: _percent(one.disk_busy_share)),
        ("waiting for a core", _waiting("cpu")),
        ("waiting for memory", _waiting("memory")),
        ("waiting for the disk", _waiting("io")),
    )
    for colour, (name, value) in enumerate(kinds):
        _by_sample(figure, runs, name, colour, value)
    return figure


def _processor_time(runs: Sequence[Run]) -> Figure:
    figure = Figure(title="Processor time of each unit", says="100 % is one core.", x="s", y="%")
    names = _in_order(name for run in runs for sample in run.host_samples for name in sample.units)
    for colour, name in enumerate(names):
        _by_sample(figure, runs, name.removesuffix(".service"), colour, _core_share(name))
    return figure


def _core_share(name: str) -> Callable[[Sample], float | None]:
    return lambda sample: _percent(unit.cpu_core_share) if (unit := sample.units.get(name)) else None


def _waits(runs: Sequence[Run]) -> Figure:
    figure = Figure(
        title="What is waited for",
        says="Requests in nginx, at an app's socket, waiting for another host; statements in progress, for a lock.",
        x="s",
        y="at once",
    )
    samples = [sample for run in runs for sample in run.host_samples]
    servers = _in_order(name for sample in samples for name in sample.servers)
    apps = _in_order(name for sample in samples for name in sample.apps)
    lines: list[tuple[str, Callable[[Sample], float | None]]] = []
    for name in servers:
        lines += [(f"{name}: {says}", _of_server(name, key)) for key, says in _OF_SERVERS.items()]
    for name in apps:
        lines += [(f"{name}: {says}", _of_app(name, key)) for key, says in _OF_APPS.items()]
    for colour, (says, value) in enumerate(lines):
        _by_sample(figure, runs, says, colour, value)
    return figure


def _of_server(name: str, key: str) -> Callable[[Sample], float | None]:
    return lambda sample: getattr(sample.servers.get(name), key, None)


def _of_app(name: str, key: str) -> Callable[[Sample], float | None]:
    return lambda sample: getattr(sample.apps.get(name), key, None)


def _waiting(kind: str) -> Callable[[Sample], float | None]:
    return lambda sample: _percent((sample.pressure or {}).get(f"{kind}_some_share"))


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _by_second(figure: Figure, runs: Sequence[Run], value: Callable[[Second], float | None]) -> None:
    names = _in_order(phase.name for run in runs for phase in run.phases_but_trials)
    for number, run in enumerate(runs):
        for begin, phase in _placed(run):
            points = [(begin + second.t_s, value(second)) for second in phase.seconds]
            if any(y is not None for _, y in points):
                figure.series.append(_series(phase.name, points, names.index(phase.name), runs, number))


def _placed(run: Run) -> Iterator[tuple[float, Phase]]:
    """Say when each phase began; reports of before that was told have one after the other."""
    end = 0.0
    for phase in run.phases_but_trials:
        begin = end if phase.began_s is None else phase.began_s
        end = begin + phase.duration_s
        yield begin, phase


def _by_sample(
    figure: Figure, runs: Sequence[Run], name: str, colour: int, value: Callable[[Sample], float | None]
) -> None:
    for number, run in enumerate(runs):
        points = [(sample.when_s, value(sample)) for sample in run.host_samples]
        if any(y for _, y in points):
            figure.series.append(_series(name, points, colour, runs, number))


def _series(name: str, points: Points, colour: int, runs: Sequence[Run], number: int) -> Series:
    told = f"{short(name)} ({'AB'[number]})" if len(runs) > 1 else short(name)
    x, y = zip(*sorted(points, key=lambda point: point[0]), strict=True)
    return Series(name=told, x=_rounded(x), y=_rounded(y), colour=colour, dashed=len(runs) > 1 and number == 0)


def _limit(name: str, points: Points) -> Series:
    x, y = zip(*points, strict=True)
    return Series(name=name, x=_rounded(x), y=_rounded(y), dashed=True, is_limit=True)


def _rounded(values: Iterable[float | None]) -> list[Any]:
    return [None if value is None else round(value, 3) for value in values]


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))

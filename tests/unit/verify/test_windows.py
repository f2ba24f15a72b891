"""Windows of a comparison, held against the seconds of a phase and the samples of a host."""

import pytest
from hypothesis import given, strategies as st
from samples_of_load import SLO, TARGET, all_phases, host, measured

from deployer.objectives import parse
from deployer.verify import HostSamples, Timed
from deployer.verify.judge import judge
from deployer.verify.series import over_window


def seconds(**columns):
    rows = zip(*columns.values(), strict=True)
    well = {"done": 100, "errors": 0, "alive": 1000, "p50_ms": 5.0, "p95_ms": 20.0, "p99_ms": 30.0}
    return tuple({**well, "t_s": at + 1.0, **dict(zip(columns, row, strict=True))} for at, row in enumerate(rows))


def line_of(text, *, seen=None, **phase):
    slo = SLO.model_copy(update={"must": (text,)})
    phases = [measured("hold", **phase), *all_phases()[1:]]
    return judge(phases, seen or host(), TARGET, slo).lines[-1]


@pytest.mark.parametrize(
    ("text", "column", "values", "outcome", "figure"),
    [
        ("hold.connections >= 1000 for 3s", "alive", [990, 1000, 1000, 1000], "kept", 1000),
        ("hold.connections >= 1000 for 3s", "alive", [1000, 1000, 999, 1000, 1000], "missed", 999),
        ("hold.p95 < 50ms for 2s", "p95_ms", [90.0, 20.0, 30.0, 90.0], "kept", 30.0),
        ("hold.p95 < 50ms for 2s", "p95_ms", [20.0, 60.0, 20.0, 70.0], "missed", 60.0),
        ("hold.rps >= 90/s within 2s", "done", [100, 80, 100, 100], "kept", 90),
        ("hold.rps >= 90/s within 2s", "done", [100, 80, 99, 100], "missed", 89.5),
        ("hold.rps >= 90/s for 2s", "done", [100, 80, 99, 100], "kept", 99),
        ("hold.errors <= 3 within 2s", "errors", [3, 0, 2, 1, 2], "kept", 3),
        ("hold.errors <= 3 within 2s", "errors", [3, 0, 2, 2], "missed", 4),
        ("hold.errors < 10% within 2s", "errors", [20, 0, 0], "kept", 20 / 220),
        ("hold.errors < 9% within 2s", "errors", [20, 0, 0], "missed", 20 / 220),
        ("hold.errors == 0 for 2s", "errors", [5, 0, 0, 5], "kept", 0),
        ("hold.errors == 0 for 2s", "errors", [5, 0, 5, 0], "missed", 5),
    ],
)
def test_seconds_of_a_phase(text, column, values, outcome, figure):
    line = line_of(text, seconds=seconds(**{column: values}))
    assert (line.outcome, line.measured_value) == (outcome, pytest.approx(figure)), line


@pytest.mark.parametrize("text", ["hold.p95 < 1s for 3s", "hold.rps > 1/s within 3s"])
def test_a_phase_shorter_than_the_window_decides_nothing(text):
    for length in (0, 2):
        line = line_of(text, seconds=seconds(done=[100] * length))
        assert line.outcome == "inconclusive"
        assert f"hold has {length} seconds that tell it" in line.why


def test_a_second_without_an_answer_belongs_to_no_stretch():
    line = line_of("hold.p95 < 50ms for 2s", seconds=seconds(p95_ms=[20.0, None, 20.0]))
    assert (line.outcome, line.measured_value) == ("inconclusive", None)


def test_what_held_for_so_long_has_held_though_the_load_was_ended():
    well = seconds(done=[100, 100, 100])
    assert line_of("hold.rps >= 90/s for 3s", seconds=well, stopped=True).outcome == "kept"
    assert line_of("hold.rps >= 90/s within 3s", seconds=well, stopped=True).outcome == "inconclusive"


def test_a_doubt_makes_a_miss_inconclusive():
    line = line_of("hold.p95 < 10ms for 2s", seconds=seconds(done=[1, 1]), cpu_share=0.95)
    assert (line.outcome, "generator" in line.why) == ("inconclusive", True)


def seen(**columns):
    whole = host()
    samples = []
    for at, row in enumerate(zip(*columns.values(), strict=True)):
        values = dict(zip(columns, row, strict=True))
        unit = {key[5:]: values.pop(key) for key in list(values) if key.startswith("unit_")}
        units = {"units": {"nginx.service": {"limit_mib": 64.0, **unit}}} if unit else {}
        samples.append(Timed(at_s=100.0 + at, values={"oom_kills": 0, **values, **units}))
    return HostSamples(samples=tuple(samples), summary=whole.summary)


@pytest.mark.parametrize(
    ("text", "columns", "outcome", "figure"),
    [
        ("host.mem < 80% within 2s", {"memory_share": [0.7, 0.88, 0.7]}, "kept", 0.79),
        ("host.mem < 80% within 2s", {"memory_share": [0.7, 0.91, 0.7]}, "missed", 0.805),
        ("host.cpu < 50% for 2s", {"cpu_busy_share": [0.9, 0.4, 0.45, 0.9]}, "kept", 0.45),
        ("host.oom_kills == 0 within 2s", {"oom_kills": [1, 1, 1]}, "missed", 1),
        ("host.listen_drops <= 2 within 2s", {"listen_drops": [0, 2, 2, 4]}, "kept", 2),
        ("host.listen_drops <= 2 within 2s", {"listen_drops": [0, 2, 3, 3]}, "missed", 3),
        ("service.nginx.mem < 50% within 2s", {"unit_memory_mib": [16.0, 40.0, 16.0]}, "kept", 28 / 64),
        ("service.*.mem < 39MiB for 2s", {"unit_memory_mib": [16.0, 40.0, 16.0]}, "missed", 40),
        ("service.nginx.restarts == 0 within 2s", {"unit_restarts": [0, 0, 1]}, "missed", 1),
    ],
)
def test_samples_of_the_host(text, columns, outcome, figure):
    line = line_of(text, seen=seen(**columns))
    assert (line.outcome, line.measured_value) == (outcome, pytest.approx(figure)), line


def test_samples_that_do_not_tell_it_decide_nothing():
    assert line_of("host.cpu < 99% within 3s", seen=seen(cpu_busy_share=[0.5, None, 0.5])).outcome == "inconclusive"
    assert line_of("host.cpu < 99% for 3s", seen=seen(cpu_busy_share=[0.5, None, 0.5])).outcome == "inconclusive"
    assert line_of("service.nginx.mem < 99% for 2s", seen=seen(memory_share=[0.1, 0.1])).outcome == "inconclusive"


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(1, 4), st.sampled_from(["<", "<=", ">", ">="]))
def test_the_figure_of_a_window_holds_exactly_if_the_window_does(values, length, comparison):
    each = parse(f"hold.rps {comparison} 10/s for {length}s")
    taken = parse(f"hold.rps {comparison} 10/s within {length}s")
    stretches = [values[first : first + length] for first in range(len(values) - length + 1)]

    def mean(stretch):
        return sum(stretch) / len(stretch)

    figure = over_window(each, values, mean)
    assert (figure is None) == (not stretches)
    if figure is not None:
        assert each.holds(figure) == any(all(each.holds(value) for value in stretch) for stretch in stretches)
        assert taken.holds(over_window(taken, values, mean)) == all(taken.holds(mean(one)) for one in stretches)


def test_a_window_of_one_second_is_each_second():
    assert over_window(parse("hold.rps > 10/s for 1s"), [3, 8, 20], sum) == 20
    assert over_window(parse("hold.rps > 10/s within 1s"), [3, 8, 20], sum) == 3

"""The comparisons of the inventory held against figures: unmeasured is inconclusive, the worst of several counts."""

from dataclasses import replace

import pytest
from samples_of_load import SLO, TARGET, all_phases, host, measured

from deployer.verify import Findings, HostSamples
from deployer.verify.judge import judge
from deployer.verify.knee import Knee

STARVED = {"cpu_share": 0.7, "cpu_wait_share": 0.25}
KNEE = Knee(path="/", kept_per_s=900.0, failed_per_s=930.0, why="P95 240 ms", doubt="", trials=(), rule="r")
WHOLE = Findings(whole=True, knee=KNEE)


def lines(*texts, should=(), phases=None, seen=None, findings=WHOLE, target=TARGET, **over):
    slo = SLO.model_copy(update={"must": texts, "should": tuple(should), "rates_per_s": (1000,)})
    rate = measured("r1000", **{"mode": "open", "rate_per_s": 1000.0, **over.pop("r1000", {})})
    given = [*all_phases(**over), rate] if phases is None else phases
    found = judge(given, seen or host(), target, slo, findings=findings)
    return found, found.lines[-len(texts) - len(should) :]


@pytest.mark.parametrize(
    ("text", "outcome", "measured_value"),
    [
        ("hold.connections >= 1000", "kept", 1000),
        ("hold.connections > 1000", "missed", 1000),
        ("r1000.p95 <= 100ms", "kept", 100.0),
        ("r1000.p99 < 119ms", "missed", 120.0),
        ("r1000.max < 1s", "kept", 180.0),
        ("cached.rps >= 10000/s", "kept", 10_000),
        ("cached.rps > 10001/s", "missed", 10_000),
        ("errors == 0", "kept", 0),
        ("open.errors < 1%", "kept", 0),
        ("p50 < 39ms", "missed", 40.0),
        ("host.mem < 61%", "missed", 0.61),
        ("host.cpu < 98%", "kept", 0.97),
        ("host.oom_kills == 0", "kept", 0),
        ("service.nginx.mem < 32%", "kept", 20 / 64),
        ("service.*.mem < 31%", "missed", 20 / 64),
        ("service.nginx.mem < 19MiB", "missed", 20),
        ("service.nginx.restarts == 0", "kept", 0),
        ("knee.rps >= 900/s", "kept", 900),
        ("knee.rps >= 901/s", "missed", 900),
    ],
)
def test_each_is_held_against_its_figure(text, outcome, measured_value):
    _, [line] = lines(text)
    assert (line.outcome, line.measured_value) == (outcome, pytest.approx(measured_value)), line


def test_page_cache_is_no_memory_of_a_unit():
    units = {"mariadb.service": {"peak_mib": 150.0, "own_peak_mib": 80.0, "limit_mib": 160.0}}
    _, [line] = lines("service.mariadb.mem < 60%", seen=host(summary={"units": units}))
    assert (line.outcome, line.measured_value) == ("kept", 0.5)


def test_a_number_of_errors_that_is_wanted_exactly_is_that_number():
    assert lines("hold.errors == 0")[1][0].outcome == "kept"
    assert lines("hold.errors == 5")[1][0].outcome == "missed"


@pytest.mark.parametrize(("text", "outcome"), [("knee.rps >= 1/s", "missed"), ("knee.rps >= 0.5/s", "inconclusive")])
def test_a_page_that_carries_no_rate_at_all_misses_every_rate_that_was_tried(text, outcome):
    nothing = replace(WHOLE, knee=replace(KNEE, kept_per_s=None, failed_per_s=1.0))
    assert lines(text, findings=nothing)[1][0].outcome == outcome
    doubted = replace(nothing, knee=replace(nothing.knee, doubt="the generator was late"))
    assert lines(text, findings=doubted)[1][0].outcome == "inconclusive"


@pytest.mark.parametrize(
    "text",
    ["hold.connections >= 1", "r1000.p95 < 9s", "cached.rps > 1/s", "errors == 0", "host.mem < 99%", "knee.rps > 1/s"],
)
def test_what_was_not_measured_is_inconclusive(text):
    found, [line] = lines(text, phases=[], seen=HostSamples(), findings=Findings(whole=True))
    assert line.outcome == "inconclusive"
    assert line.why
    assert found.outcome == "inconclusive"


def test_a_unit_that_nobody_watched_is_inconclusive_and_named():
    _, [line] = lines("service.postgresql.mem < 90%")
    assert (line.outcome, line.why) == ("inconclusive", "no unit postgresql was watched")


def test_half_a_watch_keeps_nothing_and_may_miss():
    seen = host(fault="gone", memory_share=0.7)
    _, [kept, missed] = lines("host.mem < 90%", "host.mem < 60%", seen=seen)
    assert (kept.outcome, missed.outcome) == ("inconclusive", "missed")


@pytest.mark.parametrize("text", ["r1000.p95 < 50ms", "cached.rps > 20000/s", "cached.errors == 0"])
def test_a_doubt_makes_a_miss_inconclusive(text):
    bad = {"errors": {"timeout": 5}, **STARVED}
    _, [line] = lines(text, cached=bad, r1000=STARVED, seen=host(busy=0.3))
    assert line.outcome == "inconclusive"
    assert "generator" in line.why


def test_the_worst_phase_counts():
    _, [line] = lines("p95 < 150ms", open={"p95_ms": 160.0})
    assert (line.outcome, line.measured_value) == ("missed", 160.0)


def test_a_full_house_is_no_matter_of_latency_without_a_scope():
    _, [line] = lines("p95 < 150ms", cached={"p95_ms": 900.0}, capacity={"p95_ms": 900.0})
    assert line.outcome == "kept"


def test_a_knee_that_the_generator_may_have_made_is_inconclusive():
    doubted = replace(WHOLE, knee=replace(KNEE, doubt="the generator was late"))
    _, [line] = lines("knee.rps >= 1000/s", findings=doubted)
    assert (line.outcome, line.why) == ("inconclusive", "the generator was late")
    unfinished = replace(WHOLE, knee=replace(KNEE, failed_per_s=None))
    _, [line] = lines("knee.rps >= 1000/s", findings=unfinished)
    assert line.outcome == "inconclusive"


def test_what_only_should_hold_makes_no_verdict():
    found, [_, line] = lines("errors == 0", should=["r1000.p95 < 1ms"])
    assert (line.outcome, line.objective.severity) == ("missed", "should")
    assert found.outcome != "missed"


def test_a_quick_test_says_what_it_has_no_phase_for():
    slo = SLO.model_copy(update={"must": ("r1000.p95 < 1ms", "knee.rps > 1/s", "errors == 0")})
    found = judge(all_phases(), host(), TARGET, slo)
    assert found.outcome == "kept"
    assert found.lines[-1].objective.name == "errors"
    assert any("r1000.p95 < 1ms; knee.rps > 1/s" in note for note in found.notes)

"""Several runs make one verdict: that of the median, if all of them are worth something and agree."""

from dataclasses import replace

import pytest
from samples_of_load import SLO, TARGET, all_phases, host, measured

from deployer.objectives import parse
from deployer.report.page.tables import lines as table_of
from deployer.report.verdicts import Run
from deployer.verify import report
from deployer.verify.judge import judge
from deployer.verify.loadgen import Histogram
from deployer.verify.repeat import is_enough, together
from deployer.verify.safety import Stop

STOP = Stop("memory", parse("host.mem > 96%", "abort"), 0.97, "hold")
STARVED = {"cpu_share": 0.95}


def run(p95_ms=100.0, *, seen=None, stop=None, slo=SLO, **over):
    cached = {"p95_ms": p95_ms, **over.pop("cached", {})}
    return judge(all_phases(cached=cached, **over), seen or host(), TARGET, slo, stop=stop, duration_s=10.0)


def runs(*p95s):
    return [run(p95) for p95 in p95s]


def line(verdict, metric="cached_p95_ms"):
    [found] = [each for each in verdict.lines if each.objective.metric == metric]
    return found


def test_one_run_is_itself():
    only = run()
    assert is_enough([only], 1)
    assert together([only]) is only
    assert not is_enough([], 1)


@pytest.mark.parametrize(
    ("p95s", "outcome", "median"),
    [
        ((100, 120, 110), "kept", 110),
        ((300, 320, 310), "missed", 310),
        ((100, 250, 110), "inconclusive", 110),
        ((250, 260, 150), "inconclusive", 250),
        ((100, 140), "kept", 140),
    ],
)
def test_the_median_decides_where_all_agree(p95s, outcome, median):
    found = together(runs(*p95s))
    assert (line(found).outcome, line(found).measured_value) == (outcome, median)
    assert line(found).runs == p95s
    assert found.outcome == outcome
    assert found.duration_s == 10.0 * len(p95s)
    assert [one.outcome for one in found.runs] == ["kept" if p95 <= 200 else "missed" for p95 in p95s]


def test_runs_that_disagree_ask_for_more_up_to_twice_as_many():
    assert not is_enough(runs(100, 110), 3)
    assert is_enough(runs(100, 110, 120), 3)
    assert is_enough(runs(250, 260, 270), 3)
    for count in (3, 4, 5):
        assert not is_enough(runs(*[100] * (count - 1), 250), 3)
    assert is_enough(runs(*[100] * 5, 250), 3)
    assert is_enough([run(250)], 1), "one run has nobody to disagree with"


def test_it_says_how_many_missed_it():
    found = line(together(runs(100, 250, 110, 120, 240, 130)))
    assert found.why == "2 of 6 runs missed it, so the limit lies between the least and the most of them"


def test_a_run_that_is_worth_nothing_makes_the_line_worth_nothing_and_more_do_not_help():
    doubted = [run(), run(300, cached=STARVED), run()]
    assert line(doubted[1]).outcome == "inconclusive"
    assert is_enough(doubted, 3)
    found = line(together(doubted))
    assert found.outcome == "inconclusive"
    assert found.why.startswith("run 2: the generator used 95% of its core")


def test_a_limit_within_a_runs_own_interval_is_settled_by_the_others():
    # a hundred answers, ten of them slower than the limit: P95 lies anywhere between 150 and 250 ms
    spread = Histogram()
    for number in range(100):
        spread.record(0.15 + 0.001 * number if number < 50 else 0.25 if number > 92 else 0.19)
    near = run(190, cached={"latency": spread.document()})
    assert (line(near).outcome, line(near).unsure) == ("inconclusive", True)
    assert line(together([run(150), near, run(160)])).outcome == "kept"
    assert not is_enough([run(150), near, run(260)], 3), "260 is on the other side"


def test_what_must_never_happen_is_missed_if_it_happened_once():
    killed = run(seen=host(summary={"oom_kills": 1}))
    three = [run(), killed, run()]
    assert is_enough(three, 3)
    found = line(together(three), "oom_kills")
    assert (found.outcome, found.measured_value) == ("missed", 1)
    assert found.why.startswith("in run 2")


def test_a_load_that_was_ended_ends_the_runs_and_decides():
    two = [run(), run(stop=STOP)]
    assert is_enough(two, 3)
    found = together(two)
    assert found.outcome == "missed"
    assert found.stopped == "memory"
    assert [one.stopped for one in found.runs] == ["", "memory"]
    assert any("ended early in run 2" in note for note in found.notes)


def test_what_only_should_hold_asks_for_no_more_runs():
    slo = SLO.model_copy(update={"should": ("cached.p95 < 120ms",), "cached_p95_ms": 500})
    mixed = [run(110, slo=slo), run(130, slo=slo), run(110, slo=slo)]
    assert is_enough(mixed, 3)
    assert together(mixed).lines[-1].outcome == "inconclusive"
    assert together(mixed).outcome == "kept"


def test_phases_are_those_of_the_run_in_the_middle():
    three = [run(cached={"req_per_s": rate}) for rate in (9000.0, 7000.0, 8000.0)]
    found = together(three)
    assert found.phases == three[2].phases
    assert any("those of run 3" in note for note in found.notes)


def test_each_page_keeps_its_own_lines():
    target = replace(TARGET, uncached_paths=("/post", "/other"))
    phases = [*all_phases(), measured("capacity /other"), measured("open /other", p95_ms=300.0)]
    both = together([judge(phases, host(), target, SLO), judge(phases, host(), target, SLO)])
    pages = [(each.outcome, each.runs) for each in both.lines if each.objective.metric == "uncached_p95_ms"]
    assert pages == [("kept", (100.0, 100.0)), ("missed", (300.0, 300.0))]


def test_the_reports_show_the_runs():
    found = together(runs(100, 120, 110))
    text = report.text(found)
    assert text.startswith("kept: 8 of 8 objectives kept in 30 s, 3 runs\n")
    assert "110.0 ms (100.0-120.0 in 3 runs)" in text
    document = report.document(found, started_at="2026-01-01T00:00:00+00:00", host="web1")
    assert document["runs"] == [{"outcome": "kept", "duration_s": 10.0, "stopped": None}] * 3
    document["phases"] = []
    rows = table_of([Run.of(document)]).rows
    assert any("100.0 ms to 120.0 ms in 3 runs" in row for row in rows)
    assert report.document(run())["runs"] == []

"""Who is first in a line of the comparison: only who did the work, and only beyond unrest."""

import pytest
from runs_of_contenders import phase, run

from deployer.comparison.lines import carried, failed_share, lines_of, standing
from deployer.comparison.processor import each_ms
from deployer.comparison.rounds import rotated
from deployer.comparison.table import cell

LINES = {line.name: line for line in lines_of(100.0, 1000, with_worst=True)}
TITLES = {"debian": "Debian's defaults", "ours": "deployer"}


def stands(line, ours, debian):
    return standing(LINES[line], {"ours": ours, "debian": debian}, TITLES, "ours")


def rates(*values, **phases):
    return [run(cached={"req_per_s": value, **phases}) for value in values]


def test_more_requests_are_better_and_less_time_is():
    assert stands("cached", rates(2000), rates(1000)).said == "first"
    behind = stands("cached", rates(1000), rates(2000))
    assert (behind.said, behind.is_behind) == ("behind Debian's defaults by 50%", True)
    slow, quick = run(cached={"p95_ms": 60.0}), run(cached={"p95_ms": 20.0})
    name = "cached, 1000 connections: P95"
    assert stands(name, [quick], [slow]).said == "first"
    assert stands(name, [slow], [quick]).said == "behind Debian's defaults by 200%"


def test_what_differs_by_less_than_its_unrest_is_level():
    assert stands("cached", rates(1000), rates(1040)).said == "first, level with Debian's defaults"
    assert stands("cached", rates(1000), rates(1080)).is_behind
    overlapping = stands("cached", rates(900, 1000, 1100), rates(1050, 1200, 1300))
    assert overlapping.said == "first, level with Debian's defaults"
    assert stands("cached", rates(900, 1000, 1040), rates(1050, 1200, 1300)).is_behind


@pytest.mark.parametrize("harm", [{"alive_min": 600}, {"errors": {"status": 30}}])
def test_who_did_not_carry_the_load_is_not_ranked(harm):
    found = stands("cached", rates(1000), rates(5000, **harm))
    assert found.said == "first; those with * did not carry the load"
    assert "*" in cell(LINES["cached"], rates(5000, **harm))
    assert stands("cached", rates(5000, **harm), rates(1000)).is_behind


def test_one_bad_run_of_several_counts():
    found = stands("cached", rates(1000, 1000), [*rates(5000), *rates(5000, alive_min=1)])
    assert not found.is_behind


def test_whoever_was_killed_is_not_ranked_by_memory_at_the_worst():
    name = "database at its worst: memory of all"
    assert stands(name, [run(memory_mib=300)], [run(kills=1, memory_mib=100)]).said.startswith("first; ")
    assert stands(name, [run(memory_mib=300)], [run(kills=0, memory_mib=100)]).is_behind
    kills = "database at its worst: OOM kills"
    assert stands(kills, [run()], [run(kills=1)]).said == "first"
    assert stands(kills, [run(kills=1)], [run()]).said == "behind Debian's defaults (1 against none)"


def test_a_load_without_a_single_answer_has_failed():
    nothing = phase(done=0, errors={})
    assert failed_share(nothing) == 1.0
    assert not carried(nothing)
    assert carried(phase(done=9999, errors={"timeout": 1}))


def test_whoever_is_behind_in_uncached_pages_says_where_the_processor_went():
    ours = [run(app_ms=1.5, uncached={"req_per_s": 500.0})]
    found = stands("uncached", ours, [run(app_ms=1.0, uncached={"req_per_s": 700.0})])
    assert found.said == "behind Debian's defaults by 29%: app takes 1.50 ms of processor a page, 0.50 more"
    assert found.is_explained
    unexplained = stands("uncached", ours, [run(app_ms=1.5, uncached={"req_per_s": 700.0})])
    assert unexplained.said == "behind Debian's defaults by 29%"
    assert unexplained.is_behind
    assert not unexplained.is_explained


def test_processor_for_a_page_is_what_came_since():
    before, after = {"app": 10.0, "nginx": 1.0}, {"app": 12.0, "nginx": 1.5}
    assert each_ms(before, after, 1000) == {"app": 2.0, "nginx": 0.5}
    assert each_ms(before, after, 0) == {}


def test_without_the_worst_there_are_no_lines_about_it():
    assert not any("worst" in line.name for line in lines_of(100.0, 1000, with_worst=False))


def test_a_cell_shows_all_runs_where_they_differ():
    assert cell(LINES["cached"], rates(1000, 3000, 2000)) == "2000 (1000, 3000, 2000)"
    assert cell(LINES["cached"], rates(1000, 1000)) == "1000"


def test_everybody_is_first_once():
    assert [rotated("abcd", number)[0] for number in range(5)] == ["a", "b", "c", "d", "a"]
    assert sorted(rotated("abcd", 3)) == list("abcd")

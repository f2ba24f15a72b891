"""The search for the knee: it finds the rate that a page carries, in bounded trials, and one stall misleads it not."""

import pytest
from samples_of_load import measured

from deployer.verify.knee import Search, Trial, growth_of, refusal_of


def found(truth_per_s, *, first=900.0, most=4000.0, precision=0.03, trials=40, stalls=()):
    search = Search(first_per_s=first, most_per_s=most, precision_share=precision, trials=trials)
    number = 0
    while (rate := search.next_per_s()) is not None:
        number += 1
        bad = rate > truth_per_s or number in stalls
        search.tell(Trial(rate_per_s=rate, p95_ms=1.0, refusal="late" if bad else "", doubt="busy" if bad else ""))
    return search.knee("/", "rule")


@pytest.mark.parametrize("truth", [3.0, 150.0, 880.0, 900.0, 1000.0, 2500.0, 3999.0])
@pytest.mark.parametrize("precision", [0.01, 0.05])
def test_it_is_found_from_below_and_from_above(truth, precision):
    knee = found(truth, precision=precision, trials=100)
    assert knee.kept_per_s <= truth < knee.failed_per_s <= knee.kept_per_s * (1 + precision) * 1.0001
    assert (knee.why, knee.doubt) == ("late", "busy")


def test_it_takes_few_trials_where_the_guess_was_good():
    assert len(found(1000.0).trials) <= 12


@pytest.mark.parametrize("stall", range(1, 8))
def test_one_stall_is_no_knee(stall):
    assert found(1000.0, stalls=[stall]).kept_per_s == pytest.approx(1000, rel=0.035)


def test_a_page_that_carries_more_than_is_tried():
    knee = found(9000.0)
    assert (knee.kept_per_s, knee.failed_per_s) == (4000.0, None)
    assert not knee.is_narrow


def test_a_page_that_carries_nothing():
    knee = found(0.0, trials=100)
    assert knee.kept_per_s is None
    assert knee.failed_per_s == 1.0


@pytest.mark.parametrize("trials", [3, 5, 8])
def test_it_ends_after_so_many_trials(trials):
    assert len(found(100.0, trials=trials).trials) == trials


def trial(**over):
    seconds = tuple({"done": 100, "in_flight": 5, "backlog": 0} for _ in range(6))
    return measured("open", **{"p95_ms": 20.0, "planned": 600, "duration_s": 6.0, "seconds": seconds, **over})


def test_a_trial_is_kept():
    assert refusal_of(trial(), 200) == ""


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"errors": {"timeout": 3}}, "3 errors (timeout)"),
        ({"p95_ms": 200.5}, "P95 20"),
        ({"p95_ms": None}, "no answer"),
    ],
)
def test_a_trial_is_refused(over, says):
    assert says in refusal_of(trial(**over), 200)


def test_a_queue_that_grows_is_refused_long_before_p95():
    # 3 % too much of 280/s: 8 more each second
    waiting = tuple({"done": 280, "in_flight": 8 * second, "backlog": 0} for second in range(6))
    assert growth_of(trial(seconds=waiting)) == 32
    assert "grew by 32" in refusal_of(trial(seconds=waiting), 200)
    held_back = tuple({"done": 280, "in_flight": 32, "backlog": 8 * second} for second in range(6))
    assert "grew by 32" in refusal_of(trial(seconds=held_back), 200)


def test_what_only_varies_is_no_growth():
    waiting = tuple({"done": 5000, "in_flight": number, "backlog": 0} for number in (10, 40, 12, 35, 8, 50))
    assert refusal_of(trial(seconds=waiting), 200) == ""
    assert growth_of(trial(seconds=())) == 0.0

"""How sure a figure is: intervals that hold the truth, and are wider where answers come in bursts."""

import random
from statistics import mean, stdev

import pytest
from samples_of_load import measured

from deployer.verify.confidence import Interval, design_effect, most_share, of_percentile, of_rate
from deployer.verify.loadgen import Histogram


def phase(times_ms, seconds=(), **over):
    histogram = Histogram()
    for each in times_ms:
        histogram.record(each / 1000)
    over.setdefault("p95_ms", histogram.percentile_ms(0.95))
    return measured("open", latency=histogram.document(), seconds=tuple(seconds), **over)


def second(done, p50, p95, p99):
    return {"done": done, "p50_ms": p50, "p95_ms": p95, "p99_ms": p99}


def test_the_ranks_are_those_of_the_books():
    # n = 10 000, P99: ranks 9880 and 9920 (98.8 % and 99.2 %)
    found = of_percentile(phase(range(1, 10_001)), 0.99)
    assert found.low == pytest.approx(9880, rel=0.004)
    assert found.high == pytest.approx(9920, rel=0.004)


def test_nineteen_of_twenty_intervals_hold_the_truth():
    dice = random.Random(7)
    truth_ms = 100.0  # P95 of 1 to 100 ms and some, even
    held = 0
    for _ in range(400):
        found = of_percentile(phase(dice.uniform(0, truth_ms / 0.95) for _ in range(800)), 0.95)
        held += found.low <= truth_ms <= found.high
    assert 0.92 <= held / 400 <= 0.985


def test_few_answers_reach_to_the_slowest():
    found = of_percentile(phase([1, 2, 3, 4, 1000]), 0.95)
    assert found.high == pytest.approx(1000)


def test_no_answer_has_no_interval():
    assert of_percentile(measured("open"), 0.95) is None
    assert of_percentile(phase([]), 0.95) is None


def test_answers_that_come_in_bursts_count_for_less():
    even = [second(1000, 10, 100, 150)] * 6
    bursts = [second(1000, 1, 2, 3)] * 5 + [second(1000, 300, 900, 950)]
    assert design_effect(even, 100.0, 0.95) == 1.0
    assert design_effect(bursts, 100.0, 0.95) > 100
    times = [1.0] * 5000 + [500.0] * 250 + [50.0] * 250
    narrow, wide = (of_percentile(phase(times, seconds), 0.95) for seconds in (even, bursts))
    assert wide.high - wide.low >= narrow.high - narrow.low
    assert wide.low < narrow.low


def test_too_few_seconds_tell_nothing_of_bursts():
    assert design_effect([second(10, 1, 2, 3)] * 2, 2.0, 0.95) == 1.0
    assert design_effect([], 2.0, 0.95) == 1.0


@pytest.mark.parametrize(("at_ms", "share"), [(5, 0.5), (10, 0.5), (100, 0.05), (150, 0.01), (151, 0.0)])
def test_between_the_percentiles_of_a_second_is_interpolated(at_ms, share):
    from deployer.verify.confidence import _slower_share

    assert _slower_share(second(100, 10, 100, 150), at_ms) == pytest.approx(share)


def test_a_rate_is_as_sure_as_its_seconds_are_alike():
    counts = [95, 105, 100, 98, 102]
    seconds = [second(each, 1, 2, 3) for each in counts]
    found = of_rate(measured("cached", req_per_s=200.0, seconds=tuple(seconds)))
    # t(4) = 2.78, s = 3.81, m = 5: 4.7 % to each side, of the rate of both generators
    assert found.low == pytest.approx(200 * (1 - 0.0473), rel=1e-3)
    assert mean((found.low, found.high)) == pytest.approx(200)
    assert of_rate(measured("cached", seconds=tuple(seconds[:2]))) is None
    assert of_rate(measured("cached")) is None


@pytest.mark.parametrize(
    ("seconds", "quantile"), [(3, 4.303), (11, 2.228), (12, 2.201), (16, 2.131), (17, 2.120), (31, 2.042), (61, 2.000)]
)
def test_the_quantiles_are_those_of_the_tables(seconds, quantile):
    counts = [100 + 10 * (index % 2) for index in range(seconds)]
    found = of_rate(measured("cached", req_per_s=100.0, seconds=tuple(second(each, 1, 2, 3) for each in counts)))
    error = stdev(counts) / seconds**0.5 / mean(counts)
    assert (found.high - 100) / 100 / error == pytest.approx(quantile, abs=0.012)


def test_what_never_happened_may_still_happen_three_times_in_so_many():
    assert most_share(1000) == pytest.approx(3 / 1000, rel=0.01)
    assert most_share(0) == 1.0


def test_a_limit_inside_is_spanned():
    assert Interval(90, 110).spans(100)
    assert not Interval(90, 110).spans(110)
    assert not Interval(90, 110).spans(89)

"""Results of several generators become one; what is no result is refused."""

import copy

import pytest

from deployer.verify.loadgen import Histogram
from deployer.verify.measured import HostSamples, Timed, merge

JOB = {"mode": "open", "path": "/post", "rate_per_s": 30.0}


def histogram(*times_s):
    found = Histogram()
    for time_s in times_s:
        found.record(time_s)
    return found.document()


def second(*times_s, **over):
    counts = {"done": len(times_s), "errors": 1, "alive": 10, "in_flight": 2, "backlog": 3}
    percentiles = {"p50_ms": 1.0, "p95_ms": 1.0, "p99_ms": 1.0}
    return {"event": "progress", "t_s": 1.0, **counts, **percentiles, "latency": histogram(*times_s), **over}


def result(*times_s, **over):
    base = {
        "planned": len(times_s),
        "done": len(times_s),
        "done_in_time": len(times_s),
        "http_bytes_in": 1000 * len(times_s),
        "duration_s": 2.0,
        "latency": histogram(*times_s),
        "service": histogram(*times_s),
        "late": histogram(0.001),
        "errors": {},
        "first_errors": {},
        "header_values": {"HIT": len(times_s)},
        "connections": {"wanted": 10, "established": 10, "alive_min": 10, "reopened": 0},
        "cpu_share": 0.2,
        "cpu_wait_share": None,
        "rss_mib": 30.0,
        "tls": {"is": "TLSv1.3 X"},
        "stopped": False,
        "seconds": [second(*times_s)],
    }
    return {**base, **over}


def test_histograms_are_added_and_percentiles_are_of_all():
    quick, slow = result(*[0.010] * 90), result(*[1.0] * 10)
    found = merge("open /post", JOB, [quick, slow], began_s=7.0)
    # the mean of both P95 would be 505 ms
    assert found.p95_ms == pytest.approx(1000, rel=0.005)
    assert found.p50_ms == pytest.approx(10, rel=0.005)
    assert found.max_ms == 1000.0
    assert sum(number for _, number in found.latency["counts"]) == 100
    assert merge("x", JOB, [slow, quick], began_s=7.0).p95_ms == found.p95_ms


def test_a_second_is_that_of_all_generators_together():
    busy = result(0.1, seconds=[second(*[0.010] * 90, t_s=1.02), second(0.5)])
    slow = result(0.1, seconds=[second(*[1.0] * 10)])
    first, last = merge("open /", JOB, [busy, slow], began_s=0).seconds
    assert (first["t_s"], first["done"], first["errors"], first["alive"]) == (1.02, 100, 2, 20)
    assert (first["in_flight"], first["backlog"]) == (4, 6)
    assert first["p95_ms"] == pytest.approx(1000, rel=0.005), "no mean of percentiles"
    assert first["p50_ms"] == pytest.approx(10, rel=0.005)
    assert last == {key: value for key, value in second(0.5).items() if key not in ("event", "latency")}


def test_counts_add_up_and_shares_are_of_the_busiest():
    one = result(
        0.01,
        errors={"timeout": 1, "reset": 2},
        first_errors={"timeout": "first"},
        cpu_share=0.9,
        cpu_wait_share=0.1,
        duration_s=2.0,
    )
    two = result(
        0.01, 0.02, errors={"reset": 3}, first_errors={"timeout": "second", "reset": "peer"}, cpu_wait_share=0.3,
        connections={"wanted": 5, "established": 7, "alive_min": 4, "reopened": 2}, stopped=True, duration_s=1.0,
    )  # fmt: skip
    found = merge("open /post", JOB, [one, two], began_s=7.0)
    assert (found.name, found.path, found.mode, found.rate_per_s, found.began_s) == (
        "open /post",
        "/post",
        "open",
        30.0,
        7.0,
    )
    assert (found.planned, found.done, found.error_count) == (3, 3, 6)
    assert found.errors == {"timeout": 1, "reset": 5}
    assert found.first_errors == {"timeout": "first", "reset": "peer"}
    assert (found.connections_wanted, found.established, found.alive_min, found.reopened) == (15, 17, 14, 2)
    assert (found.cpu_share, found.cpu_wait_share, found.rss_mib) == (0.9, 0.3, 60.0)
    assert found.req_per_s == 1.5
    assert found.bytes_per_answer == 1000
    assert found.cache == {"HIT": 3}
    assert found.stopped
    assert found.tls == "TLSv1.3 X"


def test_only_answers_in_time_count_for_throughput():
    assert merge("x", JOB, [result(0.1, 0.1, done_in_time=1)], began_s=0).req_per_s == 0.5


def test_without_an_answer_there_is_no_percentile():
    found = merge("x", JOB, [result(tls=None)], began_s=0)
    assert (found.p50_ms, found.p95_ms, found.max_ms, found.tls) == (None, None, None, "")
    assert found.bytes_per_answer == 0


def test_none_is_refused():
    with pytest.raises(ValueError, match="no generator"):
        merge("x", JOB, [], began_s=0)


@pytest.mark.parametrize("key", result())
def test_a_result_without_one_of_its_parts_is_refused(key):
    broken = result(0.1)
    del broken[key]
    with pytest.raises(ValueError, match="not one"):
        merge("x", JOB, [broken], began_s=0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("latency", {"counts": [[-1, 3]], "max_us": 1, "sum_us": 1}),
        ("latency", {"counts": [[10**9, 3]], "max_us": 1, "sum_us": 1}),
        ("latency", {"counts": [[1, 0]], "max_us": 1, "sum_us": 1}),
        ("latency", {"counts": [[1]], "max_us": 1, "sum_us": 1}),
        ("latency", {"counts": 7, "max_us": 1, "sum_us": 1}),
        ("latency", []),
        ("latency", None),
        ("errors", {"timeout": "many"}),
        ("errors", None),
        ("planned", "many"),
        ("planned", None),
        ("cpu_share", None),
        ("duration_s", "long"),
        ("duration_s", 0.0),
        ("first_errors", 3),
        ("seconds", None),
    ],
)
def test_nonsense_in_a_result_is_refused(key, value):
    broken = copy.deepcopy(result(0.1))
    broken[key] = value
    with pytest.raises(ValueError):  # noqa: PT011 - the kind is the promise; the text depends on what is wrong
        merge("x", JOB, [broken], began_s=0)


@pytest.mark.parametrize(
    ("cache", "share"),
    [
        ({}, None),
        ({"": 10}, None),
        ({"HIT": 3, "MISS": 1}, 0.75),
        ({"hit": 1, "STALE": 1, "UPDATING": 1, "EXPIRED": 1}, 0.75),
        ({"HIT": 1, "": 3}, 0.25),
        ({"BYPASS": 5}, 0.0),
    ],
)
def test_what_came_from_the_cache(cache, share):
    assert merge("x", JOB, [result(0.1, header_values=cache)], began_s=0).cache_hit_share == share


def test_the_peak_is_the_highest_of_samples_and_summary():
    samples = tuple(Timed(at_s=0.0, values={"memory_share": share}) for share in (0.3, None, 0.5))
    assert HostSamples(samples=samples).memory_peak_share == 0.5
    assert HostSamples(samples=samples, summary={"memory_peak_share": 0.7}).memory_peak_share == 0.7
    assert HostSamples(samples=samples, summary={"memory_peak_share": None}).memory_peak_share == 0.5
    assert HostSamples().memory_peak_share is None

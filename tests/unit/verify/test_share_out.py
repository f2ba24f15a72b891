"""A job divided among cores: the parts add up to the whole."""

import pytest

from deployer.verify.generator import share_out
from deployer.verify.loadgen import _arrivals

JOB = {"mode": "open", "connections": 10, "duration_s": 5.0, "rate_per_s": 100.0, "opened_per_s": 250, "path": "/"}


def test_one_process_gets_it_all():
    assert share_out(JOB, [{}]) == [{**JOB, "seed": 1, "offset_share": 0.0}]


@pytest.mark.parametrize("cores", range(1, 12))
@pytest.mark.parametrize("connections", [1, 3, 10, 1000])
def test_the_parts_add_up(cores, connections):
    job = {**JOB, "connections": connections, "max_requests": 17, "seed": 40}
    parts = share_out(job, [{"cpus": [2 + index]} for index in range(cores)])
    assert len(parts) == min(cores, connections)
    assert sum(part["connections"] for part in parts) == connections
    assert max(part["connections"] for part in parts) - min(part["connections"] for part in parts) <= 1
    assert sum(part["max_requests"] for part in parts) == 17
    assert sum(part["rate_per_s"] for part in parts) == pytest.approx(100.0)
    assert sum(part["opened_per_s"] for part in parts) == pytest.approx(250)
    assert [part["cpus"] for part in parts] == [[2 + index] for index in range(len(parts))]
    assert len({part["seed"] for part in parts}) == len(parts), "the same seed would make the same arrivals"
    assert [part["offset_share"] for part in parts] == [index / len(parts) for index in range(len(parts))]
    assert all((part["path"], part["duration_s"]) == ("/", 5.0) for part in parts)


def test_what_is_not_wanted_is_not_made_up():
    parts = share_out({"mode": "closed", "connections": 4, "duration_s": 1, "rate_per_s": None}, [{}, {}])
    assert all("max_requests" not in part and "opened_per_s" not in part for part in parts)
    assert [part["rate_per_s"] for part in parts] == [None, None]


def test_the_job_itself_is_left_alone():
    before = dict(JOB)
    share_out(JOB, [{}, {}])
    assert before == JOB


@pytest.mark.parametrize(("cores", "burst"), [(1, 5), (2, 5), (3, 32), (8, 2)])
def test_the_parts_of_a_burst_are_due_together_and_as_seldom(cores, burst):
    job = {**JOB, "connections": 10, "burst": burst}
    parts = share_out(job, [{}] * cores)
    assert sum(part["burst"] for part in parts) == burst
    assert sum(part["rate_per_s"] for part in parts) == pytest.approx(100.0)
    due = [next_burst_s(part) for part in parts]
    assert due == [pytest.approx((0.0, burst / 100.0))] * len(parts)


def next_burst_s(part):
    """Give when the first burst of a part is due, and the second."""
    arrivals = _arrivals(part)
    times = [next(arrivals) for _ in range(part["burst"] + 1)]
    assert times[0] == times[-2]
    return times[0], times[-1]

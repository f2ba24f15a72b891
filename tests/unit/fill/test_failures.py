"""What the kernel counted against a unit, as both versions of control groups write it."""

from __future__ import annotations

from deployer.fill.failures import between, counters

V1 = "unit a.service\noom_kill_disable 0\nunder_oom 0\noom_kill 2\nunit b.service\nunit c.service\noom_kill 0\n"
V2 = "unit a.service\nlow 0\nhigh 3\nmax 911\noom 4\noom_kill 1\noom_group_kill 0\n"


def test_kills_of_version_1():
    assert counters(V1) == {"a.service": 2, "b.service": 0, "c.service": 0}


def test_version_2_also_says_when_nothing_was_left_and_being_at_the_limit_is_no_failure():
    assert counters(V2) == {"a.service": 4}


def test_a_group_that_was_made_anew_is_counted_from_nothing():
    assert between({"a": 3, "b": 3}, {"a": 5, "b": 1, "c": 2}) == {"a": 2, "b": 1, "c": 2}

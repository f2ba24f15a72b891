"""What requests waited for, told apart by recorded observations: what was seen on hosts whose processors were idle."""

from dataclasses import replace

import pytest
from samples_of_load import TARGET, host, measured

from deployer.verify.bottleneck import of_closed
from deployer.verify.measured import HostSamples, Timed
from deployer.verify.target import AppLimits

BLOG = replace(TARGET, limits=AppLimits(app="blog", database="mariadb", user="blog", pool_connections=4))
THREADS = replace(TARGET, limits=AppLimits(app="blog", at_once=8, database="mariadb", user="blog", pool_connections=16))
IDLE = {"busy": 0.05}
#: Closed, 32 at once, 53 answers a second of 0.6 s each.
PHASE = {"connections_wanted": 32, "req_per_s": 53.0, "p50_ms": 600.0, "done": 318, "planned": 318}
OUTSIDE = {
    "outside": 32,
    "outside_waiting": 31,
    "outside_waited_ms": 29_400,
    "outside_to": "203.0.113.7:443",
    "queue": 0,
}
USER = {"connections": 4, "busy": 0, "in_transaction": 0, "waiting_for_lock": 0, "longest_ms": 0}


def seen(*, app=None, user=None, **values):
    """What the host told each second."""
    server = {"users": {"blog": {**USER, **user}}} if user is not None else {}
    server |= values.pop("server", {})
    return host(**{**IDLE, **values}, servers={"mariadb": server}, apps={"blog": app or {}})


@pytest.mark.parametrize(
    ("resource", "evidence", "phase", "samples", "target"),
    [
        ("slow outside service", "31 of 32 requests in progress waited for 203.0.113.7:443, up to 29.4 s",
         {}, {"app": OUTSIDE, "user": {}}, BLOG),
        ("slow outside service", "8 of 8 requests", {}, {"app": {**OUTSIDE, "outside_waiting": 8}}, THREADS),
        ("slow outside service", "mariadb was at 0.0 statements", {}, {"app": OUTSIDE, "user": {}}, BLOG),
        ("lock", "3.0 of 4.0 statements in progress waited for a lock in mariadb, up to 4 s",
         {}, {"user": {"busy": 4, "waiting_for_lock": 3, "longest_ms": 4200}}, BLOG),
        ("slow database", "4.0 of the app's 4 connections to mariadb were in a statement, up to 7 s",
         {}, {"user": {"busy": 4, "longest_ms": 7000}}, BLOG),
        ("slow database", "in a statement", {}, {"user": {"busy": 4, "waiting_for_lock": 1}}, BLOG),
        ("pool", "all 4 connections of the app's pool were taken, 4.0 of them in a transaction without a statement",
         {}, {"user": {"in_transaction": 4}}, BLOG),
        ("pool", "32 requests wanted one of the app's 8 threads, and 24 waited at its socket",
         {}, {"app": {"queue": 24}, "user": {}}, THREADS),
        ("disk", "waited for the disk 40% of the time", {}, {"cpu_iowait_share": 0.4, "user": {"busy": 4}}, BLOG),
        ("disk", "some task waited for the disk 50%", {}, {"pressure": {"io_some_share": 0.5}}, BLOG),
        ("disk", "the disk was busy 95%", {}, {"disk_busy_share": 0.95}, BLOG),
        ("waiting for something else", "the host's was 5% busy", {}, {"user": {"busy": 1}}, BLOG),
        ("waiting for something else", "", {}, {"app": {**OUTSIDE, "outside_waiting": 3}}, BLOG),
    ],
)  # fmt: skip
def test_what_is_waited_for_is_named(resource, evidence, phase, samples, target):
    found = of_closed(measured("capacity /", **PHASE | phase), seen(**samples), target)
    assert (found.resource, evidence in found.evidence) == (resource, True), found


@pytest.mark.parametrize(
    ("relaxed_ms", "resource"),
    [
        (80.0, "pool"),  # with less to do the answers come sooner: 53/s x 0.08 s, four at once
        (600.0, "waiting for something else"),  # they take as long when nobody queues
        (None, "waiting for something else"),
    ],
)
def test_a_pool_is_told_from_a_slow_app_by_how_many_are_served_at_once(relaxed_ms, resource):
    phase, samples = measured("capacity /", **PHASE), seen(user={})
    relaxed = None if relaxed_ms is None else measured("open /", p50_ms=relaxed_ms)
    assert of_closed(phase, samples, BLOG, relaxed).resource == resource
    # not all of the pool was ever open
    assert of_closed(phase, seen(user={"connections": 3}), BLOG, relaxed).resource == "waiting for something else"
    # the database is what is slow
    assert of_closed(phase, seen(user={"busy": 3}), BLOG, relaxed).resource == "slow database"


def test_places_that_are_as_many_as_ask_are_no_limit():
    few = measured("capacity /", **PHASE | {"connections_wanted": 4})
    assert of_closed(few, seen(user={"in_transaction": 4}), BLOG).resource == "waiting for something else"
    eight = measured("capacity /", **PHASE | {"connections_wanted": 8})
    assert of_closed(eight, seen(app={"queue": 3}, user={}), THREADS).resource == "waiting for something else"


def test_what_waits_elsewhere_is_named_beside_a_neighbour_but_not_on_a_full_host():
    phase = measured("capacity /", **PHASE)
    beside = seen(app=OUTSIDE, cpu_neighbour_share=0.9)
    assert of_closed(phase, beside, BLOG).resource == "slow outside service"
    assert of_closed(phase, seen(app=OUTSIDE, busy=0.95), BLOG).resource == "host cpu"
    assert of_closed(phase, seen(user={"busy": 4}, cpu_neighbour_share=0.9), BLOG).resource == "neighbour"


def rising(**last):
    """Samples of counters that rise from 0; what is told of nginx and the database is nested."""
    samples = []
    for second in range(8):
        share = second / 7
        values = {"cpu_busy_share": 0.3, "listen_drops": last.get("listen_drops", 0) * share}
        values["servers"] = {
            "nginx": {"accepts": last.get("accepts", 0) * share, "handled": last.get("handled", 0) * share},
            "mariadb": {"refused": last.get("refused", 0) * share},
        }
        samples.append(Timed(at_s=100.0 + second, values=values))
    return HostSamples(samples=tuple(samples))


@pytest.mark.parametrize(
    ("evidence", "phase", "counters"),
    [
        (
            "50% of the requests were told 429",
            {"errors": {"status": 318}, "first_errors": {"status": "status 429"}},
            {},
        ),
        ("connections found the listen queue full", {"established": 32}, {"listen_drops": 700}),
        ("nginx cut", {}, {"accepts": 1000, "handled": 900}),
        ("mariadb refused", {}, {"refused": 70}),
    ],
)
def test_a_limit_is_named(evidence, phase, counters):
    found = of_closed(measured("capacity /", **PHASE | phase), rising(**counters), BLOG)
    assert found.resource == "limit"
    assert evidence in found.evidence


@pytest.mark.parametrize(
    ("phase", "counters"),
    [
        ({"errors": {"status": 318}, "first_errors": {"status": "status 503"}}, {}),
        ({"errors": {"status": 3}, "first_errors": {"status": "status 429"}}, {}),
        ({}, {"accepts": 1000, "handled": 1000}),
        ({}, {}),
    ],
)
def test_what_is_no_limit_is_not_named_one(phase, counters):
    found = of_closed(measured("capacity /", **PHASE | phase), rising(**counters), BLOG)
    assert found.resource == "waiting for something else"


def test_what_a_host_says_may_be_anything():
    phase = measured("capacity /", **PHASE)
    for odd in ("much", None, True, [1], {"a": 1}):
        values = {"cpu_busy_share": 0.1, "servers": {"mariadb": {"users": {"blog": {"busy": odd}}}}, "apps": odd}
        strange = HostSamples(samples=tuple(Timed(at_s=100.0 + at, values=values) for at in range(8)))
        assert of_closed(phase, strange, BLOG).resource == "waiting for something else"
        assert strange.during(phase, "apps") is strange.most(phase, "apps") is strange.rise(phase, "apps") is None
        assert strange.word(phase, "apps") == ("much" if odd == "much" else "")

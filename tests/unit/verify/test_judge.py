"""From figures to outcomes: kept and missed only where nobody but the host can have made it so."""

import pytest
from samples_of_load import SLO, TARGET, all_phases, host, measured

from deployer.verify import HostSamples, Timed, Unwatched
from deployer.verify.judge import judge
from deployer.verify.safety import Stop

METRICS = [
    "connections_held",
    "cached_p95_ms",
    "cached_req_per_s",
    "uncached_p95_ms",
    "errors",
    "memory_peak_share",
    "oom_kills",
    "restarts",
]
#: The generator is at its limit: what is bad may be its own doing.
STARVED = {"cpu_share": 0.7, "cpu_wait_share": 0.25}
IDLE = {"cpu_busy_share": 0.3}


def verdict(*, seen=None, slo=SLO, target=TARGET, **over):
    return judge(all_phases(**over), seen or host(), target, slo)


def line(found, metric):
    [only] = [each for each in found.lines if each.objective.metric == metric]
    return only


def test_a_good_run_keeps_every_line():
    found = verdict()
    assert [each.objective.metric for each in found.lines] == METRICS
    assert {each.outcome for each in found.lines} == {"kept"}
    assert found.outcome == "kept"
    assert line(found, "cached_p95_ms").measured_value == 100.0
    assert line(found, "memory_peak_share").measured == "61.0%"


MISSES = {
    "connection lost": ("connections_held", {"hold": {"alive_min": 999}}),
    "an error while held": ("connections_held", {"hold": {"errors": {"timeout": 1}}}),
    "cached late": ("cached_p95_ms", {"cached": {"p95_ms": 200.1}}),
    "cached unanswered": ("cached_p95_ms", {"cached": {"p95_ms": None, "done": 0, "req_per_s": 0.0}}),
    "cached too few": ("cached_req_per_s", {"cached": {"req_per_s": 4999.0}}),
    "uncached late": ("uncached_p95_ms", {"open": {"p95_ms": 200.1}}),
    "uncached unanswered": ("uncached_p95_ms", {"open": {"p95_ms": None, "done": 0}}),
    "an error elsewhere": ("errors", {"capacity": {"errors": {"status": 1}, "first_errors": {"status": "502"}}}),
    "memory": ("memory_peak_share", {"seen": host(summary={"memory_peak_share": 0.851})}),
    "memory between": ("memory_peak_share", {"seen": host(memory_share=0.9)}),
    "oom": ("oom_kills", {"seen": host(summary={"oom_kills": 1})}),
    "restart": ("restarts", {"seen": host(summary={"restarts": 2})}),
}


@pytest.mark.parametrize("case", MISSES)
def test_each_line_is_missed_by_what_it_is_about(case):
    metric, over = MISSES[case]
    found = verdict(**over)
    assert line(found, metric).outcome == "missed"
    assert found.outcome == "missed"
    others = {each.objective.metric for each in found.lines if each.outcome != "kept"}
    assert others <= {metric, "cached_req_per_s"}


@pytest.mark.parametrize(
    ("metric", "phase", "over"),
    [
        ("connections_held", "hold", {}),
        ("errors", "cached", {}),
        ("cached_p95_ms", "cached", {"p95_ms": None, "done": 0}),
    ],
)
def test_a_miss_names_the_kinds_of_errors(metric, phase, over):
    errors = {"errors": {"reset": 3, "timeout": 7}, "first_errors": {"reset": "by peer"}}
    assert "7 timeout, 3 reset (by peer)" in line(verdict(**{phase: {**errors, **over}}), metric).why


def test_a_limit_itself_is_kept():
    found = verdict(
        cached={"p95_ms": 200.0, "req_per_s": 5000.0},
        open={"p95_ms": 200.0},
        seen=host(summary={"memory_peak_share": 0.85}),
    )
    assert found.outcome == "kept"


def test_errors_that_are_allowed_while_connections_are_held():
    assert verdict(slo=SLO.model_copy(update={"held_errors": 2}), hold={"errors": {"reset": 2}}).outcome == "kept"


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_that_was_not_measured_is_kept(metric):
    found = judge([], Unwatched().finish(), TARGET, SLO)
    assert line(found, metric).outcome == "inconclusive"
    assert line(found, metric).why
    assert found.outcome == "inconclusive"


@pytest.mark.parametrize("left_out", range(4))
def test_a_phase_that_is_missing_is_seen(left_out):
    phases = all_phases()
    gone = phases.pop(left_out)
    found = judge(phases, host(), TARGET, SLO)
    assert found.outcome == "inconclusive"
    for metric in ("errors", "memory_peak_share", "oom_kills", "restarts"):
        assert line(found, metric).outcome == "inconclusive"
        assert gone.name in line(found, metric).why


BAD_FIGURES = [
    ("connections_held", "hold", {"alive_min": 500, "errors": {"reset": 500}}),
    ("cached_p95_ms", "cached", {"p95_ms": 900.0}),
    ("cached_p95_ms", "cached", {"p95_ms": None, "done": 0, "errors": {"timeout": 9}}),
    ("cached_req_per_s", "cached", {"req_per_s": 50.0}),
    ("uncached_p95_ms", "open", {"p95_ms": 900.0}),
    ("errors", "capacity", {"errors": {"timeout": 9}}),
]
DOUBTS = {
    "starved": (STARVED, IDLE),
    "a full core": ({"cpu_share": 0.95}, IDLE),
    "a neighbour": ({}, {"cpu_steal_share": 0.06}),
    "work beside a local VPS": ({}, {"cpu_neighbour_share": 0.11}),
    "ended early": ({"stopped": True}, {}),
}


@pytest.mark.parametrize("doubt", DOUBTS)
@pytest.mark.parametrize(("metric", "phase", "figure"), BAD_FIGURES)
def test_a_doubt_makes_a_miss_inconclusive_and_never_kept(metric, phase, figure, doubt):
    # what failed has failed, however long it went on
    expected = "missed" if doubt == "ended early" and metric in ("errors", "connections_held") else "inconclusive"
    doubtful, values = DOUBTS[doubt]
    seen = host(**values)
    found = verdict(seen=seen, **{phase: {**figure, **doubtful}})
    assert line(found, metric).outcome == expected
    assert line(found, metric).why


@pytest.mark.parametrize("doubt", ["starved", "a full core", "a neighbour", "work beside a local VPS"])
def test_what_is_good_in_spite_of_a_doubt_is_kept(doubt):
    doubtful, values = DOUBTS[doubt]
    found = verdict(seen=host(**values), **dict.fromkeys(("hold", "cached", "capacity", "open"), doubtful))
    assert {each.outcome for each in found.lines} == {"kept"}


def test_a_throughput_that_the_generator_ended_is_at_least_that():
    found = verdict(seen=host(busy=0.3), cached=STARVED)
    assert line(found, "cached_req_per_s").measured == "at least 10000 req/s"


def test_a_throughput_is_only_said_to_be_more_where_it_was_enough_and_the_limit_elsewhere():
    assert line(verdict(), "cached_req_per_s").measured == "10000 req/s"
    too_few = verdict(seen=host(busy=0.3), cached={**STARVED, "req_per_s": 50.0})
    assert line(too_few, "cached_req_per_s").measured == "50 req/s"


@pytest.mark.parametrize(
    ("metric", "phase"),
    [
        ("connections_held", "hold"),
        ("cached_p95_ms", "cached"),
        ("cached_req_per_s", "cached"),
        ("uncached_p95_ms", "open"),
    ],
)
def test_a_good_figure_of_a_phase_that_was_ended_early_proves_nothing(metric, phase):
    found = line(verdict(**{phase: {"stopped": True}}), metric)
    assert (found.outcome, found.why) == ("inconclusive", "the load was ended early")


def test_failures_that_came_quickly_are_no_latency():
    assert line(verdict(cached={"done": 0, "p95_ms": 3.0}), "cached_p95_ms").outcome == "missed"


def test_a_thin_link_is_not_the_hosts_miss():
    from dataclasses import replace

    thin = replace(TARGET, bandwidth_mbit_per_s=3.0)
    found = verdict(target=thin, seen=host(busy=0.2), cached={"req_per_s": 70.0})
    assert line(found, "cached_req_per_s").outcome == "inconclusive"
    assert "the link carries 71" in line(found, "cached_req_per_s").why


@pytest.mark.parametrize("p95_ms", [20.0, 900.0])
@pytest.mark.parametrize(
    "own", [{"errors": {"generator_sockets": 3}}, {"errors": {"dropped": 3}}, {"late_p99_ms": 11.0}]
)
def test_a_generator_at_fault_makes_latency_worthless_either_way(own, p95_ms):
    found = verdict(open={"p95_ms": p95_ms, **own})
    assert line(found, "uncached_p95_ms").outcome == "inconclusive"
    assert "generator" in line(found, "uncached_p95_ms").why


def test_being_a_little_late_is_no_fault():
    assert verdict(open={"late_p99_ms": 9.9}).outcome == "kept", "5 % of 200 ms"


def test_the_generators_own_errors_are_inconclusive_and_beside_others_they_are_missed():
    own, theirs = {"errors": {"dropped": 3}}, {"errors": {"status": 1}}
    assert line(verdict(open=own), "errors").outcome == "inconclusive"
    both = {"errors": {"dropped": 3, "generator_sockets": 1}}
    assert line(verdict(open=both), "errors").outcome == "inconclusive"
    assert line(verdict(open=own, cached=theirs), "errors").outcome == "missed"


def test_errors_beyond_doubt_in_one_phase_are_a_miss_whatever_another_was():
    found = verdict(seen=host(busy=0.3), cached={"errors": {"status": 9}}, open={"errors": {"status": 1}, **STARVED})
    assert line(found, "errors").outcome == "missed"
    assert line(found, "errors").measured_value == 10


@pytest.mark.parametrize("metric", ["uncached_p95_ms", "uncached_req_per_s"])
@pytest.mark.parametrize("where", ["capacity", "open"])
def test_an_uncached_page_from_the_cache_is_not_measured(metric, where):
    slo = SLO.model_copy(update={"uncached_req_per_s": 100})
    found = verdict(slo=slo, **{where: {"cache": {"HIT": 50, "BYPASS": 50}}})
    assert line(found, metric).outcome == "inconclusive"
    assert "50% of the answers came from the cache" in line(found, metric).why
    assert "slo.uncached_headers" in line(found, metric).why
    bypassed = verdict(slo=slo, **{where: {"cache": {"BYPASS": 99, "HIT": 1}}})
    assert line(bypassed, metric).outcome == "kept"


def test_an_uncached_throughput_is_held_to_its_own_capacity():
    slo = SLO.model_copy(update={"uncached_req_per_s": 300})
    assert line(verdict(slo=slo, capacity={"req_per_s": 299.0}), "uncached_req_per_s").outcome == "missed"
    assert line(verdict(slo=slo, capacity={"req_per_s": 300.0}), "uncached_req_per_s").outcome == "kept"


LOST = {"fault": "the channel is gone"}


@pytest.mark.parametrize("metric", ["memory_peak_share", "oom_kills", "restarts"])
def test_a_watch_that_was_lost_keeps_nothing(metric):
    found = verdict(seen=host(**LOST))
    assert line(found, metric).outcome == "inconclusive"
    assert line(found, metric).why == "the channel is gone"


def test_a_watch_that_was_lost_still_shows_what_it_saw():
    found = verdict(seen=host(**LOST, memory_share=0.9, oom_kills=2))
    assert line(found, "memory_peak_share").outcome == "missed"
    assert (line(found, "oom_kills").outcome, line(found, "oom_kills").measured_value) == ("missed", 2)


def test_kills_that_were_seen_before_the_watch_was_lost_count():
    samples = tuple(Timed(at_s=100.0 + n, values={"oom_kills": kills}) for n, kills in enumerate((0, None, 2, None)))
    found = verdict(seen=HostSamples(samples=samples, fault="gone"))
    assert (line(found, "oom_kills").outcome, line(found, "oom_kills").measured_value) == ("missed", 2)
    assert line(found, "memory_peak_share").why == "gone"


def test_a_kernel_that_does_not_count_kills_has_not_said_that_there_were_none():
    found = verdict(seen=host(summary={"oom_kills": None}, oom_kills=None))
    assert line(found, "oom_kills").outcome == "inconclusive"
    assert "does not say" in line(found, "oom_kills").why


def test_the_unit_that_was_killed_is_named():
    units = {"app.service": {"oom_kills": 1, "restarts": 0}, "nginx.service": {"oom_kills": 0, "restarts": 3}}
    found = verdict(seen=host(summary={"oom_kills": 1, "restarts": 3, "units": units}))
    assert line(found, "oom_kills").why == "app.service"
    assert line(found, "restarts").why == "nginx.service"


def test_a_load_that_was_ended_early_proves_no_peak():
    found = judge(all_phases()[:1], host(), TARGET, SLO, stop=Stop("the host suffers"))
    for metric in ("errors", "memory_peak_share", "oom_kills", "restarts"):
        assert line(found, metric).outcome == "inconclusive"
    assert "the host suffers" in line(found, "oom_kills").why
    assert found.stopped == "the host suffers"
    assert (
        line(judge(all_phases()[:1], host(summary={"oom_kills": 1}), TARGET, SLO, stop=Stop("x")), "oom_kills").outcome
        == "missed"
    )


def test_no_line_at_all_is_not_kept():
    from dataclasses import replace

    assert replace(verdict(), lines=()).outcome == "inconclusive"


def test_a_miss_outweighs_a_doubt():
    found = verdict(cached={"p95_ms": 900.0}, open={"stopped": True})
    assert {each.outcome for each in found.lines} > {"missed", "inconclusive"}
    assert found.outcome == "missed"


def test_capacity_is_told_of_each_page_and_says_who_ended_it():
    found = verdict(capacity={"req_per_s": 320.0, "connections_wanted": 32})
    assert [(each.path, each.cached, each.req_per_s, each.binding) for each in found.capacity] == [
        ("/", True, 10_000.0, "host cpu"),
        ("/post", False, 320.0, "host cpu"),
    ]
    assert found.binding == "host cpu"
    assert judge([measured("cached", done=0, planned=0)], host(), TARGET, SLO).capacity == ()
    [unanswered] = judge([measured("cached", done=0, req_per_s=0.0)], host(), TARGET, SLO).capacity
    assert (unanswered.req_per_s, unanswered.binding) == (0.0, "host cpu")


def test_notes_say_what_a_reader_has_to_know():
    from dataclasses import replace

    target = replace(TARGET, bandwidth_mbit_per_s=100.0)
    found = verdict(
        target=target, cached={"cache": {"HIT": 80, "EXPIRED": 20}}, seen=host(summary={"listen_overflows": 7})
    )
    assert found.notes == (
        "the server's certificate was not checked",
        "only 80% of the answers for / came from the cache",
        "the link carries at most 2365 answers a second for /",
        "the host's listen queues overflowed 7 times",
    )
    assert verdict(target=replace(TARGET, verify_certificate=True)).notes == ()


def test_the_mean_of_a_phase_takes_only_samples_that_lie_in_it():
    values = ((100.5, 0.0), (101.0, 0.4), (106.0, 0.6), (106.3, 0.0), (110.0, 0.0))
    seen = HostSamples(samples=tuple(Timed(at_s=at, values={"cpu_busy_share": busy}) for at, busy in values))
    assert seen.during(measured("cached"), "cpu_busy_share") == pytest.approx(0.5)
    assert seen.during(measured("cached", began_s=200.0), "cpu_busy_share") is None
    assert seen.during(measured("cached"), "cpu_steal_share") is None

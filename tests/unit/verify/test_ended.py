"""A load that was ended early: a failure only if its cause is on the host."""

import pytest
from samples_of_load import SLO, TARGET, host, measured

from deployer.objectives import parse
from deployer.verify import report
from deployer.verify.judge import judge
from deployer.verify.safety import Stop

OWN = {"errors": {"dropped": 50}}
HOSTS = {"errors": {"timeout": 50}}


def ended(text, *, phase="hold", value=0.5, seen=None, slo=SLO, **over):
    stop = Stop(f"why ({text})", parse(text, "abort"), value, phase)
    return judge([measured("hold", stopped=True, **over)], seen or host(), TARGET, slo, stop=stop)


def last(verdict):
    return verdict.lines[-1]


@pytest.mark.parametrize(
    "text",
    [
        "host.mem > 90% for 3s",
        "host.oom_kills > 0",
        "service.*.mem > 90%",
        "service.nginx.restarts > 0",
        "host.cpu > 9%",
    ],
)
def test_what_the_host_did_is_its_failure(text):
    found = ended(text)
    assert (found.outcome, found.stopped) == ("missed", f"why ({text})")
    assert (last(found).outcome, last(found).why) == ("missed", f"why ({text})")
    assert last(found).objective.metric.startswith("abort_")
    assert last(found).objective.wanted.startswith("not > ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("host.steal > 5% for 3s", "the hypervisor"),
        ("host.neighbour > 10%", "other work on this machine"),
        ("host.silent > 1.8s", "may be well"),
        ("sampler.silent > 6s", "may be well"),
    ],
)
def test_what_others_did_or_nobody_knows_is_inconclusive(text, why):
    found = ended(text)
    assert (found.outcome, last(found).outcome) == ("inconclusive", "inconclusive")
    assert why in last(found).why


@pytest.mark.parametrize(
    ("over", "seen", "outcome"),
    [
        (HOSTS, None, "missed"),
        (OWN, None, "inconclusive"),
        ({"errors": {**OWN["errors"], **HOSTS["errors"]}}, None, "missed"),
        ({**HOSTS, "cpu_share": 0.95}, None, "inconclusive"),
        (HOSTS, host(cpu_steal_share=0.2), "inconclusive"),
        (HOSTS, host(cpu_neighbour_share=0.2), "inconclusive"),
    ],
)
def test_errors_are_the_hosts_unless_somebody_else_may_have_made_them(over, seen, outcome):
    assert last(ended("errors > 5%", seen=seen, **over)).outcome == outcome


def test_a_late_generator_makes_no_latency_the_hosts():
    assert last(ended("p95 > 2s", value=3000.0, mode="open", late_p99_ms=500.0)).outcome == "inconclusive"
    assert last(ended("p95 > 2s", value=3000.0, mode="open", late_p99_ms=1.0)).outcome == "missed"


def test_of_a_phase_that_does_not_count_nothing_more_is_known():
    found = last(ended("errors > 5%", phase="warm-up /", **HOSTS))
    assert found.outcome == "inconclusive"
    assert "warm-up / is no part of the result" in found.why


def test_without_a_line_there_is_no_verdict_about_one():
    found = judge([measured("hold", stopped=True)], host(), TARGET, SLO, stop=Stop("the channel is gone"))
    assert found.outcome == "inconclusive"
    assert not any(line.objective.metric.startswith("abort") for line in found.lines)


def test_the_report_says_it():
    text = report.text(ended("host.mem > 90% for 3s", value=0.93))
    assert "ended early: why (host.mem > 90% for 3s)" in text
    assert "host.mem, no abort" in text
    assert "not > 90% for 3s" in text

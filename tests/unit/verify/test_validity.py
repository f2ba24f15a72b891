"""`slo.valid`: without what it wants a test proves nothing, neither that an objective is kept nor that it is missed."""

from dataclasses import replace

import pytest
from samples_of_load import SLO, TARGET, all_phases, host, measured

from deployer.objectives import parse
from deployer.report.junit import junit
from deployer.report.verdicts import Run
from deployer.verify import HostSamples, Timed, report
from deployer.verify.defaults import SOUND, sound
from deployer.verify.judge import judge
from deployer.verify.safety import Stop

THIN = replace(TARGET, bandwidth_mbit_per_s=1000.0)


def judged(*valid, phases=None, seen=None, target=TARGET, stop=None, **over):
    slo = SLO.model_copy(update={"valid": valid})
    return judge(phases or all_phases(**over), seen or host(), target, slo, stop=stop)


def own(verdict):
    return [line for line in verdict.lines if line.objective.severity == "valid"]


NEIGHBOUR = HostSamples(
    samples=tuple(
        Timed(at_s=100.0 + at, values={"cpu_neighbour_share": share}) for at, share in enumerate((0, 0.3, 0))
    ),
    summary=host().summary,
)


@pytest.mark.parametrize(
    ("text", "holds", "figure"),
    [
        ("gen.cpu < 42%", True, 0.41),
        ("gen.cpu < 41%", False, 0.41),
        ("gen.late.p99 <= 1ms", True, 1.0),
        ("gen.late.p99 < 1ms", False, 1.0),
        ("gen.sent >= 99%", True, 1.0),
        ("gen.errors == 0", True, 0),
        ("host.steal < 5%", True, 0.0),
        ("host.cpu < 97%", False, 0.97),
        ("host.mem < 62%", True, 0.61),
        ("host.oom_kills == 0", True, 0),
        ("open.p95 < 200ms", True, 100.0),
        ("open.p95 < 99ms", False, 100.0),
        ("service.nginx.mem < 10%", False, 20 / 64),
    ],
)
def test_a_line_of_validity(text, holds, figure):
    found = judged(text)
    [line] = own(found)
    assert (line.outcome, line.measured_value) == ("kept" if holds else "inconclusive", pytest.approx(figure))
    assert found.outcome == ("kept" if holds else "inconclusive")


def test_neither_kept_nor_missed_counts_without_it():
    found = judged("gen.cpu < 1%", cached={"p95_ms": 900.0})
    assert found.outcome == "inconclusive"
    rest = {line.objective.metric: line for line in found.lines if line.objective.severity != "valid"}
    assert {line.outcome for line in rest.values()} == {"inconclusive"}
    assert "it looked missed" in rest["cached_p95_ms"].why
    assert "it looked kept" in rest["oom_kills"].why
    assert all("the test is not valid (gen.cpu < 1%)" in line.why for line in rest.values())
    assert judged("gen.cpu < 99%", cached={"p95_ms": 900.0}).outcome == "missed"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("net.util < 90%", "the link's speed is not known"),
        ("host.neighbour < 10%", "this host does not say"),
        ("service.redis.mem < 90%", "no unit redis was watched"),
    ],
)
def test_what_was_not_measured_makes_it_inconclusive(text, why):
    found = judged(text)
    assert (found.outcome, own(found)[0].outcome) == ("inconclusive", "inconclusive")
    assert why in own(found)[0].why


def test_a_link_and_a_neighbour_that_are_known():
    # 5000 bytes take 5286 on the wire, so 1000 Mbit/s carry 23 600 of them, and 10 000 were asked for
    assert own(judged("net.util < 50%", target=THIN))[0].measured_value == pytest.approx(0.42, abs=0.01)
    assert judged("net.util < 40%", target=THIN).outcome == "inconclusive"
    assert own(judged("host.neighbour < 10%", seen=NEIGHBOUR))[0].outcome == "inconclusive"
    assert own(judged("host.neighbour <= 15% within 2s", seen=NEIGHBOUR))[0].outcome == "kept"


def test_what_the_generator_did_not_send_itself():
    found = judged("gen.sent >= 99%", "gen.errors <= 599", open={"errors": {"dropped": 600, "timeout": 3}})
    assert [line.measured_value for line in own(found)] == [pytest.approx(0.99), 600]
    assert [line.outcome for line in own(found)] == ["kept", "inconclusive"]
    assert own(found)[1].why == "in open /post"


def test_the_search_for_the_knee_goes_beyond_it_on_purpose():
    trial = measured("knee 1", cpu_share=1.0, mode="open")
    assert own(judged("gen.cpu < 80%", phases=[*all_phases(), trial]))[0].outcome == "kept"


def test_a_load_that_the_host_ended_stays_its_failure_if_the_test_is_valid():
    stop = Stop("why", parse("host.mem > 90%", "abort"), 0.93, "hold")
    phases = [measured("hold", stopped=True)]
    assert judged("gen.cpu < 80%", "host.steal < 5%", phases=phases, stop=stop).outcome == "missed"
    assert judged("gen.cpu < 1%", phases=phases, stop=stop).outcome == "inconclusive"


def test_a_quick_test_sets_aside_what_it_has_no_phase_for():
    slo = SLO.model_copy(update={"valid": ("r1000.errors == 0",)})
    found = judge(all_phases(), host(), TARGET, slo)
    assert found.outcome == "kept"
    assert own(found) == []
    assert any("r1000.errors == 0" in note for note in found.notes)


def test_the_reports_tell_it_apart():
    found = judged("gen.cpu < 1%", "host.steal < 5%")
    assert "valid: gen.cpu" in report.text(found)
    document = report.document(found, started_at="2026-01-01T00:00:00+00:00", host="web1")
    assert [line["severity"] for line in document["lines"]][-2:] == ["valid", "valid"]
    xml = junit(Run.of({**document, "phases": []}))
    assert "<failure" not in xml
    assert xml.count("<skipped") == 1 + sum(line.objective.severity == "must" for line in found.lines)
    assert f'skipped="{xml.count("<skipped")}"' in xml


def test_what_holds_for_every_test_is_written_in_the_same_words():
    for line in SOUND:
        assert parse(line.text, "valid") == line
        assert sound(line.left) is line

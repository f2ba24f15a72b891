"""The whole test: its phases in order, what is not asked for, and the lines that a quick one has not."""

from dataclasses import replace

import pytest
from samples_of_load import SUMMARY, TARGET, all_phases, host, measured

from deployer.errors import Inconclusive
from deployer.slo import Phases, Slo
from deployer.verify import Findings, HostSamples, Timed, VerifyTarget, find_knee, run, verify
from deployer.verify.confidence import of_percentile
from deployer.verify.judge import judge
from deployer.verify.leak import Rest
from deployer.verify.loadgen import Histogram
from deployer.verify.target import Prediction

PHASES = Phases(warmup_s=1, hold_s=7, closed_s=3, cooldown_s=0.5, trial_s=6, trials=12, rate_s=10)
SLO = Slo(uncached_paths=("/a",), uncached_headers={"Cookie": "s=1"}, phases=PHASES)
TARGET_OF_RUN = VerifyTarget.of(SLO, address="127.0.0.1", server_name="blog.example", connections=1000)


class Watch:
    """A sampler that sees nothing wrong."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def alarm(self):
        return ""

    def told(self):
        return ()

    def silence_s(self):
        return 0.0

    def finish(self):
        return HostSamples(summary=SUMMARY)


class Site:
    """Answers for generator and host: a page that carries so much, with 5000 bytes an answer."""

    def __init__(self, carries_per_s=8000.0):
        self.carries_per_s = carries_per_s
        self.jobs = []
        self.over = {}

    def generate(self, name, job, *, cpus, vantages, progress, alarm):
        self.jobs.append((name, job))
        rate = job.get("rate_per_s")
        late = rate is not None and rate > self.carries_per_s
        over = {"p95_ms": 900.0 if late else 20.0, "req_per_s": min(rate or 1e9, self.carries_per_s)}
        over |= {"rate_per_s": rate, "mode": job["mode"], "path": job["path"], "duration_s": job["duration_s"]}
        return measured(name, **over, **self.over.get(name, {}))

    @property
    def names(self):
        return [name for name, _ in self.jobs]

    def job(self, name):
        return next(job for asked, job in self.jobs if asked == name)


@pytest.fixture
def site(monkeypatch):
    found = Site()
    monkeypatch.setattr(run, "generate", found.generate)
    monkeypatch.setattr("deployer.verify.course.REST_S", 0.01)
    return found


def whole(**options):
    return verify(options.pop("target", TARGET_OF_RUN), options.pop("slo", SLO), Watch(), whole=True, **options)


def line(found, metric):
    [only] = [each for each in found.lines if each.objective.metric == metric]
    return only


def test_all_phases_in_order(site):
    found = whole()
    names = site.names
    assert names[:3] == ["preflight /a", "preflight /", "ceiling"]
    assert names[3:9] == ["warm-up /"] * 3 + ["warm-up /a"] * 3, "three windows that are alike"
    assert names[9:16] == ["hold", "r100", "r1000", "cached", "r5000", "capacity /a", "open /a"]
    assert all(name.startswith("knee ") for name in names[16:])
    assert [phase.name for phase in found.phases][:7] == ["ceiling", *names[9:15]]
    assert found.findings.whole
    assert found.findings.knee.kept_per_s == pytest.approx(8000, rel=0.03)
    assert found.stopped == ""


def test_the_rates_are_even_open_and_long_enough(site):
    whole()
    for rate, connections, seconds in ((100, 100, 20), (1000, 1000, 10), (5000, 1000, 10)):
        job = site.job(f"r{rate}")
        assert (job["mode"], job["rate_per_s"]) == ("open", rate)
        assert (job["connections"], job["duration_s"]) == (connections, seconds)


def test_what_the_link_cannot_carry_is_named_and_no_failure(site):
    site.carries_per_s = 500.0
    found = whole(target=replace(TARGET_OF_RUN, bandwidth_mbit_per_s=20.0))
    assert found.findings.ceiling_req_per_s == pytest.approx(473, abs=1)
    assert "r100" in site.names
    assert "r1000" not in site.names
    for rate in (1000, 5000):
        over = line(found, f"r{rate}_p95_ms")
        assert (over.outcome, over.objective.severity) == ("inconclusive", "should")
        assert "the link carries 473" in over.why
    assert line(found, "errors").outcome == "kept", "nothing is missing"


def test_a_thin_link_is_not_asked_for_more_than_it_carries_by_held_connections_or_at_full_load(site):
    site.carries_per_s = 100.0
    found = whole(target=replace(TARGET_OF_RUN, bandwidth_mbit_per_s=4.2))
    ceiling = found.findings.ceiling_req_per_s
    hold, full = site.job("hold"), site.job("cached")
    assert hold["connections"] / hold["request_every_s"] == pytest.approx(0.9 * ceiling)
    assert full["connections"] == int(ceiling * 2), "each waits some 2 s for the link"
    assert (hold["connections"], site.job("knee 1")["connections"]) == (1000, 32)


@pytest.mark.parametrize(
    ("phase", "figures"),
    [
        ("hold", {"errors": {"timeout": 5}, "alive_min": 900}),
        ("cached", {"errors": {"timeout": 5}}),
        ("cached", {"p95_ms": 900.0}),
        ("cached", {"p95_ms": None, "done": 1}),
        ("open", {"p95_ms": 900.0}),
    ],
)
def test_what_a_full_link_may_have_done_is_not_the_hosts(phase, figures):
    # 5000 bytes an answer: 3 Mbit/s carry 71 a second
    thin = replace(TARGET, bandwidth_mbit_per_s=3.0)
    full = {"req_per_s": 70.0, "planned": 480, **figures}
    idle = {"req_per_s": 20.0, "planned": 120}
    slo = Slo(uncached_paths=("/post",))
    phases = dict.fromkeys(("hold", "cached", "capacity", "open"), idle)
    found = judge(all_phases(**{**phases, phase: full}), host(busy=0.2), thin, slo)
    assert found.outcome == "inconclusive"
    assert any("the link carries 71" in each.why for each in found.lines)
    wide = judge(all_phases(**{**phases, phase: full}), host(busy=0.2), TARGET, slo)
    assert wide.outcome == "missed"


def test_what_the_page_did_not_bring_at_full_load_is_missed_without_being_tried(site):
    site.carries_per_s = 3000.0
    site.over["cached"] = {"began_s": 100.0}
    found = judge(
        [*all_phases(), measured("r100", mode="open"), measured("r1000", mode="open")],
        host(),
        TARGET,
        Slo(uncached_paths=("/post",)),
        findings=Findings(whole=True, over_capacity=frozenset({5000})),
    )
    assert line(found, "r5000_p95_ms").outcome == "missed"
    assert "not tried" in line(found, "r5000_p95_ms").why
    whole()
    assert "r5000" not in site.names


def test_a_page_that_answers_wrongly_ends_it_before_the_load(site):
    site.over["preflight /a"] = {"errors": {"status": 10}, "first_errors": {"status": "status 500"}, "done": 0}
    with pytest.raises(Inconclusive, match="does not answer for /a"):
        whole()
    assert site.names == ["preflight /a"]


def test_a_page_that_is_never_steady_is_warmed_up_for_so_long_and_no_longer(site, monkeypatch):
    rates = iter(float(10 * 2**number) for number in range(100))
    good = site.generate

    def warming(name, job, **options):
        found = good(name, job, **options)
        return replace(found, req_per_s=next(rates)) if name == "warm-up /" else found

    monkeypatch.setattr(run, "generate", warming)
    found = whole(phases=PHASES.model_copy(update={"warmup_most_s": 5.0}))
    assert site.names.count("warm-up /") == 5
    assert "still getting faster" in found.findings.warming["/", True]
    assert any("still getting faster" in note for note in found.notes)


def test_the_time_is_bounded(site):
    found = whole(phases=PHASES.model_copy(update={"most_s": 0.5, "cooldown_s": 0.5}), slo=SLO)
    assert not found.stopped
    assert found.findings.cut == "" or "the time was up" in found.findings.cut
    slow = PHASES.model_copy(update={"most_s": 0.5})
    monday = run.Run(TARGET_OF_RUN, slow, Watch(), (), lambda _line: None)
    monday._began_s -= 1.0
    monday._expected_s = 1.0
    assert monday.generate("hold", {}) is None
    assert "the time was up after 0.5 s" in monday.cut


def test_phases_that_are_missing_for_want_of_time_are_inconclusive(site, monkeypatch):
    monkeypatch.setattr(run.Run, "took_s", property(lambda self: 1e6 if "cached" in site.names else 0.0))
    found = whole()
    assert "the time was up" in line(found, "errors").why
    assert found.outcome == "inconclusive"


def test_it_says_how_long_it_takes(site):
    said = []
    whole(say=said.append)
    assert said[0].startswith("all phases: about ")
    assert "at most 10:00" in said[0]
    assert any("hold: 1000 connections for 7 s [0:00 of about " in each for each in said)


def test_the_knee_alone(site):
    site.carries_per_s = 100.0
    found = find_knee(replace(TARGET_OF_RUN, bandwidth_mbit_per_s=4.2), SLO, Watch())
    assert {name.split(" ")[0] for name in site.names} == {"preflight", "ceiling", "warm-up", "knee"}
    assert found.knee.kept_per_s == pytest.approx(found.ceiling_req_per_s, rel=0.05)


def test_the_trials_have_as_many_connections_as_may_be_busy(site):
    whole()
    first = site.job("knee 1")
    assert first["connections"] == 1000, "8000/s x 200 ms and a quarter more, at most those of the target"
    assert first["rate_per_s"] == pytest.approx(0.9 * 8000)


# -- lines


UNITS = {"nginx.service": {"peak_mib": 20.0, "limit_mib": 64.0, "oom_kills": 0, "restarts": 0}}


def leak(before, after, *, limit_mib=64.0):
    samples = tuple(
        Timed(at_s=at, values={"units": {"nginx.service": {"anonymous_mib": value}}})
        for at, value in ((99.0, 1.0), (100.5, before), (150.0, 60.0), (200.5, after))
    )
    units = {"nginx.service": {**UNITS["nginx.service"], "limit_mib": limit_mib}}
    seen = HostSamples(samples=samples, summary={**SUMMARY, "units": units})
    rests = (Rest(100.0, 101.0), Rest(200.0, 201.0))
    through = Findings(whole=True, rests=rests, over_link=frozenset(SLO.rates_per_s))
    return line(judge(all_phases(), seen, TARGET, SLO, findings=through), "leaked_mib")


@pytest.mark.parametrize(
    ("before", "after", "limit_mib", "outcome"),
    [
        (10.0, 10.0, 64.0, "kept"),
        (10.0, 5.0, 64.0, "kept"),
        (10.0, 22.8, 64.0, "kept"),
        (10.0, 22.9, 64.0, "missed"),
        (10.0, 18.0, 8.0, "kept"),
        (10.0, 18.1, None, "missed"),
    ],
)
def test_memory_comes_back_within_a_fifth_of_the_limit(before, after, limit_mib, outcome):
    found = leak(before, after, limit_mib=limit_mib)
    assert found.outcome == outcome
    assert found.measured_value == pytest.approx(after - before)
    assert "nginx.service" in found.why


def test_memory_that_came_back_from_half_a_load_proves_nothing():
    samples = tuple(
        Timed(at_s=at, values={"units": {"nginx.service": {"anonymous_mib": 10.0}}}) for at in (100.5, 200.5)
    )
    seen, rests = HostSamples(samples=samples, summary=SUMMARY), (Rest(100.0, 101.0), Rest(200.0, 201.0))
    cut = Findings(whole=True, rests=rests, over_link=frozenset(SLO.rates_per_s), cut="the time was up")
    assert line(judge(all_phases(), seen, TARGET, SLO, findings=cut), "leaked_mib").outcome == "inconclusive"


def test_memory_that_nobody_saw_is_inconclusive():
    found = judge([], host(), TARGET, SLO, findings=Findings(whole=True, rests=(Rest(1, 2), Rest(3, 4))))
    assert line(found, "leaked_mib").outcome == "inconclusive"


def predicted(expected, got, **options):
    target = replace(TARGET, predictions=(Prediction(path="/", cached=True, req_per_s=expected, because="so"),))
    found = judge(
        all_phases(cached={"req_per_s": got}),
        options.get("seen") or host(),
        replace(target, **options.get("target", {})),
        SLO,
        findings=Findings(whole=True, ceiling_req_per_s=options.get("ceiling")),
    )
    return line(found, "predicted_cached_req_per_s")


def test_the_prediction_is_held_against_what_was_measured():
    assert predicted(5000.0, 4000.0).outcome == "kept"
    low, high = predicted(5000.0, 3000.0), predicted(5000.0, 7000.0)
    assert (low.outcome, high.outcome) == ("missed", "missed")
    assert low.objective.severity == "should", "a wrong prediction is no failure of the host"
    assert "-40% of what was predicted: so" in low.why
    assert low.margin_share == pytest.approx(-0.4)
    busy = host(cpu_neighbour_share=0.5)
    assert predicted(5000.0, 3000.0, seen=busy).outcome == "inconclusive"


def test_a_link_that_carries_less_is_the_prediction():
    found = predicted(5000.0, 300.0, ceiling=280.0)
    assert (found.outcome, found.objective.wanted_value) == ("kept", 280.0)


def test_a_rate_beyond_the_budget_is_told_and_makes_no_verdict():
    target = replace(TARGET, predictions=(Prediction(path="/", cached=True, req_per_s=5000.0, because="so"),))
    rates = [measured(f"r{rate}", mode="open", p95_ms=900.0, rate_per_s=float(rate)) for rate in (1000, 5000)]
    slo = Slo(uncached_paths=("/post",), rates_per_s=(1000, 5000))
    found = judge([*all_phases(), *rates], host(), target, slo, findings=Findings(whole=True))
    severities = {rate: line(found, f"r{rate}_p95_ms").objective.severity for rate in (1000, 5000)}
    assert severities == {1000: "must", 5000: "should"}
    assert line(found, "r5000_p95_ms").outcome == "missed"


def test_errors_at_a_rate_are_a_miss_of_its_line():
    rate = measured("r100", mode="open", errors={"timeout": 2}, rate_per_s=100.0)
    slo = Slo(uncached_paths=("/post",), rates_per_s=(100,))
    found = judge([*all_phases(), rate], host(), TARGET, slo, findings=Findings(whole=True))
    assert line(found, "r100_p95_ms").outcome == "missed"
    assert "2 timeout" in line(found, "r100_p95_ms").why
    assert line(found, "errors").outcome == "kept"


def test_a_limit_within_the_interval_decides_nothing():
    histogram = Histogram()
    for number in range(1, 1001):
        histogram.record(number / 1000 * 0.21)
    near = {"latency": histogram.document(), "p95_ms": histogram.percentile_ms(0.95), "seconds": ()}
    assert near["p95_ms"] < 200
    found = judge(all_phases(cached=near), host(), TARGET, SLO)
    unsure = line(found, "cached_p95_ms")
    assert unsure.outcome == "inconclusive"
    assert "95 % confidence" in unsure.why
    assert unsure.interval == of_percentile(measured("cached", **near), 0.95)
    far = judge(all_phases(cached=near), host(), TARGET, SLO.model_copy(update={"cached_p95_ms": 400}))
    assert line(far, "cached_p95_ms").outcome == "kept"
    assert line(far, "cached_p95_ms").margin_share == pytest.approx(0.5, abs=0.01)

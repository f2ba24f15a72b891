"""The phases of a run, with scripts in place of generator and host."""

import pytest
from samples_of_load import SUMMARY, TARGET, measured

from deployer.errors import Inconclusive
from deployer.slo import Phases, Slo
from deployer.verify import HostSamples, VerifyTarget, run, verify

PHASES = Phases(warmup_s=1, hold_s=7, closed_s=3, capacity_s=2, open_s=4, open_share=0.5, capacity_connections=16)
SLO = Slo(uncached_paths=("/a", "/b"), uncached_headers={"Cookie": "s=1"}, body="</html>", phases=PHASES)
MORE_TARGET = {"address": "127.0.0.1", "server_name": "blog.example", "connections": 300}
ORDER = ["warm-up /", "warm-up /a", "warm-up /b", "hold", "cached", "capacity /a", "open /a", "capacity /b", "open /b"]


class Watch:
    """A sampler that raises the alarm when asked the n-th time."""

    def __init__(self, alarm_at=10**9):
        self.asked = 0
        self.alarm_at = alarm_at
        self.log = []

    def __enter__(self):
        self.log.append("begin")
        return self

    def __exit__(self, *_):
        self.log.append("end")

    def alarm(self):
        self.asked += 1
        return "it burns" if self.asked >= self.alarm_at else ""

    def told(self):
        return ()

    def silence_s(self):
        return 0.0

    def finish(self):
        self.log.append("finish")
        return HostSamples(summary=SUMMARY)


@pytest.fixture
def jobs(monkeypatch):
    """The jobs of all phases by name; what they measure is good."""
    seen = {}

    def generate(name, job, *, cpus, progress, **_more):
        assert name not in seen
        stopped = bool(progress({"second": 1}))
        seen[name] = {**job, "cpus": cpus}
        over = {"req_per_s": 120.0} if name.startswith("capacity") else {}
        return measured(name, path=job["path"], stopped=stopped, rate_per_s=job.get("rate_per_s"), **over)

    monkeypatch.setattr(run, "generate", generate)
    return seen


def verified(**options):
    watch = options.pop("watch", None) or Watch()
    target = VerifyTarget.of(SLO, **MORE_TARGET)
    return verify(target, options.pop("slo", SLO), watch, **options)


def test_a_page_that_is_not_there_ends_it_before_the_load(monkeypatch):
    asked = []

    def generate(name, job, **_more):
        asked.append(name)
        missing = {"done": 0, "errors": {"status": 9}, "first_errors": {"status": "status 404"}}
        return measured(name, path=job["path"], **(missing if job["path"] == "/b" else {}))

    monkeypatch.setattr(run, "generate", generate)
    watch = Watch()
    with pytest.raises(Inconclusive, match="no page /b") as caught:
        verified(watch=watch)
    assert "slo.uncached_paths" in caught.value.where
    assert asked == ORDER[:3]
    assert watch.log == ["begin", "end"]


def test_all_phases_run_in_order_and_warm_ups_do_not_count(jobs):
    watch = Watch()
    found = verified(watch=watch, generator_cpus=[1])
    assert list(jobs) == ORDER
    assert [phase.name for phase in found.phases] == ORDER[3:]
    assert found.outcome == "kept"
    assert found.stopped == ""
    assert watch.log == ["begin", "finish", "end"]
    assert {job["cpus"] for job in jobs.values()} == {(1,)}


def test_each_phase_asks_for_what_it_is_about(jobs):
    verified()
    wanted = {
        "warm-up /a": ("closed", "/a", 8, 1),
        "hold": ("hold", "/", 300, 7),
        "cached": ("closed", "/", 300, 3),
        "capacity /a": ("closed", "/a", 16, 2),
        "open /a": ("open", "/a", 128, 4),
    }
    for name, job in wanted.items():
        assert tuple(jobs[name][key] for key in ("mode", "path", "connections", "duration_s")) == job, name
    assert jobs["hold"]["request_every_s"] == PHASES.request_every_s
    assert jobs["open /b"]["rate_per_s"] == 60.0, "half of what it can carry"
    assert "rate_per_s" not in jobs["cached"]
    uncached = {name for name, job in jobs.items() if job["headers"].get("Cookie") == "s=1"}
    assert uncached == {name for name in ORDER if name.endswith(("/a", "/b"))}
    assert all(job["expect"] == {"body": "</html>"} for job in jobs.values())
    assert all(job["headers"]["Accept-Encoding"] == "gzip" for job in jobs.values())
    assert all(
        (job["host"], job["opened_per_s"], job["timeout_s"]) == ("blog.example", 250, 10) for job in jobs.values()
    )


@pytest.mark.parametrize("alarm_at", range(1, 2 * len(ORDER) + 1))
def test_an_alarm_ends_the_load_and_no_other_phase_begins(jobs, alarm_at):
    # it is asked before each phase and, here, once within it
    found = verified(watch=Watch(alarm_at))
    assert list(jobs) == ORDER[: alarm_at // 2]
    assert found.stopped == "it burns"
    assert found.outcome == "inconclusive"
    for line in found.lines:
        if line.objective.metric in ("errors", "memory_peak_share", "oom_kills", "restarts"):
            assert line.outcome == "inconclusive"


def test_the_alarm_is_told_to_the_generator(monkeypatch):
    told = []

    def generate(name, job, *, cpus, progress, **_more):
        told.append(progress({"second": 1}))
        return measured(name)

    monkeypatch.setattr(run, "generate", generate)
    verified(watch=Watch(4))
    assert told == ["", "it burns"]


def test_a_page_that_carries_nothing_is_not_put_under_a_rate(jobs, monkeypatch):
    good = run.generate

    def generate(name, job, **options):
        found = good(name, job, **options)
        return measured(name, done=0, req_per_s=0.0, errors={"status": 5}) if name == "capacity /a" else found

    monkeypatch.setattr(run, "generate", generate)
    found = verified()
    assert "open /a" not in jobs
    assert "open /b" in jobs
    assert found.outcome == "missed"
    assert [line.outcome for line in found.lines if line.objective.metric == "uncached_p95_ms"] == [
        "inconclusive",
        "kept",
    ]


def test_a_rate_is_at_least_one_a_second_and_connections_have_a_limit(jobs, monkeypatch):
    good = run.generate

    def generate(name, job, **options):
        found = good(name, job, **options)
        return measured(name, req_per_s=0.5) if name.startswith("capacity") else found

    monkeypatch.setattr(run, "generate", generate)
    verified(phases=PHASES.model_copy(update={"capacity_connections": 100}))
    assert jobs["open /a"]["rate_per_s"] == 1.0
    assert jobs["open /a"]["connections"] == 256


def test_phases_of_the_caller_go_before_those_of_the_slo_and_are_what_is_judged(jobs):
    found = verified(phases=PHASES.model_copy(update={"hold_s": 60.0}))
    assert jobs["hold"]["duration_s"] == 60
    assert found.lines[0].objective.wanted == "300 for 60 s, 0 errors"


def test_it_says_what_it_does(jobs):
    said = []
    verified(say=said.append)
    assert said[6] == "hold: 300 connections for 7 s"
    assert said[7].startswith("hold: 10000 requests/s, P95 100.0 ms, 0 errors")
    assert "open /a: 128 connections for 4 s, 60 requests/s" in said
    said.clear()
    jobs.clear()
    verified(say=said.append, watch=Watch(8))
    assert said[-1] == "hold: ended early: it burns"


def test_the_watch_ends_when_the_generator_fails(monkeypatch):
    def generate(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(run, "generate", generate)
    watch = Watch()
    with pytest.raises(ZeroDivisionError):
        verified(watch=watch)
    assert watch.log == ["begin", "end"]


def test_without_a_watch_what_only_the_host_knows_is_inconclusive(jobs):
    found = verify(TARGET, SLO, phases=PHASES)
    outcomes = {line.objective.metric: line.outcome for line in found.lines}
    assert outcomes["connections_held"] == "kept"
    assert outcomes["memory_peak_share"] == outcomes["oom_kills"] == outcomes["restarts"] == "inconclusive"

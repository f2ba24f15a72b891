"""When a load ends: the safety stops, a host's own lines, and what each counts from."""

import pytest

from deployer.verify import Timed
from deployer.verify.safety import Guard

WELL = {"done": 100, "errors": 0, "in_flight": 3, "backlog": 0, "alive": 9, "p95_ms": 20.0}
SAMPLE = {
    "memory_share": 0.5,
    "cpu_busy_share": 0.5,
    "cpu_steal_share": 0.0,
    "oom_kills": 0,
    "listen_drops": 0,
    "units": {
        "nginx.service": {"memory_mib": 40.0, "limit_mib": 64.0, "oom_kills": 0, "restarts": 0},
        "app-blog.service": {"memory_mib": 80.0, "limit_mib": None, "oom_kills": 0, "restarts": 0},
    },
}


class Watch:
    """Who watches a host that told these samples."""

    def __init__(self, *samples, silence_s=0.5, alarm=""):
        self.samples = [Timed(at_s=float(at), values={**SAMPLE, **values}) for at, values in enumerate(samples)]
        self._silence_s, self._alarm = silence_s, alarm

    def alarm(self):
        return self._alarm

    def told(self):
        return self.samples

    def silence_s(self):
        return self._silence_s


def after(seconds, *lines, phase="hold", mode="hold", watch=None):
    """Why the load ends after these seconds; nothing while it goes on."""
    guard = Guard(lines)
    guard.begin(phase, mode)
    for second in seconds:
        guard.heard({**WELL, **second})
    return guard.look(watch or Watch())


def sampled(samples, *lines):
    return after([], *lines, watch=Watch(*samples))


@pytest.mark.parametrize(
    ("second", "silence_s", "says"),
    [
        ({}, 0.5, ""),
        ({}, 4.0, ""),
        ({"errors": 9, "done": 1}, 0.5, ""),
        ({"errors": 10, "done": 190}, 0.5, ""),
        ({"errors": 10, "done": 180}, 0.5, "10 of 190 requests of a second failed (errors > 5%)"),
        ({"done": 0}, 1.0, ""),
        ({"done": 0}, 1.9, "answered nothing for a second, and told nothing for 2 s"),
        ({"done": 0, "in_flight": 0, "backlog": 5}, 1.9, "answered nothing"),
        ({"done": 0, "in_flight": 0}, 1.9, ""),
        ({}, 6.0, ""),
        ({}, 6.9, "the host has said nothing for 7 s (sampler.silent > 6s)"),
    ],
)
def test_errors_and_silence_end_the_load(second, silence_s, says):
    stop = after([second], watch=Watch(silence_s=silence_s))
    assert says in (stop.why if stop else "")
    assert bool(stop) == bool(says)


def test_an_answer_ends_the_silence_and_a_phase_forgets_the_one_before():
    guard = Guard()
    guard.heard({**WELL, "done": 0})
    guard.heard(WELL)
    assert guard.look(Watch(silence_s=5.0)) is None
    guard.heard({**WELL, "errors": 100})
    guard.heard(WELL)
    assert guard.look(Watch())
    guard.begin()
    assert guard.look(Watch()) is None


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        ([{}, {"memory_share": 0.97}], "97.0% of the host's memory is in use (host.mem > 96%)"),
        ([{"memory_share": 0.97}, {}], "97.0%"),
        ([{"memory_share": 0.96}] * 5, ""),
        ([{"memory_share": None}] * 5, ""),
        ([{"oom_kills": None}] * 5, ""),
        ([{}, {"oom_kills": 1}], "the kernel of the host killed 1 process for want of memory (host.oom_kills > 0)"),
        ([{"memory_share": "much", "oom_kills": True, "units": [3]}], ""),
        ([], ""),
    ],
)
def test_full_memory_and_a_kill_end_the_load_at_once(samples, says):
    stop = sampled(samples)
    assert says in (stop.why if stop else "")
    assert bool(stop) == bool(says)


def test_a_host_that_is_no_longer_watched_ends_it_and_no_line_did():
    stop = after([], watch=Watch(alarm="the host is no longer watched: gone"))
    assert (stop.why, stop.criterion) == ("the host is no longer watched: gone", None)


def test_a_safety_stop_cannot_be_written_away():
    assert sampled([{"memory_share": 0.97}], "host.mem > 100%", "host.mem > 99% for 60s")
    assert after([{"errors": 50, "done": 50}], "errors > 90% for 60s")


@pytest.mark.parametrize(
    ("shares", "ends"),
    [
        ([0.8, 0.8], False),
        ([0.8, 0.8, 0.8], True),
        ([0.8, 0.8, 0.7, 0.8, 0.8], False),
        ([0.8, 0.8, None, 0.8], False),
        ([0.7, 0.8, 0.8, 0.9, 0.1], True),
        ([0.75, 0.75, 0.75], False),
    ],
)
def test_for_is_each_second_of_so_many_on_end(shares, ends):
    stop = sampled([{"memory_share": share} for share in shares], "host.mem > 75% for 3s")
    assert bool(stop) == ends
    if stop:
        assert "of the host's memory is in use (slo.abort: host.mem > 75% for 3s)" in stop.why
        assert stop.value == pytest.approx(max(shares))


@pytest.mark.parametrize(
    ("errors", "ends"),
    [([5, 5, 5], False), ([5, 5, 6], True), ([9, 9], False), ([9, 9, 0], True), ([9, 0, 0, 9], False)],
)
def test_within_is_so_many_on_end_taken_together(errors, ends):
    stop = after([{"errors": each, "done": 900} for each in errors], "errors > 15 within 3s")
    assert bool(stop) == ends
    if stop:
        assert "requests of 3 s failed (slo.abort: errors > 15 within 3s)" in stop.why


def test_a_share_of_errors_counts_from_ten_errors_on():
    assert after([{"errors": 4, "done": 0}] * 2, "errors > 50% within 2s") is None
    assert after([{"errors": 5, "done": 0}] * 2, "errors > 50% within 2s")
    assert after([{"errors": 9, "done": 0}], "errors > 8"), "a number of them is what it is"


def test_a_counter_without_a_window_counts_from_the_beginning_and_with_one_from_before_it():
    drops = [{"listen_drops": each} for each in (0, 4, 4, 4, 4)]
    assert sampled(drops, "host.listen_drops > 3")
    assert sampled(drops[:1], "host.listen_drops > 3") is None
    slow = [{"listen_drops": each} for each in (2, 4, 6, 8)]
    assert sampled(slow, "host.listen_drops > 3 within 2s"), "4 within two seconds"
    assert sampled(slow, "host.listen_drops > 4 within 2s") is None
    assert sampled(slow, "host.listen_drops > 1 for 2s")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("service.nginx.mem > 60%", "nginx.service holds 62.5% of its limit"),
        ("service.*.mem > 70MiB", "app-blog.service holds 80 MiB"),
        ("service.*.mem > 60%", "nginx.service holds 62.5%"),
        ("host.cpu >= 50%", "the host: cpu 50.0%"),
    ],
)
def test_units_and_processors(line, says):
    assert says in sampled([{}], line).why


@pytest.mark.parametrize("line", ["service.nginx.mem > 63%", "service.redis.mem > 1%", "service.*.restarts > 0"])
def test_units_that_are_well_or_not_there(line):
    assert sampled([{}, {}], line) is None


@pytest.mark.parametrize(
    ("phase", "mode", "ends"),
    [("hold", "hold", True), ("open /", "open", True), ("cached", "closed", False), ("knee 3", "open", False)],
)
def test_latency_without_a_scope_is_no_matter_of_a_full_house(phase, mode, ends):
    assert bool(after([{"p95_ms": 3000.0}], "p95 > 2s", phase=phase, mode=mode)) == ends


def test_a_line_about_one_phase_is_quiet_in_the_others():
    assert after([{"alive": 3}], "hold.connections < 9").value == 3
    assert after([{"alive": 3}], "hold.connections < 9", phase="cached", mode="closed") is None
    assert after([{"p95_ms": None}], "p95 > 1ms") is None, "no answer is no latency"


def test_seconds_of_the_phase_before_do_not_count():
    guard = Guard(["p95 > 2s for 2s"])
    guard.begin("hold", "hold")
    guard.heard({**WELL, "p95_ms": 3000.0})
    guard.begin("r100", "open")
    guard.heard({**WELL, "p95_ms": 3000.0})
    assert guard.look(Watch()) is None
    guard.heard({**WELL, "p95_ms": 3000.0})
    stop = guard.look(Watch())
    assert (stop.phase, stop.criterion.text) == ("r100", "p95 > 2s for 2s")


def test_each_sample_is_looked_at_even_if_many_came_at_once():
    guard = Guard(["host.cpu > 90% for 2s"])
    watch = Watch(*[{"cpu_busy_share": share} for share in (0.95, 0.95, 0.1, 0.1)])
    assert guard.look(watch).value == 0.95

"""The watch over a host, with a script in place of its channel."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from queue import Queue

import pytest

from deployer.errors import HostUnknown
from deployer.verify import AgentSampler, Unwatched, sampler

WELL = {"event": "sample", "memory_share": 0.4, "cpu_busy_share": 0.5, "oom_kills": 0}
FULL = {**WELL, "memory_share": 0.97}
END = object()


class Channel:
    """Agent and stream at once: events come as the test says them."""

    def __init__(self):
        self.answer = None
        self.closed = self.stopped = 0
        self.request = None
        self.said = Queue()
        self.taken = threading.Semaphore(0)

    def stream(self, request):
        self.request = request
        return self

    def __iter__(self):
        while True:
            event = self.said.get()
            if event is END:
                self.answer = {"samples": 3, "oom_kills": 0}
                return
            if isinstance(event, Exception):
                raise event
            yield event
            self.taken.release()  # the listener is done with it when it asks for the next

    def stop(self):
        self.stopped += 1
        self.said.put(END)

    def close(self):
        self.closed += 1
        self.said.put(END)

    def say(self, *events):
        for event in events:
            self.said.put(event)
            assert self.taken.acquire(timeout=5)


@contextmanager
def watch(**options):
    channel = Channel()
    with AgentSampler(channel, ["nginx.service"], **options) as watching:
        yield channel, watching


def eventually(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_it_asks_for_the_units_and_gives_samples_and_summary():
    with watch(interval_s=0.5, max_s=60) as (channel, watching):
        channel.say(FULL, {"event": "other"}, WELL)
        assert watching.alarm() == ""
        found = watching.finish()
    assert channel.request == {"op": "sample", "units": ["nginx.service"], "interval_s": 0.5, "max_s": 60}
    assert [each.values["memory_share"] for each in found.samples] == [0.97, 0.4]
    assert found.samples[0].at_s <= found.samples[1].at_s <= time.monotonic()
    assert found.summary == {"samples": 3, "oom_kills": 0}
    assert found.fault == ""
    assert (channel.stopped, channel.closed) == (1, 0), "the agent stays open"


def test_leaving_without_finishing_ends_the_sampling():
    with watch() as (channel, _):
        channel.say(WELL)
    assert channel.stopped == 1
    assert not [thread for thread in threading.enumerate() if thread.name == "samples"]


@pytest.mark.parametrize("key", ["memory_share", "cpu_busy_share", "cpu_steal_share", "oom_kills"])
def test_a_sample_without_numbers_ends_the_load_and_is_a_fault(key):
    with watch(host_cpus=[0]) as (channel, watching):
        channel.said.put({**WELL, key: "much"})
        eventually(watching.alarm)
        found = watching.finish()
    assert "no numbers" in found.fault
    assert not found.samples


def test_what_was_told_so_far_can_be_looked_at_meanwhile():
    with watch() as (channel, watching):
        assert list(watching.told()) == []
        channel.say(WELL, FULL)
        assert [each.values["memory_share"] for each in watching.told()] == [0.4, 0.97]
        assert watching.alarm() == "", "what it means is the guard's to say"


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when told to."""

    class Clock:
        now_s = 1000.0

        def monotonic(self):
            return self.now_s

    found = Clock()
    monkeypatch.setattr(sampler, "time", found)
    return found


def test_silence_is_counted_and_is_not_waited_out(clock, monkeypatch):
    monkeypatch.setattr(sampler, "SILENT_PATIENCE_S", 0.1)
    with watch(interval_s=2.0) as (channel, watching):
        channel.stop = lambda: None  # nobody is there to hear it
        channel.say(WELL)
        clock.now_s += 7.1
        assert watching.silence_s() == pytest.approx(7.1)
        assert watching.alarm() == "", "how long is too long is the guard's to say"
        began = time.monotonic()
        found = watching.finish()
        assert time.monotonic() - began < 5
    assert channel.closed == 1, "a channel that is still read is of no use"
    assert found.summary is None
    assert found.fault == "the host did not end its sampling"
    assert len(found.samples) == 1


def test_a_sample_ends_the_silence(clock):
    with watch() as (channel, watching):
        clock.now_s += 20
        assert watching.silence_s() == 20
        channel.say(WELL)
        assert watching.silence_s() == 0


def test_a_lost_channel_is_an_alarm_and_leaves_what_was_seen():
    with watch() as (channel, watching):
        channel.say(FULL, WELL)
        channel.said.put(HostUnknown("the connection broke"))
        eventually(watching.alarm)
        assert watching.alarm() == "the host is no longer watched: the connection broke"
        found = watching.finish()
    assert found.fault == "the connection broke"
    assert found.summary is None
    assert found.memory_peak_share == 0.97
    assert channel.stopped == 0, "nobody is there to hear it"


def test_a_host_that_ends_by_itself_is_silent_from_then_on(clock):
    with watch() as (channel, watching):
        channel.say(WELL)
        channel.said.put(END)
        watching._thread.join(5)
        clock.now_s += 20
        assert watching.silence_s() == 20
        assert watching.finish().summary is not None


def test_what_the_processors_do_beyond_the_hosts_own_work_is_others(monkeypatch):
    with watch() as (channel, watching):
        shares = iter([0.9, 0.3, None])
        monkeypatch.setattr(watching._processors, "busy_share", lambda: next(shares))
        channel.say(WELL, WELL, WELL)
        found = watching.finish()
    assert [each.values["cpu_neighbour_share"] for each in found.samples] == [0.4, 0.0, None]


def test_without_an_agent_nobody_watches():
    with Unwatched() as watching:
        assert (watching.alarm(), watching.told(), watching.silence_s()) == ("", (), 0.0)
        found = watching.finish()
    assert isinstance(watching, Unwatched)
    assert (found.samples, found.summary, found.fault) == ((), None, "the host was not watched")
    assert found.oom_kills is None
    assert found.restarts is None

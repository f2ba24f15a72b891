"""Generators of several vantages: begun together, merged, watched at any time, and none left behind."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from tiny_server import TinyServer

from deployer.errors import Inconclusive
from deployer.verify import vantage
from deployer.verify.generator import generate
from deployer.verify.vantage import Here


@pytest.fixture
def server():
    with TinyServer() as running:
        yield running


@dataclass
class Elsewhere:
    """A host elsewhere, as far as the generator can tell: processes of this machine, which are kept in sight."""

    name: str
    processes: int = 1
    own: dict = field(default_factory=dict)
    started: list = field(default_factory=list)

    @property
    def jobs(self):
        return [{"silence_s": 5.0, **self.own}] * self.processes

    def start(self):
        generator = Here().start()
        self.started.append(generator._process)
        return generator


def job(server, path="/ok", **parts):
    base = {"address": "127.0.0.1", "port": server.port, "path": path, "mode": "open", "connections": 10}
    return {**base, "rate_per_s": 100, "duration_s": 1.0, "timeout_s": 2.0, "opened_per_s": 1000, **parts}


def test_two_hosts_are_one_result(server):
    hosts = [Elsewhere("lg1"), Elsewhere("lg2", processes=2)]
    seconds = []
    found = generate("x", job(server, duration_s=2.1), vantages=hosts, progress=lambda each: seconds.append(each) or "")
    assert [len(host.started) for host in hosts] == [1, 2]
    assert server.most_open == found.established == 10
    assert found.planned == found.done == server.requests == 210
    assert sum(count for _, count in found.latency["counts"]) == 210
    assert len(seconds) == len(found.seconds) == 2
    assert [dict(each) for each in found.seconds] == seconds
    assert sum(each["done"] for each in seconds) == pytest.approx(200, abs=12), "seconds of all, not of the first"
    assert seconds[0]["alive"] == 10
    assert all(process.poll() is not None for host in hosts for process in host.started)


def test_even_arrivals_of_several_are_even_together(server):
    arrivals = []
    server.on_request = lambda: arrivals.append(time.monotonic())
    generate("x", job(server, rate_per_s=40, duration_s=1.5), vantages=[Elsewhere("lg1"), Elsewhere("lg2")])
    gaps = sorted(b - a for a, b in pairwise(arrivals))
    assert len(arrivals) == 60
    assert gaps[len(gaps) // 4] > 0.010, "not two at once every 50 ms"


def test_an_alarm_ends_it_even_while_connections_are_being_opened(server):
    hosts, began = [Elsewhere("lg1"), Elsewhere("lg2")], time.monotonic()
    slowly = job(server, connections=100, opened_per_s=5, duration_s=60)
    found = generate("x", slowly, vantages=hosts, alarm=lambda: "it burns" if time.monotonic() - began > 0.7 else "")
    assert time.monotonic() - began < 3
    assert found.stopped
    assert not found.done
    assert all(process.poll() is not None for host in hosts for process in host.started)


def test_an_alarm_reaches_all_of_them_under_load(server):
    hosts, began = [Elsewhere("lg1"), Elsewhere("lg2")], time.monotonic()
    alarm = lambda: "it burns" if server.requests > 50 else ""  # noqa: E731 - a line is a line
    found = generate("x", job(server, duration_s=60), vantages=hosts, alarm=alarm)
    assert time.monotonic() - began < 4
    assert found.stopped
    assert 40 < found.done < 120


def test_one_that_dies_is_named(server):
    hosts = [Elsewhere("lg1"), Elsewhere("lg2")]

    def kill(_second):
        hosts[1].started[0].kill()
        return ""

    with pytest.raises(Inconclusive, match="the load generator on lg2 died"):
        generate("x", job(server, duration_s=20), vantages=hosts, progress=kill)
    assert all(process.poll() is not None for host in hosts for process in host.started)


def test_one_that_reaches_nothing_says_nothing_about_the_server(server):
    with TinyServer() as gone:
        pass
    hosts = [Elsewhere("lg1"), Elsewhere("lg2", own={"port": gone.port})]
    with pytest.raises(Inconclusive, match="no connection came about from lg2") as caught:
        generate("x", job(server), vantages=hosts)
    assert "connect_refused" in caught.value.message


def test_one_that_hears_nothing_ends_by_itself(server):
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(vantage.PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        process.stdin.write(json.dumps(job(server, duration_s=60, silence_s=1.0)) + "\ngo\n")
        process.stdin.flush()
        began = time.monotonic()
        for _ in range(3):
            time.sleep(0.5)
            process.stdin.write("listening\n")
            process.stdin.flush()
        assert process.poll() is None
        *_, result = [json.loads(line) for line in process.stdout]
        assert 2.3 < time.monotonic() - began < 4.5
        assert result["stopped"]


def test_one_that_is_listened_to_does_not_end(server):
    found = generate("x", job(server, duration_s=3.0), vantages=[Elsewhere("lg1", own={"silence_s": 2.0})])
    assert not found.stopped
    assert found.done == 300


def test_one_that_waits_for_its_go_does_not_wait_for_ever(server):
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(vantage.PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdin.write(json.dumps(job(server, silence_s=0.5)) + "\n")
        process.stdin.flush()
        ready, result = [json.loads(line) for line in process.stdout]
        assert (ready["event"], result["event"], result["sent"]) == ("ready", "result", 0)


def test_its_memory_is_its_own_and_not_that_of_who_started_it(server):
    large = bytearray(80 << 20)
    found = generate("x", job(server))
    assert found.rss_mib < 40
    del large

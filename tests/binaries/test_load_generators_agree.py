"""Our load generator beside wrk and h2load, on a real nginx; and what only the open model sees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployer.binaries.generators import h2load, wrk
from deployer.binaries.onepage import MARK, PACED_REQ_PER_S, OnePage, one_page
from deployer.verify import Measured
from deployer.verify.generator import generate

pytestmark = [pytest.mark.real, pytest.mark.alone]
CPUS = sorted(os.sched_getaffinity(0))


@pytest.fixture(scope="module")
def server(tree: Callable[[str], Path]) -> Iterator[OnePage]:
    with one_page(tree("bookworm"), cpu=CPUS[0]) as found:
        yield found


def ours(server: OnePage, path: str = "/", **job: Any) -> Measured:
    whole = {"address": "127.0.0.1", "port": server.port, "path": path, "opened_per_s": 2000, **job}
    return generate("ours", {"expect": {"body": MARK}, **whole}, cpus=CPUS[-1:])


def test_throughput_and_latency_are_those_of_wrk_and_of_arithmetic(server: OnePage) -> None:
    """A server that gives out 1000 pages a second lets each of 100 connections wait 100 ms for its own."""
    url = f"http://127.0.0.1:{server.port}/paced"
    theirs = wrk(url, connections=100, duration_s=2, cpu=CPUS[-1])
    found = ours(server, "/paced", mode="closed", connections=100, duration_s=2.0)
    assert not found.errors
    assert not theirs.errors
    assert found.req_per_s == pytest.approx(PACED_REQ_PER_S, rel=0.05)
    assert found.req_per_s == pytest.approx(theirs.req_per_s, rel=0.10)
    assert found.p50_ms == pytest.approx(100, rel=0.10)
    assert found.p50_ms == pytest.approx(theirs.p50_ms, rel=0.10)


def test_latency_at_a_rate_is_that_of_h2load_and_of_arithmetic(server: OnePage) -> None:
    """Of 1500 requests 250 come into a stall of 0.5 s: the 75th slowest waits 350 ms, the 15th 470 ms."""
    url = f"http://127.0.0.1:{server.port}/"
    with server.freezing(for_s=0.5, every_s=5.0):
        theirs = h2load(url, rate_per_s=500, duration_s=4, cpu=CPUS[-1])  # its first second is not counted
    with server.freezing(for_s=0.5, every_s=3.0):
        found = ours(server, mode="open", connections=500, rate_per_s=500.0, duration_s=3.0)
    assert not found.errors
    assert not theirs.errors
    assert found.p95_ms == pytest.approx(350, rel=0.08)
    assert found.p99_ms == pytest.approx(470, rel=0.08)
    assert found.p95_ms == pytest.approx(theirs.p95_ms, rel=0.20)
    assert found.p99_ms == pytest.approx(theirs.p99_ms, rel=0.20)


@pytest.mark.slow
def test_who_comes_to_a_queue_that_grows_waits_as_long_as_it_is(server: OnePage) -> None:
    """At twice what the server gives out, who comes after t seconds waits for t seconds."""
    late = ours(server, "/paced", mode="open", connections=2000, rate_per_s=2.0 * PACED_REQ_PER_S, duration_s=1.0)
    assert late.p50_ms == pytest.approx(500, rel=0.10)
    assert late.p99_ms == pytest.approx(990, rel=0.10)


def test_a_server_that_stands_still_a_second_in_ten(server: OnePage) -> None:
    """Even arrivals: a tenth comes into the stall and waits for what is left of it; P95 is 500 ms, P99 900 ms."""
    with server.freezing(for_s=1.0, every_s=10.0):
        found = ours(server, mode="open", connections=300, rate_per_s=250.0, duration_s=10.0)
    assert found.p95_ms == pytest.approx(500, rel=0.05)
    assert found.p99_ms == pytest.approx(900, rel=0.05)
    assert found.max_ms == pytest.approx(1000, rel=0.05)
    assert found.planned == found.done == 2500
    assert not found.errors


def test_the_closed_model_does_not_see_it(server: OnePage) -> None:
    with server.freezing(for_s=0.5, every_s=2.0):
        found = ours(server, mode="closed", connections=4, duration_s=2.0)
    assert found.max_ms == pytest.approx(500, rel=0.10)
    assert found.p95_ms < 100
    assert found.p99_ms < 100


def test_a_body_that_is_another_is_found_at_full_speed(server: OnePage) -> None:
    whole = {"address": "127.0.0.1", "port": server.port, "mode": "closed", "connections": 50, "duration_s": 0.5}
    found = generate("other", {**whole, "expect": {"body": "<footer>"}}, cpus=CPUS[-1:])
    assert found.done == 0
    assert found.errors["body"] > 50


def test_a_server_that_takes_half_of_the_connections_is_found_out(tree: Callable[[str], Path]) -> None:
    with one_page(tree("bookworm"), connections=60, cpu=CPUS[0]) as small:
        found = ours(small, mode="hold", connections=100, duration_s=1.5, request_every_s=0.5)
    assert found.alive_min < 60
    assert found.errors

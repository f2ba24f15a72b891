"""Who was the limit: each resource is named by the figures that show it, and only by them."""

from dataclasses import replace

import pytest
from samples_of_load import TARGET, host, measured

from deployer.verify.bottleneck import generator_doubt, generator_load, of_closed, starved
from deployer.verify.measured import HostSamples

THIN = replace(TARGET, bandwidth_mbit_per_s=100.0)
IDLE = {"busy": 0.3}


@pytest.mark.parametrize(
    ("resource", "evidence", "phase", "seen", "target"),
    [
        ("host cpu", "97% busy", {}, {}, TARGET),
        ("host cpu", "90% busy", {"cpu_share": 0.99}, {"busy": 0.9}, TARGET),
        ("neighbour", "hypervisor took 6%", {}, {"cpu_steal_share": 0.06}, TARGET),
        ("neighbour", "other work on this machine took 20%", {}, {"cpu_neighbour_share": 0.2}, TARGET),
        ("link", "carries 2365", {"req_per_s": 2200.0}, IDLE, THIN),
        ("generator", "used 95% of its core", {"cpu_share": 0.95}, IDLE, TARGET),
        ("generator", "waited for it 40%", {"cpu_share": 0.5, "cpu_wait_share": 0.4}, IDLE, TARGET),
        ("host memory", "96% of the host's memory", {}, {**IDLE, "memory_share": 0.96}, TARGET),
        ("waiting for something else", "the host's was 30% busy", {}, IDLE, TARGET),
        ("waiting for something else", "30% busy", {"req_per_s": 2000.0}, IDLE, THIN),
    ],
)
def test_each_resource_is_named(resource, evidence, phase, seen, target):
    found = of_closed(measured("cached", **phase), host(**seen), target)
    assert found.resource == resource
    assert evidence in found.evidence


def test_a_host_that_nobody_watched_is_not_said_to_be_the_limit():
    found = of_closed(measured("cached"), HostSamples(), TARGET)
    assert found.resource == "waiting for something else"
    assert "the host's was not known" in found.evidence


@pytest.mark.parametrize(
    ("phase", "limit_ms", "says"),
    [
        (measured("open", errors={"dropped": 1}), 200.0, "failed by itself (dropped)"),
        (measured("hold", errors={"generator_sockets": 1, "reset": 5}), 200.0, "failed by itself (generator_sockets)"),
        (measured("open", late_p99_ms=10.1), 200.0, "late by 10 ms"),
        (measured("open", late_p99_ms=10.0), 200.0, ""),
        (measured("open", late_p99_ms=5.1), 20.0, "5 ms would do"),
        (measured("cached", late_p99_ms=500.0), 200.0, ""),
        (measured("hold", late_p99_ms=500.0), float("inf"), ""),
        (measured("open", errors={"timeout": 5}), 200.0, ""),
    ],
)
def test_the_generators_own_state_is_a_doubt(phase, limit_ms, says):
    found = generator_doubt(phase, limit_ms)
    assert says in found
    assert bool(found) == bool(says)


def test_a_generator_without_a_core_of_its_own_is_starved():
    assert starved(measured("cached", cpu_share=0.89, cpu_wait_share=None)) == ""
    assert starved(measured("cached", cpu_share=0.5, cpu_wait_share=0.39)) == ""
    assert "used 90%" in starved(measured("cached", cpu_share=0.9, cpu_wait_share=None))
    assert "waited" not in generator_load(measured("cached", cpu_wait_share=0.04))

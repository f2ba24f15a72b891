"""On a real host `slo.abort` ends a run in time, `slo.valid` makes it worth nothing, `slo.repeat` has several."""

from __future__ import annotations

import shlex
import threading
import time
from typing import Any

import pytest
from site_on_vps import Site
from verify_runs import CACHED_ONLY, LONG, PHASES, SLO, Run, verify

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(240)]

#: What is promised beyond a line's own seconds, and what a loaded machine and filling the memory may add.
WITHIN_S, MACHINE_S = 2.0, 2.0
FOR_S = 3
READY_S = 2.0
#: Three quarters of the memory in use: more than the line allows, less than any objective or safety stop minds.
HUNGRY = """
import re, time
told = open("/proc/meminfo").read()
free, whole = (int(re.search(name + r":\\s+(\\d+)", told)[1]) for name in ("MemAvailable", "MemTotal"))
kept = bytearray((free - whole // 4) << 10)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(vps(snapshot=deployed), tmp_path_factory.mktemp("stops"), changes={"target__connections": 200})


def must(run: Run) -> list[dict[str, Any]]:
    return [line for line in run.document["lines"] if line["severity"] == "must"]


def test_an_abort_line_ends_the_load_within_its_seconds_and_two_and_says_so(site: Site) -> None:
    eat = f"systemd-run -q --unit=hungry python3 -c {shlex.quote(HUNGRY)}"

    def suffer() -> None:
        time.sleep(READY_S)
        site.host.sh(eat)

    line = f"host.mem > 60% for {FOR_S}s"
    try:
        run = verify(site, during=("hold  ", threading.Thread(target=suffer).start), slo={**LONG, "abort": [line]})
    finally:
        site.host.sh("systemctl stop hungry", check=False)
    assert run.ended_after_s is not None, run.talk
    took_s = run.ended_after_s - READY_S
    assert FOR_S - 1 < took_s < FOR_S + WITHIN_S + MACHINE_S, run.talk
    assert f"(slo.abort: {line})" in run.document["stopped"]
    assert "of the host's memory is in use" in run.document["stopped"]
    # its cause is on the host, so it is the host's failure, though no objective minds so much memory
    assert run.of_outcome("missed") == {"abort_host_mem_share"}, run.document["lines"]
    assert run.code == 7
    assert [phase["name"] for phase in run.document["phases"]] == ["hold"]


def test_without_its_validity_a_test_proves_nothing_either_way(site: Site) -> None:
    wanted = {**CACHED_ONLY, "must": ["cached.p95 < 0.01ms"], "valid": ["gen.cpu < 0.1%", "host.mem < 99%"]}
    run = verify(site, slo=wanted)
    assert (run.code, run.document["outcome"]) == (9, "inconclusive")
    assert {line["outcome"] for line in must(run)} == {"inconclusive"}
    assert all("the test is not valid (gen.cpu < 0.1%)" in line["why"] for line in must(run))
    outcomes = {line["metric"]: line["outcome"] for line in run.document["lines"] if line["severity"] == "valid"}
    assert outcomes == {"gen_cpu_share": "inconclusive", "host_mem_share": "kept"}


def test_several_runs_make_one_verdict(site: Site) -> None:
    short = {**SLO, "uncached_paths": [], "phases": {**PHASES, "hold_s": 0.5, "closed_s": 1}}
    run = verify(site, slo={**short, "cached_req_per_s": 10, "cached_p95_ms": 9000, "repeat": 2})
    runs = run.document["runs"]
    assert 2 <= len(runs) <= 4
    assert run.talk.count("of 2, and up to 4") == len(runs)
    assert all(len(line["runs"]) == len(runs) for line in run.document["lines"])
    p95 = run.line("cached_p95_ms")
    assert min(p95["runs"]) <= p95["measured"] <= max(p95["runs"])
    assert any(f"{len(runs)} runs: each line is their median" in note for note in run.document["notes"])
    assert run.document["outcome"] != "missed", run.document["lines"]

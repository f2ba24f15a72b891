"""A load test ends within two seconds once the host suffers, says why, and leaves nothing running anywhere."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from site_on_vps import Site
from verify_runs import CACHED_ONLY, LONG, SLO, Run, is_doubted, verify

from deployer.sandbox.link import _inside
from deployer.sandbox.programs import run as run_here

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(240)]

#: What the issue promises, and what a loaded machine and the reading of the talk may add.
WITHIN_S, MACHINE_S = 2.0, 1.5
#: Opened at once, so that the load is under way when the host begins to suffer.
READY_S = 2.0
HUNGRY = """
import re, time
free = int(re.search(r"MemAvailable:\\s+(\\d+)", open("/proc/meminfo").read())[1]) // 1024
kept = bytearray((free - 20) << 20)
time.sleep(60)
"""


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(
        vps(snapshot=deployed),
        tmp_path_factory.mktemp("ends"),
        changes={"target__connections": 200, "slo": LONG},
    )


def later(site: Site, command: str) -> None:
    """Have the host suffer once the load is under way."""

    def suffer() -> None:
        time.sleep(READY_S)
        run_here([*_inside(site.host.name), *shlex.split(command)], doing="making the host suffer")

    threading.Thread(target=suffer).start()


def on_host(command: str, site: Site) -> str:
    """Give the command line of this machine that runs a command on the host."""
    return shlex.join(["sh", "-c", shlex.join([*site.host.ssh_argv(), command])])


def ended_within(run: Run) -> None:
    assert run.ended_after_s is not None, run.talk
    assert run.ended_after_s - READY_S < WITHIN_S + MACHINE_S, run.talk
    assert run.document["stopped"]


def test_errors_end_it_and_are_the_hosts(site: Site) -> None:
    stop = on_host("systemctl kill -s KILL nginx.service; systemctl stop nginx.service", site)
    try:
        run = verify(site, during=("hold  ", lambda: later(site, stop)))
    finally:
        site.host.sh("systemctl restart nginx.service")
    ended_within(run)
    assert "failed" in run.document["stopped"]
    held = run.line("connections_held")
    assert held["outcome"] == "missed" or is_doubted(held), held
    assert run.code == (7 if run.of_outcome("missed") else 9)
    assert [phase["name"] for phase in run.document["phases"]] == ["hold"]


@pytest.mark.slow
def test_a_host_that_falls_silent_ends_it_and_is_no_failure(site: Site) -> None:
    try:
        run = verify(site, during=("hold  ", lambda: later(site, "ip link set eth0 down")))
    finally:
        run_here([*_inside(site.host.name), "ip", "link", "set", "eth0", "up"], doing="plugging it in again")
    ended_within(run)
    assert "told nothing" in run.document["stopped"]
    assert run.code == 9
    assert run.of_outcome("missed") == set(), run.document["lines"]


@pytest.mark.slow
def test_memory_that_runs_out_ends_it(site: Site) -> None:
    site.host.sh(f"cat > /root/hungry.py <<'END'\n{HUNGRY}\nEND")
    eat = on_host("systemd-run -q --unit=hungry python3 /root/hungry.py", site)
    try:
        run = verify(site, during=("hold  ", lambda: later(site, eat)))
    finally:
        site.host.sh("systemctl stop hungry; rm /root/hungry.py", check=False)
    assert run.ended_after_s is not None, run.talk
    # filling the memory takes some time itself
    assert run.ended_after_s - READY_S < WITHIN_S + MACHINE_S + 2, run.talk
    assert "memory" in run.document["stopped"]
    assert run.line("memory_peak_share")["outcome"] == "missed"
    assert run.code == 7


@pytest.mark.parametrize(
    ("number", "expected"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_ctrl_c_leaves_nothing_running_anywhere(number: signal.Signals, expected: int, site: Site) -> None:
    site.write()
    process = subprocess.Popen(
        site.argv("verify", "--json", "--quick"),
        cwd=site.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=site.environment(),
    )
    try:
        for line in process.stderr:
            if "hold  " in line:
                break
        time.sleep(READY_S)
        children = children_of(process.pid)
        assert any("loadgen" in argv for argv in children.values()), children
        assert int(site.host.sh("ss -Htn state established sport = :443 | wc -l")) > 100
        process.send_signal(number)
        began = time.monotonic()
        talk, code = process.stderr.read(), process.wait(20)
        took_s = time.monotonic() - began
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert code == expected, talk
    assert took_s < 5
    assert "Traceback" not in talk
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
    left = "pgrep -fc '[s]shd: deploy'; ss -Htn state established sport = :443 | wc -l"
    for _ in range(30):
        sessions, connections = site.host.sh(left, check=False).split()
        if (sessions, connections) == ("0", "0"):
            break
        time.sleep(0.2)
    assert (sessions, connections) == ("0", "0")


def children_of(pid: int) -> dict[int, str]:
    """Find the processes that a process started, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                argv = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(fields[1]) == pid:
                found[int(entry.name)] = argv
    return found


def test_a_host_that_is_not_in_the_inventory_is_refused(site: Site) -> None:
    site.write(slo=CACHED_ONLY)
    argv = ["shop.example.com" if word == "web1" else word for word in site.argv("verify", "--json")]
    done = subprocess.run(
        argv,
        cwd=site.folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **site.environment()},
        check=False,
    )
    assert done.returncode == 2
    assert "shop.example.com" in done.stderr


SHORT = {
    **SLO,
    "rates_per_s": [50, 100_000],
    "must": ["hold.connections >= 200", "r50.p99 < 3s", "service.*.mem < 100%"],
    "should": ["knee.rps >= 1/s", "r100000.p95 < 1ms"],
    "phases": {
        **SLO["phases"],
        "warmup_most_s": 1.5,
        "rate_s": 1,
        "trial_s": 1,
        "trials": 4,
        "cooldown_s": 1.5,
    },
}


def test_the_whole_test_has_all_phases_in_order(site: Site) -> None:
    run = verify(site, whole=True, slo=SHORT)
    names = [phase["name"] for phase in run.document["phases"]]
    assert names[:6] == ["ceiling", "hold", "r50", "cached", "capacity /", "open /"], "r100000 is more than it carries"
    assert set(names[6:]) <= {f"knee {number}" for number in range(1, 5)}
    assert names[6:], run.talk
    assert run.document["whole"]
    assert run.document["knee"]["trials"]
    assert run.line("r50_p95_ms")["outcome"] in ("kept", "inconclusive")
    beyond = [line for line in run.document["lines"] if line["metric"] == "r100000_p95_ms"]
    assert all("not tried" in line["why"] for line in beyond), beyond
    assert run.line("leaked_mib")["measured"] is not None
    assert run.line("predicted_cached_req_per_s")["severity"] == "should"
    assert run.line("cached_p95_ms")["interval"] is not None
    assert "all phases" in run.talk
    assert run.document["outcome"] != "missed", run.document["lines"]

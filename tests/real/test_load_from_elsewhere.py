"""`deployer verify --from`: load from other hosts and from the host's own loopback, on real local VPSes."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from locust_on_hosts import install_locust
from site_on_vps import ROOT, Site

from deployer.sandbox import SandboxHost

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(240, func_only=True)]

PHASES = {
    "warmup_s": 0.5,
    "hold_s": 1,
    "request_every_s": 0.5,
    "closed_s": 0.5,
    "opened_per_s": 500,
    "timeout_s": 3,
}
SLO = {"cached_p95_ms": 5000, "uncached_paths": [], "phases": PHASES}
#: So long that only an end before its time is quick.
LONG = {**SLO, "phases": {**PHASES, "hold_s": 60}}
RUNNING = "pgrep -fc '[p]ython3 -I -S' || true"
LOG = "/var/log/nginx/access.log"


@dataclass
class Ground:
    """A deployed host, and two others that may generate load."""

    site: Site
    generators: dict[str, SandboxHost]

    def write(self, *, generates_load: bool = True, load_from: list[str] | None = None, **changes: Any) -> None:
        addresses = [host.address for host in self.generators.values()]
        wanted = load_from if load_from is not None else ["127.0.0.1", *addresses]
        self.site.write(load_from=wanted, target__connections=60, **changes)
        path = self.site.folder / "hosts.yml"
        document = yaml.safe_load(path.read_text())
        for name, host in self.generators.items():
            document["hosts"][name] = {
                "hardware": {"cpu_cores": 1, "memory_mib": 512, "disk_gib": 10, "bandwidth_mbit_per_s": 100},
                "ssh": {**document["hosts"]["web1"]["ssh"], "address": host.address},
                "generates_load": generates_load,
            }
        path.write_text(yaml.safe_dump(document, sort_keys=False))

    def verify(self, words: str, *more: str, quick: bool = True) -> tuple[int, dict[str, Any], Counter[str]]:
        """Run it; its exit code, its document, and how many requests came from each address."""
        self.site.host.sh(f"nginx -s reopen; sleep 0.2; truncate -s 0 {LOG}")
        how = [*(["--quick"] if quick else []), *more]
        done = self.site.run("verify", *how, "--json", "--from", words)
        assert "generators" in done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        document = json.loads(done.stdout)
        self.site.host.sh("nginx -s reopen; sleep 0.3")
        visits = self.site.host.sh(f"cut -d' ' -f1 {LOG} | sort | uniq -c")
        return (
            done.returncode,
            document,
            Counter({line.split()[1]: int(line.split()[0]) for line in visits.splitlines()}),
        )

    def running(self) -> int:
        """Count the generators that run on the hosts, with the shells that started them."""
        return sum(int(host.sh(RUNNING)) for host in self.generators.values())

    @contextmanager
    def under_load(self, words: str) -> Iterator[subprocess.Popen[str]]:
        """Run a test that would last a minute, until it holds connections from all of `words`."""
        process = subprocess.Popen(
            self.site.argv("verify", "--quick", "--json", "--from", words),
            cwd=self.site.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self.site.environment(),
        )
        try:
            until = time.monotonic() + 30
            while time.monotonic() < until:
                held = self.site.host.sh("ss -Htn state established '( sport = :443 )' | wc -l")
                if int(held) >= 60:
                    break
                assert process.poll() is None, process.stdout.read()
                time.sleep(0.2)
            assert self.running() >= 2
            yield process
        finally:
            process.kill()
            process.wait()

    def gone_within_s(self) -> float:
        """Wait until no generator runs on any host and no connection is held; give how long that took, s."""
        began = time.monotonic()
        while time.monotonic() - began < 30:
            if not self.running():
                return time.monotonic() - began
            time.sleep(0.1)
        return float("inf")


@pytest.fixture(scope="module")
def ground(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    site = Site(vps("target", snapshot=deployed), tmp_path_factory.mktemp("elsewhere"), changes={"slo": SLO})
    found = Ground(site, {name: vps(name, memory_mib=512) for name in ("lg1", "lg2")})
    found.write()
    site.deploy()
    return found


def test_load_comes_from_both_hosts_and_is_one_result(ground: Ground) -> None:
    ground.write()
    code, document, visits = ground.verify("lg1,lg2")
    assert code in (0, 7, 9)
    lg1, lg2 = (visits.pop(host.address) for host in ground.generators.values())
    assert not visits, "from nowhere else"
    assert 0.2 < lg1 / lg2 < 5
    hold, cached = document["phases"]
    assert (hold["established"], hold["alive_min"]) == (60, 60)
    assert hold["errors"] == {}
    assert hold["done"] == 120
    histogram = document["phases"][1]["latency_histogram_us"]
    assert sum(count for _, count in histogram["counts"]) == cached["done"]
    assert cached["done"] > 100
    assert ground.running() == 0, "nothing is left there"


def test_load_from_the_hosts_own_loopback(ground: Ground) -> None:
    ground.write()
    _, document, visits = ground.verify("loopback")
    assert document["load_from"] == ["loopback"]
    assert set(visits) == {"127.0.0.1"}
    assert document["phases"][0]["established"] == 60


@pytest.mark.parametrize(
    ("changes", "words", "says"),
    [
        ({"generates_load": False}, "lg1,lg2", "hosts.lg1.generates_load"),
        ({"load_from": ["192.0.2.7"]}, "lg1", "hosts.web1.load_from"),
        ({"load_from": ["192.0.2.7"]}, "loopback", "hosts.web1.load_from"),
        ({}, "lg1,web1", "--from loopback"),
        ({}, "lg1,lg9", "did you mean"),
    ],
)
def test_what_may_not_generate_load_is_refused(ground: Ground, changes: dict[str, Any], words: str, says: str) -> None:
    ground.write(**changes)
    done = ground.site.run("verify", "--quick", "--from", words)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr


def test_ctrl_c_leaves_nothing_running_anywhere(ground: Ground) -> None:
    ground.write(slo=LONG)
    with ground.under_load("lg1,lg2") as process:
        process.send_signal(signal.SIGINT)
        assert ground.gone_within_s() < 4
        assert process.wait(10) == 130


@pytest.mark.slow
def test_journeys_by_locust_from_two_other_hosts_are_one_result(ground: Ground) -> None:
    ground.write()
    for host in ground.generators.values():
        install_locust(host)
    shutil.copy(ROOT / "examples/journeys/blog.py", ground.site.folder / "journeys.py")
    words = ["--journeys", str(ground.site.folder / "journeys.py"), "--users", "12", "--seconds", "10"]
    _, document, visits = ground.verify("lg1,lg2", *words, quick=False)
    [phase] = document["phases"]
    assert (phase["connections_wanted"], phase["errors"]) == (12, {})
    assert sum(step["done"] for step in phase["steps"]) == phase["done"] > 0
    lg1, lg2 = (visits.pop(host.address) for host in ground.generators.values())
    assert set(visits) <= {"10.213.77.1"}, "the pages are looked at from here once"
    assert 0.2 < lg1 / lg2 < 5
    assert [host.sh("pgrep -fc '[d]eployer_load' || true") for host in ground.generators.values()] == ["0\n"] * 2


@pytest.mark.slow
def test_a_control_machine_that_falls_silent_ends_the_load(ground: Ground) -> None:
    ground.write(slo=LONG)
    with ground.under_load("lg1,lg2") as process:
        process.send_signal(signal.SIGSTOP)
        assert 2 < ground.gone_within_s() < 9


def test_an_alarm_of_the_host_reaches_all_generators(ground: Ground) -> None:
    ground.write(slo=LONG)
    with ground.under_load("lg1,lg2") as process:
        ground.site.host.sh("pkill -f 'sshd: deploy'")
        assert ground.gone_within_s() < 4
        said = process.communicate(timeout=20)[0]
    assert process.returncode == 9
    assert "no longer watched" in said

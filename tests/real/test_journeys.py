"""`deployer verify --journeys`: Locust from here and from a host, watched, ended and reported as any other load."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from locust_on_hosts import install_locust
from site_on_vps import ROOT, Site
from verify_runs import is_doubted, verify

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(240)]

NAMES = {"front page", "article", "archive"}
#: A journey that starts a program, and then computes without end: nothing in its process listens any more.
STUBBORN = """
import subprocess
from locust import HttpUser, task

class Stubborn(HttpUser):
    def on_start(self):
        subprocess.Popen(["sleep", "4711"])

    @task
    def compute(self):
        self.client.get("/")
        while True:
            pass
"""


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(
        vps(snapshot=deployed),
        tmp_path_factory.mktemp("journeys"),
        changes={
            "load_from": ["10.213.77.1", "127.0.0.1"],
            "slo": {"must": ["journeys.p95 < 9s", "journeys.rps > 1/s for 2s"], "should": ["r1000.p95 < 200ms"]},
        },
    )
    shutil.copy(ROOT / "examples/journeys/blog.py", site.folder / "journeys.py")
    return site


def options(site: Site, *more: str, users: int = 10, seconds: int = 10) -> list[str]:
    file = str(site.folder / "journeys.py")
    return ["--journeys", file, "--users", str(users), "--seconds", str(seconds), *more]


def test_a_readers_journeys_are_reported_by_name(site: Site) -> None:
    page, suite = site.folder / "run.html", site.folder / "run.xml"
    run = verify(site, *options(site, "--report", str(page)), whole=True)
    [phase] = run.document["phases"]
    assert (phase["name"], phase["mode"], phase["connections_wanted"]) == ("journeys", "closed", 10)
    steps = {step["name"]: step for step in phase["steps"]}
    assert set(steps) == NAMES
    assert all(step["done"] > 0 and step["errors"] == 0 and step["p95_ms"] >= step["p50_ms"] for step in steps.values())
    assert sum(step["done"] for step in steps.values()) == phase["done"]
    assert len(phase["seconds"]) == 10
    assert len(run.document["host_samples"]) >= 8
    metrics = {line["metric"]: line for line in run.document["lines"]}
    assert set(metrics) == {
        "errors", "memory_peak_share", "oom_kills", "restarts", "journeys_p95_ms", "journeys_req_per_s",
    }  # fmt: skip
    assert all(line["outcome"] == "kept" or is_doubted(line) for line in metrics.values()), metrics
    assert run.code in (0, 9)
    assert any("coordinated omission" in note for note in run.document["notes"])
    assert any("no phase for: r1000.p95 < 200ms" in note for note in run.document["notes"])
    assert all(name in page.read_text() for name in NAMES)
    data = site.folder / "run.json"
    data.write_text(json.dumps(run.document))
    argv = site.argv("report", "--file", str(data), "--out", str(suite))
    subprocess.run([word for word in argv if word not in ("--host", "web1")], check=True, capture_output=True)
    assert all(f'name="{name}"' in suite.read_text() for name in NAMES)


def test_a_host_that_suffers_ends_journeys_too(site: Site) -> None:
    def suffer() -> None:
        time.sleep(2)
        site.host.sh("systemctl kill -s KILL nginx.service; systemctl stop nginx.service")

    try:
        run = verify(
            site,
            *options(site, users=40, seconds=60),
            during=("journeys  ", threading.Thread(target=suffer).start),
            whole=True,
        )
    finally:
        site.host.sh("systemctl restart nginx.service")
    assert run.ended_after_s is not None, run.talk
    assert run.ended_after_s < 2 + 2 + 2, run.talk
    assert "requests of a second failed (errors > 5%)" in run.document["stopped"]
    [ended] = [line for line in run.document["lines"] if line["metric"].startswith("abort_")]
    assert ended["outcome"] == "missed" or is_doubted(ended), ended
    assert run.code == (7 if run.of_outcome("missed") else 9)


def test_ctrl_c_ends_a_journey_that_does_not_listen_and_what_it_started(site: Site) -> None:
    file = site.folder / "stubborn.py"
    file.write_text(STUBBORN)
    site.write()
    process = subprocess.Popen(
        site.argv("verify", "--json", "--journeys", str(file), "--users", "1", "--seconds", "60"),
        cwd=site.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        env=site.environment(),
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "journeys  " in line:
                break
        until = time.monotonic() + 20
        while not running("sleep 4711") and time.monotonic() < until:
            time.sleep(0.1)
        assert running("sleep 4711")
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        talk, code = process.stderr.read(), process.wait(20)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert code == 130, talk
    assert time.monotonic() - began < 6
    assert "Traceback" not in talk
    assert not running("sleep 4711")
    assert not running("deployer_load")


def test_from_the_hosts_own_loopback_with_the_locust_that_it_has(site: Site) -> None:
    missing = verify_refused(site, "--from", "loopback")
    assert "Locust is not there" in missing
    assert "python3 -m venv ~/.local/share/deployer/locust" in missing
    install_locust(site.host)
    run = verify(site, *options(site, "--from", "loopback,here"), whole=True)
    [phase] = run.document["phases"]
    assert {step["name"] for step in phase["steps"]} == NAMES
    assert (phase["connections_wanted"], phase["errors"]) == (10, {})
    log = site.host.sh("tail -n 400 /var/log/nginx/access.log")
    assert "127.0.0.1" in log
    assert "10.213.77.1" in log
    assert site.host.sh("pgrep -fc '[d]eployer_load' || true") == "0\n"


def verify_refused(site: Site, *more: str) -> str:
    site.write()
    argv = site.argv("verify", "--json", *options(site, *more, seconds=10))
    done = subprocess.run(argv, cwd=site.folder, capture_output=True, text=True, env=site.environment(), check=False)
    assert done.returncode == 9, done.stderr
    return done.stderr


def running(words: str) -> list[str]:
    """Find processes of this machine by words of their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                argv = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if words in argv and "pytest" not in argv:
                found.append(argv)
    return found

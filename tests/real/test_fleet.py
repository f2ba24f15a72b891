"""Many hosts at once, on two local VPSes and addresses where nobody is: canary, down, red, the way back, Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from claimed import claimed_address
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
#: What a deploy may not leave other than it was once it is taken back.
STATE = "cat /etc/nginx/nginx.conf /etc/systemd/system/app-blog.service; readlink -f /srv/blog/current/*"


@dataclass
class Fleet:
    """web1 and web3 are there, web2 and web4 are addresses without a machine."""

    folder: Path
    sites: dict[str, Site]
    nobody: dict[str, str]

    def write(self, **changes: Any) -> None:
        entries = {}
        for name, site in self.sites.items():
            site.write(**changes)
            entries[name] = yaml.safe_load((site.folder / "hosts.yml").read_text())["hosts"]["web1"]
            entries[name]["apps"]["blog"]["source"] = f"{name}/blog"
        for name, address in self.nobody.items():
            entries[name] = json.loads(json.dumps(entries["web1"]))
            entries[name]["ssh"]["address"] = address
        document = {"hosts": entries, "groups": {"shop": ["web2", "web3"]}}
        (self.folder / "hosts.yml").write_text(yaml.safe_dump(document, sort_keys=False))

    def argv(self, task: str, *options: str) -> list[str]:
        command = "from deployer.cli import main; main()"
        return [sys.executable, "-c", command, task, "--inventory", str(self.folder / "hosts.yml"), *options]

    def run(self, task: str, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.argv(task, *options),
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == code, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def state(self, name: str) -> str:
        return self.sites[name].host.sh(STATE)

    def serves(self, name: str) -> bool:
        return self.sites[name].get("/", Cookie="blog_session=x")[0].status == 200


@pytest.fixture(scope="module")
def fleet(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    folder = tmp_path_factory.mktemp("fleet")
    sites = {}
    for name in ("web1", "web3"):
        (folder / name).mkdir()
        sites[name] = Site(vps(name, snapshot=deployed), folder / name)
    nobody = {name: f"10.213.77.{vps.of_the_module.enter_context(claimed_address())}" for name in ("web2", "web4")}
    found = Fleet(folder, sites, nobody)
    found.write()
    return found


def states(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    document = json.loads(done.stdout)
    assert document["schema"] == "deployer/fleet/1"
    assert document["exit_code"] == done.returncode
    return {one["host"]: one["state"] for one in document["hosts"]}


@pytest.mark.slow
def test_one_that_is_down_does_not_stop_the_report_of_the_others(fleet: Fleet) -> None:
    done = fleet.run("status", "--host", "web1,shop,web3", "--json", code=4)
    assert states(done) == {"web1": "green", "web2": "down", "web3": "green"}
    documents = [one["document"]["schema"] for one in json.loads(done.stdout)["hosts"]]
    assert documents == ["deployer/status/1", "deployer/error/1", "deployer/status/1"]
    ends = [line.split()[2:4] for line in done.stderr.splitlines() if " begins" not in line]
    assert sorted(ends) == [["web1", "green"], ["web2", "down"], ["web3", "green"]]
    told = fleet.run("plan", "--host", "web1,shop", code=4).stdout
    assert "web1: no change" in told
    assert "web3: " in told
    assert "host:  untouched" in told


def test_a_red_stops_it_and_what_went_live_is_taken_back(fleet: Fleet) -> None:
    before = {name: fleet.state(name) for name in fleet.sites}
    fleet.write(services__nginx={"keepalive_timeout_s": 33})
    main = fleet.sites["web3"].source / "blog/main.py"
    text = main.read_text()
    main.write_text("raise SystemExit('broken')\n" + text)
    rolled = ("--host", "web1,shop,web4", "--canary", "1", "--batch", "1", "--no-verify", "--json")
    done = fleet.run("deploy", *rolled, "--revert-green", code=5)
    main.write_text(text)
    assert states(done) == {"web1": "taken back", "web2": "down", "web3": "red", "web4": "not begun"}
    document = json.loads(done.stdout)
    assert document["stopped_by"] == "web3"
    assert [one["exit_code"] for one in document["hosts"]] == [5, 4, 5, None]
    assert document["hosts"][0]["way_back"]["transaction"]
    assert {name: fleet.state(name) for name in fleet.sites} == before
    assert all(fleet.serves(name) for name in fleet.sites)
    history = json.loads(fleet.run("history", "--host", "web1", "--json").stdout)["transactions"]
    assert history[0]["transaction"] == document["hosts"][0]["way_back"]["transaction"]
    assert history[0]["back_to"] == history[2]["transaction"]
    assert history[1]["transaction"] == document["hosts"][0]["document"]["transaction"]


def test_ctrl_c_names_who_was_under_way_and_they_return_by_themselves(fleet: Fleet) -> None:
    before = {name: fleet.state(name) for name in fleet.sites}
    fleet.write(services__nginx={"keepalive_timeout_s": 44})
    words = fleet.argv("deploy", "--host", "web1,web3,web4", "--parallel", "2", "--no-verify", "--json")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        for line in process.stderr:
            if "activate" in line:
                break
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    document = json.loads(out)
    assert document["interrupted"]
    assert {one["state"] for one in document["hosts"][:2]} <= {"interrupted", "green"}
    assert "interrupted" in {one["state"] for one in document["hosts"]}
    assert document["hosts"][2]["state"] == "not begun"
    under_way = [one["host"] for one in document["hosts"] if one["state"] == "interrupted"]
    until = time.monotonic() + 40
    while time.monotonic() < until and any(fleet.state(name) != before[name] for name in under_way):
        time.sleep(0.5)
    assert {name: fleet.state(name) for name in under_way} == {name: before[name] for name in under_way}


@pytest.mark.slow  # three more transactions on each host; what is new in it is proven one by one elsewhere
def test_without_a_red_all_of_it_goes_live_and_comes_back_together(fleet: Fleet) -> None:
    fleet.write(services__nginx={"keepalive_timeout_s": 55})
    done = fleet.run("deploy", "--host", "web1,web3", "--canary", "50%", "--no-verify")
    assert "live, " in done.stdout
    assert all("keepalive_timeout 55" in fleet.state(name) for name in fleet.sites)
    again = fleet.run("deploy", "--host", "web1,web3", "--no-verify", "--json")
    assert [one["message"] for one in json.loads(again.stdout)["hosts"]] == ["no change", "no change"]
    assert states(fleet.run("rollback", "--host", "web1,web3", "--json")) == {"web1": "green", "web3": "green"}
    assert all("keepalive_timeout 55" not in fleet.state(name) for name in fleet.sites)
    assert all(fleet.serves(name) for name in fleet.sites)

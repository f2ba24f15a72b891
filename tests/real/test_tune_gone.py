"""Whoever tunes dies with a candidate live: the host takes it back by itself, and nothing that others deployed."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from site_on_vps import Site

from deployer.climb import live
from deployer.climb.candidates import candidate
from deployer.inventory import Entry, load_inventory
from deployer.sandbox.boot import start_host, stop_host
from deployer.sandbox.lifecycle import known_shape
from deployer.sandbox.places import places

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(600)]

PINS = {"apps.blog.gunicorn.pool_size": 2}
TIMER = "/etc/systemd/system/deployer-deadman.timer"
#: Two looks of the timer, and the way back with its gate.
BACK_WITHIN_S = 240.0


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps(snapshot=deployed), tmp_path_factory.mktemp("gone"), changes={"slo": {"uncached_paths": ["/"]}})
    found.write()
    found.deploy()
    return found


@pytest.fixture
def abandoned(site: Site, monkeypatch: pytest.MonkeyPatch) -> Entry:
    """A host with a candidate live, and nobody who says any more that he tries."""
    monkeypatch.setattr(live, "SILENCE_S", 1.0)
    entry = load_inventory([site.folder / "hosts.yml"]).entry("web1")
    with live.LiveHost(entry, 0.5, lambda *_: None) as climbed:
        assert climbed.is_as_declared(candidate(entry, {}))
        assert climbed.become(candidate(entry, PINS))
    assert site.plan()["changes"]
    return entry


def history(site: Site) -> list[dict[str, Any]]:
    done = site.run("history", "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["transactions"]
    return found


def wait_until_the_switch_is_gone(site: Site) -> None:
    until = time.monotonic() + BACK_WITHIN_S
    while site.host.sh(f"test -e {TIMER} && echo there || echo gone").strip() == "there":
        assert time.monotonic() < until, site.host.sh("journalctl -u deployer-deadman --no-pager | tail -40")
        time.sleep(2)


def test_the_host_goes_back_by_itself(site: Site, abandoned: Entry) -> None:
    before = history(site)
    assert [one["trial_of"] for one in before[:2]] == [before[1]["transaction"], None]
    wait_until_the_switch_is_gone(site)
    assert not site.plan()["changes"]
    newest = history(site)[0]
    assert newest["back_to"] == newest["trial_of"] == before[1]["transaction"]
    assert newest["outcome"] == "committed"
    assert newest["who"].endswith("who does not answer any more")
    assert site.get()[0].status == 200
    assert site.run("drift").returncode == 0
    assert f"no deploy before {before[1]['transaction']}" in site.run("rollback", "--dry").stderr, "trials are none"
    assert site.host.sh("ls /var/lib/deployer | grep deadman || echo none").strip() == "none"


def test_what_somebody_deployed_meanwhile_stays(site: Site, abandoned: Entry) -> None:
    site.write(apps__blog__cache_s=7)
    site.deploy()
    deployed = history(site)[0]["transaction"]
    wait_until_the_switch_is_gone(site)
    assert history(site)[0]["transaction"] == deployed
    assert not site.plan()["changes"]
    assert "somebody has deployed since" in site.host.sh("journalctl -u deployer-deadman --no-pager")


def test_a_reboot_does_not_end_the_switch(site: Site, abandoned: Entry) -> None:
    stop_host(places(), site.host.name, gracefully=False)
    start_host(known_shape(places(), site.host.name), places())
    wait_until_the_switch_is_gone(site)
    assert not site.plan()["changes"]
    assert history(site)[0]["who"].endswith("who does not answer any more")

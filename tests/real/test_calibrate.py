"""`calibrate` and `capacity` on a real local VPS: the file says what the host shows, and the budget is made from it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from site_on_vps import Site

from deployer.allocate import allocate
from deployer.calibration import costs, learn, pages_of, run, text
from deployer.calibration.site import app_units, bursts_on
from deployer.errors import UsageError
from deployer.inventory import Entry, load_inventory
from deployer.inventory.measurements import measured_path

pytestmark = [pytest.mark.real, pytest.mark.timeout(240)]

WORKER = "apps.blog.gunicorn.worker_memory_mib"


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    host = vps(snapshot=deployed)
    found = Site(host, tmp_path_factory.mktemp("calibrate"))
    found.write(slo__uncached_paths=["/"])
    return found


def entry_of(site: Site) -> Entry:
    return load_inventory([site.folder / "hosts.yml"]).entry("web1")


@pytest.fixture(scope="module")
def calibrated(site: Site) -> Path:
    """Calibrate in a shorter form than a user's, and write the file."""
    with pytest.MonkeyPatch.context() as shorter:
        for module, name, value in (
            (run, "IDLE_S", 1.0),
            (run, "GENTLE_S", 1.0),
            (costs, "LOAD_S", 1.5),
            (costs, "REPEATS", 3),
        ):
            shorter.setattr(module, name, value)
        entry = entry_of(site)
        with bursts_on(entry, print) as bursts:
            observed = run.calibrate(bursts, pages_of(entry.host.slo))
        app, units = app_units(entry)
        learned = learn(entry.declaration, app, units, observed, "2026-11-22")
    path = measured_path(entry.folder, entry.name)
    path.parent.mkdir()
    path.write_text(text(learned.measured))
    return path


def test_what_is_written_is_what_the_host_holds_and_spends(site: Site, calibrated: Path) -> None:
    found = yaml.safe_load(calibrated.read_text())
    processes = site.host.sh("systemctl show -p MainPID --value app-blog.service; pgrep -c gunicorn").split()
    assert int(processes[1]) == 2  # the master and the worker that was measured
    held = site.host.sh(f"grep Pss_Anon /proc/$(pgrep -P {processes[0]})/smaps_rollup").split()
    now_mib = int(held[1]) / 1024
    assert now_mib < found["values"][WORKER]["value"] <= 2 * now_mib + 4
    costs = {(page["path"], page["kind"]): page for page in found["pages"]}
    assert set(costs) == {("/", "cached"), ("/", "uncached")}
    assert 5 * costs["/", "cached"]["cpu_ms"] < costs["/", "uncached"]["cpu_ms"] < 100


def test_the_budget_is_made_from_it_and_says_so(site: Site, calibrated: Path) -> None:
    told = site.run("explain", "--setting", "ledger.blog")
    assert told.returncode == 0, told.stderr
    assert "worker_memory_mib" in told.stdout
    assert "measured, 2026-11-22" in told.stdout
    assert "measured, 2026-11-22" in site.run("budget").stdout
    declaration = entry_of(site).declaration
    budget = allocate(declaration)
    assert budget.granted_mib + budget.reserved_mib <= budget.usable_mib


def test_capacity_is_said_from_the_file_alone(site: Site, calibrated: Path) -> None:
    out = site.folder / "capacity.json"
    told = site.run("capacity", "--out", str(out))
    assert told.returncode == 0, told.stderr
    document = json.loads(out.read_text())
    pages = {page["kind"]: page for page in document["pages"]}
    assert pages["cached"]["req_per_s"] > 2 * pages["uncached"]["req_per_s"] > 5
    assert all(page["calibrated"] for page in document["pages"])


def is_kept_awake(site: Site) -> bool:
    return "inactive" not in site.host.sh("systemctl is-active deployer-awake.service || true")


def spent_s(site: Site, unit: str) -> float:
    return int(site.host.sh(f"cut -d' ' -f1 /proc/$(systemctl show -p MainPID --value {unit})/schedstat")) / 1e9


def test_processors_are_kept_awake_and_services_get_them_all_the_same(site: Site, calibrated: Path) -> None:
    assert not is_kept_awake(site)
    busy = "systemd-run --quiet --collect --slice=deployer.slice --unit=busy.service -p RuntimeMaxSec=60"
    with bursts_on(entry_of(site), print) as bursts:
        with bursts.awake() as is_awake:
            assert is_awake
            pids = site.host.sh("systemctl show -p MainPID --value deployer-awake.service").strip()
            assert site.host.sh(f"ps -o cls=,user= -p {pids}").split() == ["IDL", "nobody"]
            first = bursts.look()
            time.sleep(1)
            last = bursts.look()
            assert last.cpu_ms - first.cpu_ms < 0.6 * 1000 * (last.at_s - first.at_s)  # it would be all of it
            site.host.sh(f"{busy} /usr/bin/python3 -c 'while True: pass'")
            before = spent_s(site, "deployer-awake"), spent_s(site, "busy")
            time.sleep(3)
            awake_s, busy_s = spent_s(site, "deployer-awake") - before[0], spent_s(site, "busy") - before[1]
            site.host.sh("systemctl stop busy.service")
            assert awake_s < 0.1 * busy_s  # in a slice of its own it takes as much
        assert not is_kept_awake(site)


def test_what_keeps_processors_awake_ends_with_the_connection(site: Site) -> None:
    with bursts_on(entry_of(site), print) as bursts:
        assert bursts.agent.call({"op": "awake", "on": True})["cores"] == 1
        assert is_kept_awake(site)
    until = time.monotonic() + 10
    while is_kept_awake(site) and time.monotonic() < until:
        time.sleep(0.2)
    assert not is_kept_awake(site)


def test_a_host_that_may_not_be_loaded_is_not_asked_for_anything(site: Site, calibrated: Path) -> None:
    entry = entry_of(site)
    forbidden = entry.host.model_copy(update={"load": "forbidden"})
    with (
        pytest.raises(UsageError, match="does not allow load tests"),
        bursts_on(Entry(entry.name, forbidden, entry.folder), print),
    ):
        pytest.fail("it was connected to")

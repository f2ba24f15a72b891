"""Node.js apps on a local VPS: a unit for each process, sockets of systemd's or ports, PM2; killed, blown, replaced."""

from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from example_on_vps import Example, eventually
from runtime_checks import (
    Uncached,
    assert_a_killed_process_comes_back_unnoticed,
    assert_a_new_release_loses_no_request,
    assert_a_process_without_memory_dies_alone,
    assert_a_release_that_does_not_start_is_returned,
    assert_a_second_deploy_changes_nothing,
    assert_carries_a_light_load,
    assert_limits_are_the_budget_s,
    memory,
    numbers,
    processes,
    shown,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(500)]
PROBE = Path(__file__).parent / "probes"
#: What V8 adds to max-old-space-size at the most, for the young generation.
YOUNG_MIB = 48
BROKEN = b"throw new Error('this release does not start');\n"


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """One host for this module, with the probe on it: two processes."""
    folder = tmp_path_factory.mktemp("probe")
    shutil.copytree(PROBE / "node", folder / "probe")
    said = {"services": {}, "app": {"node": {"script": "server.js"}}}
    found = Example(vps("node", cpu_cores=2, memory_mib=1536), folder, app="probe", said=said)
    found.write()
    return found


def test_it_goes_live_with_what_the_budget_says(site: Example) -> None:
    site.deploy()
    told = numbers(site)
    assert len(processes(site)) == told["processes"] == 2
    assert_limits_are_the_budget_s(site)
    said = memory(site)
    assert 0 <= (said["limit"] >> 20) - told["old_space"] <= YOUNG_MIB
    assert said["threads"] == told["pool_threads"]
    assert_a_second_deploy_changes_nothing(site)


def test_visitors_notice_no_new_release_and_no_killed_process(site: Example) -> None:
    assert_a_new_release_loses_no_request(site)
    assert_a_killed_process_comes_back_unnoticed(site, "app-probe@1.service")


@pytest.mark.slow
def test_a_heap_that_is_full_ends_one_process_alone(site: Example) -> None:
    ask = "--unix-socket /run/app-probe-2.sock http://x/blow"
    assert_a_process_without_memory_dies_alone(site, "app-probe@2.service", ask)
    assert "heap out of memory" in site.host.sh("journalctl -u app-probe@2 --no-pager | tail -50")


@pytest.mark.slow
def test_a_release_that_does_not_start_is_returned(site: Example) -> None:
    assert_a_release_that_does_not_start_is_returned(site, "server.js", BROKEN)


@pytest.mark.slow
def test_on_ports_it_counts_as_started_once_it_listens(site: Example) -> None:
    # a process that needs a second to listen: without the wait both would be down at the same time
    script = site.source / "server.js"
    text = script.read_text()
    script.write_text(text.replace("server.listen(", "setTimeout((where) => server.listen(where), 1500, "))
    site.write(apps__probe__node={"script": "server.js", "port": 3001})
    site.deploy()
    assert shown(site, "app-probe@1.socket", "ActiveState") == "inactive"
    assert_a_second_deploy_changes_nothing(site)
    assert_a_new_release_loses_no_request(site)
    assert_a_release_that_does_not_start_is_returned(site, "server.js", BROKEN)
    with Uncached(site) as visitors:
        site.host.sh("systemctl restart app-probe@1 && systemctl restart app-probe@2")
    visitors.assert_never_failed()
    # from ports to sockets there is a pause: an app on sockets may not speak to any port, from the swap on
    script.write_text(text)
    site.write()
    site.deploy()
    assert site.status() == 200
    assert shown(site, "app-probe@1.socket", "ActiveState") == "active"
    assert_a_second_deploy_changes_nothing(site)


@pytest.mark.slow
def test_with_fewer_processes_the_others_are_gone(site: Example) -> None:
    with Uncached(site) as visitors:
        site.write(apps__probe__node={"script": "server.js", "processes": 1})
        site.deploy()
    visitors.assert_never_failed()
    assert processes(site) == ["app-probe@1.service"]
    assert "app-probe@2" not in site.host.sh("systemctl list-units --no-legend --plain --state=active; ls /run/*.sock")
    assert_a_second_deploy_changes_nothing(site)
    site.write()
    site.deploy()
    assert len(processes(site)) == 2


@pytest.mark.slow
def test_under_pm2_its_daemon_shares_one_unit_and_one_socket(site: Example) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROBE / "pm2" / name, site.source)
    site.write(apps__probe__node={"script": "server.js", "pm2": True})
    site.deploy()
    told = numbers(site)
    unit = "app-probe.service"
    assert int(shown(site, unit, "MemoryMax")) == told["MemoryMax"] << 20
    assert site.exposure(unit) <= 2.0
    assert 0 <= (memory(site)["limit"] >> 20) - told["old_space"] <= YOUNG_MIB
    assert eventually(lambda: len(workers(site)) == told["processes"])
    assert processes(site) == []
    site.host.sh(f"kill -KILL {workers(site)[0]}")
    assert eventually(lambda: len(workers(site)) == told["processes"])
    assert "no change" in site.deploy().stdout
    with Uncached(site) as visitors:
        (site.source / "NOTE").write_text("another release\n")
        site.deploy()
    visitors.assert_never_failed()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(PROBE / "node" / name, site.source)
    refused = site.deploy(code=2)
    assert "does not name node_modules/pm2" in refused.stderr
    assert json.loads(site.run("plan", "--json").stdout or "{}").get("changes") is None


def workers(site: Example) -> list[str]:
    pids = site.host.sh("cat /sys/fs/cgroup/*/deployer.slice/app-probe.service/cgroup.procs | sort -u").split()
    daemon = str(site.main_pid("app-probe.service"))
    return [pid for pid in pids if pid != daemon]


@pytest.mark.slow
def test_the_shop_sells_while_it_is_broken_and_replaced(vps: Any, tmp_path: Path) -> None:
    shop = Example(vps("shop", cpu_cores=2, memory_mib=2560), tmp_path, app="shop")
    shop.write()
    shop.deploy()
    assert_limits_are_the_budget_s(shop)
    assert_a_second_deploy_changes_nothing(shop)
    assert_carries_a_light_load(shop)
    assert_an_order_is_told_live_and_paid(shop)
    assert_a_killed_process_comes_back_unnoticed(shop, "app-shop@2.service")
    assert_a_new_release_loses_no_request(shop)
    assert_a_release_that_does_not_start_is_returned(shop, "server.js", BROKEN)


def assert_an_order_is_told_live_and_paid(shop: Example) -> None:
    """Buy something while somebody watches the stock; the worker is killed before, and does its work after that."""
    shop.host.sh("systemctl kill -s KILL app-shop-worker@1")
    slug = shop.get("/")[1].decode().split('href="/product/')[1].split('"')[0]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with socket.create_connection((shop.host.address, 80), 20) as watching:
        watching.sendall(
            f"GET /live HTTP/1.1\r\nHost: {shop.name}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        assert watching.recv(4096).startswith(b"HTTP/1.1 101 ")
        put = shop.request("POST", "/cart", f"product={slug}".encode(), **form)[0]
        cookie = put.headers["Set-Cookie"].split(";")[0]
        order = shop.request("POST", "/order", b"", Cookie=cookie, **form)[0].headers["Location"]
        assert b"stock" in watching.recv(4096)
    assert eventually(lambda: b"paid" in shop.get(order)[1])
    shop.host.sh("systemctl start app-shop-cleanup.service")

"""What link, traffic, processor and disk carry, which ends first, and what more of it would take."""

from __future__ import annotations

import re
from math import ceil

import pytest
from hosts import app, gunicorn, host

from deployer.agent import releases
from deployer.allocate import allocate
from deployer.apps.disk import KEPT
from deployer.errors import BudgetError
from deployer.render import render
from deployer.services.kernel import KernelSettings
from deployer.services.nginx import NginxSettings
from deployer.services.nginx.disk import LOG_MAXSIZE_MIB


def changed(declaration, **hardware):
    return declaration.model_copy(update={"hardware": declaration.hardware.model_copy(update=hardware)})


def test_a_link_carries_pages_and_keeps_connections_open():
    limits = allocate(host(hardware={"bandwidth_mbit_per_s": 3})).limits
    assert limits["link_pages"].value == pytest.approx(24.41, abs=0.01)  # 375 kB/s of 15 KiB
    assert limits["link_connections"].value == int(24.4140625 * 65)
    shorter = allocate(host(hardware={"bandwidth_mbit_per_s": 3}, nginx=NginxSettings(keepalive_timeout_s=20))).limits
    assert shorter["link_connections"].value == int(24.4140625 * 20)


def test_a_month_s_traffic_is_a_mean_rate():
    limits = allocate(host(hardware={"traffic_gb_per_month": 300})).limits
    assert limits["traffic_rate"].value == pytest.approx(300e9 * 8 / (30 * 86400) / 1e6, abs=0.01)


def test_pages_made_anew_end_first_where_the_user_measured_them():
    measured = {"blog": app(gunicorn=gunicorn(worker_class="gthread", wait_ms=20, compute_ms=50))}
    budget = allocate(host(apps=measured))
    assert budget.limits["computing"].value == 20 * 30
    assert budget.binds_first.startswith("computing: 600 visitors, fewer than the 1000 of the target")
    assert "2 cores" in budget.binds_first
    assert "computing" not in allocate(host()).limits


@pytest.mark.parametrize(
    ("hardware", "pattern", "key"),
    [
        ({"bandwidth_mbit_per_s": 3.0}, r"would take ([\d.]+) Mbit/s", "bandwidth_mbit_per_s"),
        ({"traffic_gb_per_month": 300}, r"would take (\d+) GB a month", "traffic_gb_per_month"),
    ],
)
def test_what_it_would_take_is_enough_and_no_more_than_that(hardware, pattern, key):
    declaration = host(hardware=hardware)
    text = allocate(declaration).binds_first
    assert "fewer than the 1000" in text
    needed = float(re.search(pattern, text)[1])
    enough = changed(declaration, **{key: type(hardware[key])(needed)})
    assert "fewer" not in allocate(enough).binds_first
    less = changed(declaration, **{key: type(hardware[key])(needed * 0.95)})
    assert "fewer" in allocate(less).binds_first


def test_lighter_pages_help_as_much_as_is_said():
    declaration = host(hardware={"bandwidth_mbit_per_s": 3})
    page_kib = float(re.search(r"or pages of ([\d.]+) KiB", allocate(declaration).binds_first)[1])
    lighter = declaration.model_copy(update={"target": declaration.target.model_copy(update={"page_kib": page_kib})})
    assert "fewer" not in allocate(lighter).binds_first


def test_pages_of_nothing_are_no_advice():
    declaration = host(hardware={"traffic_gb_per_month": 1})
    target = declaration.target.model_copy(update={"page_kib": 900, "page_every_s": 7})
    assert "GB a month" in (said := allocate(declaration.model_copy(update={"target": target})).binds_first)
    assert "pages of" not in said


def test_the_disk_s_ledger_adds_up_to_the_disk():
    budget = allocate(host(hardware={"disk_gib": 20}))
    assert sum(int(use.value) for use in budget.disk.values()) == 20 * 1024
    assert {"system", "journal", "nginx caches", "nginx logs", "releases of blog", "packages of blog"} <= set(
        budget.disk
    )
    assert budget.disk["room for data"].value > 10 * 1024


@pytest.mark.parametrize(
    ("declaration", "largest"),
    [
        (host(hardware={"disk_gib": 4}, apps={"blog": app(max_upload_mib=1024, uploads_at_once=4)}), "uploads"),
        (host(hardware={"disk_gib": 4}, connections=12_000, memory_mib=16_384), "nginx logs"),
    ],
    ids=["uploads", "logs"],
)
def test_a_disk_that_the_budget_alone_fills_is_refused_with_its_ledger(declaration, largest):
    with pytest.raises(BudgetError) as refused:
        allocate(declaration)
    text = refused.value.message
    missing = int(re.search(r"(\d+) MiB are missing", text)[1])
    uses = [int(mib) for mib in re.findall(r"^ +(\d+) MiB  ", text, re.MULTILINE)]
    assert sum(uses) - missing == 4 * 1024
    assert uses == sorted(uses, reverse=True)
    assert largest in text
    enough = int(re.search(r"a disk of (\d+) GiB", text)[1])
    allocate(changed(declaration, disk_gib=enough))


def test_logs_are_priced_as_they_are_rotated_by_the_hour_and_by_the_day():
    def logs_mib(connections: int) -> float:
        return float(allocate(host(connections=connections, memory_mib=8192, cpu_cores=8)).disk["nginx logs"].value)

    rotated = 2 + 6 / 10
    errors_mib = rotated * LOG_MAXSIZE_MIB
    hour_mib = 3600 * 200 / 2**20  # of one page a second
    every_s = host().target.page_every_s
    quiet, busy = 10, 6000
    assert logs_mib(quiet) == ceil(rotated * 6 * quiet / every_s * hour_mib + errors_mib)
    assert logs_mib(busy) == ceil(rotated * (LOG_MAXSIZE_MIB + busy / every_s * hour_mib) + errors_mib)
    declaration = host()
    files = {one.path: one.content.decode() for one in render(declaration, allocate(declaration)).files}
    assert f"maxsize {LOG_MAXSIZE_MIB}M\n" in files["/etc/logrotate.d/nginx"]
    assert "OnCalendar=hourly\n" in files["/etc/systemd/system/logrotate.timer.d/60-deployer.conf"]


def test_a_swap_file_takes_its_size_of_the_disk():
    plain = host(memory_mib=2048)
    swap = {**plain.settings, "kernel": KernelSettings(swap="file", swap_mib=2000)}
    with_swap = allocate(plain.model_copy(update={"settings": swap})).disk
    assert with_swap["swap file"].value == 2000
    assert allocate(plain).disk["room for data"].value - with_swap["room for data"].value == 2000


def test_the_disk_counts_as_many_releases_as_the_host_keeps():
    assert releases.KEPT == KEPT


def test_an_app_without_a_cache_is_priced_without_one():
    uncached = {"a": app(cache_s=0), "b": app(session_cookie=None, server_names=("b.example",))}
    cached = {"a": app(), "b": app(server_names=("b.example",))}
    with_caches, without = (allocate(host(apps=apps, memory_mib=2048)) for apps in (cached, uncached))
    assert with_caches.disk["nginx caches"].value == 2 * 128
    assert without.disk["nginx caches"].value == 0
    zones = [budget.claims["nginx"].parts["shared zones"] for budget in (with_caches, without)]
    assert zones[0] - zones[1] == 2
    files = {one.path: one.content.decode() for one in render(host(apps=uncached), allocate(host(apps=uncached))).files}
    assert "proxy_cache" not in files["/etc/nginx/deployer/apps/a.conf"]
    assert "proxy_cache" not in files["/etc/nginx/deployer/apps/b.conf"]


def test_an_odd_size_of_zram_is_named_as_it_is():
    settings = {**host().settings, "kernel": KernelSettings(swap="zram", swap_mib=65)}
    [zram] = [one for one in allocate(host().model_copy(update={"settings": settings})).reserves if one.name == "zram"]
    assert (zram.mib, zram.because) == (32, "half of 65 MiB of swap, compressed")

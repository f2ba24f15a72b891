"""A Java app on a local VPS: every part of its memory as the budget says; killed, blown, replaced one by one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from example_on_vps import Example
from runtime_checks import (
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
    release,
    shown,
)
from site_on_vps import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(500)]
TWO = {"jar": "quotes.jar", "classes": 3000, "processes": 2}


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """One host for this module, with two processes of the example on it."""
    subprocess.run([ROOT / "scripts/build-examples"], check=True, timeout=280)
    found = Example(vps.only, tmp_path_factory.mktemp("quotes"), app="quotes")
    found.write(apps__quotes__java=TWO)
    found.deploy()
    return found


def test_it_serves_within_what_the_budget_says(site: Example) -> None:
    assert_limits_are_the_budget_s(site)
    assert len(processes(site)) == 2
    assert_a_second_deploy_changes_nothing(site)
    assert_carries_a_light_load(site)
    assert_a_killed_process_comes_back_unnoticed(site, "app-quotes@1.service")


@pytest.mark.slow
def test_a_new_release_takes_the_place_of_the_old_unnoticed(site: Example) -> None:
    assert_a_new_release_loses_no_request(site)
    # it was told to stop, and did: no failure for systemd
    assert shown(site, "app-quotes@1.service", "Result") == "success"
    assert "Failed" not in site.host.sh("journalctl -u app-quotes@2 --no-pager | tail -20")


@pytest.mark.slow
def test_a_release_that_does_not_start_is_returned(site: Example) -> None:
    assert_a_release_that_does_not_start_is_returned(site, "quotes.jar", b"this is no archive\n")


@pytest.mark.slow
def test_the_machine_says_the_same_and_dies_of_a_full_heap_alone(site: Example, tmp_path: Path) -> None:
    source = Path(__file__).parent / "probes" / "Probe.java"
    subprocess.run(["javac", "--release", "17", "-d", tmp_path, source], check=True, timeout=120)
    jar = tmp_path / "probe.jar"
    subprocess.run(["jar", "cfe", jar, "Probe", "-C", tmp_path, "Probe.class"], check=True, timeout=60)
    shutil.copy(jar, site.source / "quotes.jar")
    site.deploy()
    told = numbers(site)
    assert memory(site) == {
        "MaxHeapSize": told["heap"] << 20,
        "MaxMetaspaceSize": told["metaspace"] << 20,
        "ReservedCodeCacheSize": told["code_cache"] << 20,
        "MaxDirectMemorySize": told["direct"] << 20,
        "ThreadStackSize": told["stack"],
        "collector": "Copy",
    }
    assert_a_process_without_memory_dies_alone(site, "app-quotes@2.service", "http://127.0.0.1:8081/blow")
    assert "OutOfMemoryError" in site.host.sh("journalctl -u app-quotes@2 --no-pager | tail -20")


@pytest.mark.slow
def test_with_fewer_processes_the_others_are_gone(site: Example) -> None:
    site.write(apps__quotes__java={"jar": "quotes.jar"})
    site.deploy()
    assert processes(site) == ["app-quotes@1.service"]
    assert ":8081 " not in site.host.sh("ss -ltn")
    assert_a_second_deploy_changes_nothing(site)


@pytest.mark.slow
def test_a_migration_of_a_later_deploy_has_a_heap_that_its_memory_holds(site: Example) -> None:
    source = Path(__file__).parent / "probes" / "Migrate.java"
    subprocess.run(["javac", "--release", "17", "-d", site.source / "migrate", source], check=True, timeout=120)
    site.write(
        services__sqlite={},
        apps__quotes__java={"jar": "quotes.jar", "classes": 3000},
        apps__quotes__database={"server": "sqlite", "migrate": ["java", "-cp", "migrate", "Migrate"]},
    )
    for text in ("one", "two"):  # the second while the app runs: all that it has is the slice of the deploys
        (site.source / "note.txt").write_text(text)
        site.deploy()
        live, filled_mib, options = site.sh("cat /var/lib/app-quotes/migrated").split("\t")
        assert live == release(site)
        heap = re.search(r"-Xmx(\d+)m", options)
        assert heap is not None
        assert int(filled_mib) >= 0.7 * int(heap[1]) >= 0.7 * 48
    assert site.numbers("deploy")["MemoryMax"] < 300

"""A Go program on a local VPS: a socket that systemd holds, its memory as the budget says; killed, blown, replaced."""

from __future__ import annotations

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
)
from site_on_vps import ROOT

pytestmark = [pytest.mark.real, pytest.mark.timeout(500), pytest.mark.slow]
UNIT = "app-shortener@1.service"


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """One host for this module, with the example's program on it."""
    subprocess.run([ROOT / "scripts/build-examples"], check=True, timeout=280)
    found = Example(vps.only, tmp_path_factory.mktemp("shortener"), app="shortener")
    found.write()
    found.deploy()
    return found


def test_it_serves_within_what_the_budget_says_and_is_replaced_unnoticed(site: Example) -> None:
    assert_limits_are_the_budget_s(site)
    environment = site.host.sh(f"tr '\\0' '\\n' < /proc/{site.main_pid(UNIT)}/environ")
    told = numbers(site)
    assert f"GOMEMLIMIT={told['GOMEMLIMIT']}MiB\n" in environment
    assert f"GOMAXPROCS={told['GOMAXPROCS']}\n" in environment
    assert_a_second_deploy_changes_nothing(site)
    assert_carries_a_light_load(site)
    assert_a_new_release_loses_no_request(site)


def test_what_was_shortened_is_there_after_a_kill(site: Example) -> None:
    answer, page = site.request(
        "POST", "/", b"address=https%3A%2F%2Fa.example%2F", **{"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.status == 201
    code = page.decode().split('<a href="/')[1].split('"')[0]
    assert_a_killed_process_comes_back_unnoticed(site, UNIT)
    assert site.get(f"/{code}")[0].headers["Location"] == "https://a.example/"


@pytest.mark.slow
def test_a_release_that_does_not_start_is_returned(site: Example) -> None:
    assert_a_release_that_does_not_start_is_returned(site, "bin/shortener", b"#!/bin/false\n")


@pytest.mark.slow
def test_the_runtime_says_the_same_and_dies_of_too_much_alone(site: Example, tmp_path: Path) -> None:
    program = tmp_path / "probe"
    source = Path(__file__).parent / "probes" / "probe.go"
    subprocess.run(["go", "build", "-o", program, source], check=True, timeout=120, env=GO_ENVIRONMENT)
    (site.source / "bin/shortener").write_bytes(program.read_bytes())
    site.deploy()
    told, said = numbers(site), memory(site)
    assert said == {"GOMEMLIMIT": told["GOMEMLIMIT"] << 20, "GOMAXPROCS": told["GOMAXPROCS"]}
    assert_a_process_without_memory_dies_alone(site, UNIT, "--unix-socket /run/app-shortener-1.sock http://x/blow")
    site.write(apps__shortener__go={"program": "bin/shortener", "port": 8090})
    site.deploy()
    assert_limits_are_the_budget_s(site)
    assert_a_second_deploy_changes_nothing(site)


GO_ENVIRONMENT = {
    "PATH": "/usr/local/go/bin:/usr/bin:/bin",
    "HOME": "/root",
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
}

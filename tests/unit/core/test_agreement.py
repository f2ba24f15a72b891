"""Facts against the declaration: what makes the budget untrue is refused, with the line to write."""

from __future__ import annotations

from typing import Any

import pytest
from hosts import host
from test_plan import as_wanted

from deployer.agreement import check
from deployer.allocate import allocate
from deployer.errors import FactsMismatch
from deployer.render import render

RENDERED = render(host(), allocate(host()))
FACTS: dict[str, Any] = {
    "memory_mib": 1024,
    "cpu_cores": 1,
    "os_id": "debian",
    "os_version": "12",
    "os_name": "Debian GNU/Linux 12",
    "disk_free_mib": 9000,
    "cgroup": "v2",
    "nofile_hard": 524288,
    "somaxconn": 4096,
}


def seen(**changes: Any) -> dict[str, Any]:
    answer = as_wanted()
    answer["facts"] = FACTS | changes
    answer["packages"] |= {"nginx": "1.22.1-9", "mariadb-server": "1:10.11.19-0+deb12u1"}
    return answer


def test_a_host_as_declared_has_no_finding():
    assert check(RENDERED, seen(), place="x") == ()


def test_a_real_gib_is_enough():
    assert check(RENDERED, seen(memory_mib=973), place="x") == ()


@pytest.mark.parametrize(
    ("changes", "message", "next_step"),
    [
        ({"memory_mib": 900}, "900 MiB of memory; 1024 are declared", "memory_mib: 896"),
        ({"os_id": "centos", "os_version": "9", "os_name": "CentOS"}, "runs CentOS", "--any-os"),
        ({"nofile_hard": 1024}, "allows 1024 open files", "fewer target.connections"),
        ({"cpu_cores": 0}, "0 cores, but 1 are declared", "cpu_cores"),
    ],
)
def test_what_makes_the_budget_untrue_is_refused(changes, message, next_step):
    with pytest.raises(FactsMismatch) as caught:
        check(RENDERED, seen(**changes), place="deploy@x")
    assert message in caught.value.message
    assert next_step in caught.value.next_step
    assert caught.value.where == "deploy@x"


def test_the_memory_line_to_write_is_one_that_this_host_keeps():
    with pytest.raises(FactsMismatch) as caught:
        check(RENDERED, seen(memory_mib=900), place="x")
    written = int(caught.value.next_step.split("memory_mib: ")[1].split()[0])
    assert int(0.95 * written) <= 900


def test_another_system_can_be_tried_all_the_same():
    assert check(RENDERED, seen(os_id="centos"), place="x", any_os=True) == ()


def test_a_missing_certificate_and_a_foreign_listener_are_told_together():
    answer = seen()
    answer["paths"]["/etc/ssl/x/cert.pem"] = False
    answer["ports"] = {"80": "apache2", "443": "nginx"}
    with pytest.raises(FactsMismatch) as caught:
        check(RENDERED, answer, place="x")
    assert "certificate of app blog is not on the host: /etc/ssl/x/cert.pem" in caught.value.message
    assert "port 80, which nginx needs, is held by apache2" in caught.value.message


def test_a_full_disk_stops_a_first_deploy_only():
    assert check(RENDERED, seen(disk_free_mib=100), place="x") == ()
    answer = seen(disk_free_mib=100)
    answer["packages"]["python3-venv"] = None
    with pytest.raises(FactsMismatch, match="100 MiB of disk free"):
        check(RENDERED, answer, place="x")


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"cgroup": "v1"}, "cgroup v1"),
        ({"somaxconn": 128}, "net.core.somaxconn"),
        ({"memory_mib": 2048}, "the rest is not used"),
        ({"cpu_cores": 2}, "only 1 declared"),
    ],
)
def test_what_only_costs_something_is_a_warning(changes, warning):
    assert any(warning in line for line in check(RENDERED, seen(**changes), place="x"))


def test_another_version_than_the_budget_was_made_for_is_a_warning():
    answer = seen()
    answer["packages"]["mariadb-server"] = "1:11.8.6-0+deb13u1"
    assert any("11.8.6" in line and "10.11" in line for line in check(RENDERED, answer, place="x"))

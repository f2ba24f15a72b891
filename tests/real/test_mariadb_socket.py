"""Debian 12's MariaDB 10.11.18 enables a socket that opens port 3306 to everybody: it is masked, and comes back."""

from __future__ import annotations

from typing import Any

import pytest
from example_on_vps import eventually
from site_on_vps import Site

from deployer.sandbox.boot import start_host, stop_host
from deployer.sandbox.lifecycle import known_shape
from deployer.sandbox.places import places

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

#: As the package of that release leaves a host after its next boot, whatever release there is now.
BY_HAND = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update >/dev/null; apt-get -qqy --no-install-recommends install mariadb-server >/dev/null 2>&1
systemctl stop mariadb
systemctl enable --quiet --now mariadb.socket
systemctl start mariadb
"""
STATE = (
    "systemctl is-active mariadb.socket mariadb.service; systemctl is-enabled mariadb.socket; ss -Hltn sport = :3306"
)


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    host = vps("socket")
    host.sh(BY_HAND)
    found = Site(host, tmp_path_factory.mktemp("site"))
    found.write()
    return found


def state(site: Site) -> tuple[list[str], bool]:
    """Socket, service, whether the socket starts at boot; and whether the port is open."""
    told = site.host.sh(STATE, check=False).split("\n")
    return told[:3], "LISTEN" in " ".join(told[3:])


def reboot(site: Site) -> None:
    stop_host(places(), site.host.name, gracefully=True)
    start_host(known_shape(places(), site.host.name), places())
    assert eventually(lambda: site.host.sh("systemctl is-system-running --wait; true") != "")


OPEN = (["active", "active", "enabled"], True)
CLOSED = (["inactive", "active", "masked"], False)


def test_a_failed_deploy_leaves_it_as_it_was(site: Site) -> None:
    assert state(site) == OPEN
    site.write(apps__blog__health_path="/nothing-there")
    try:
        done = site.run("deploy", "--no-verify")
    finally:
        site.write()
    assert done.returncode == 5, done.stderr
    assert state(site) == OPEN


def test_a_deploy_closes_the_port_and_an_upgrade_does_not_open_it(site: Site) -> None:
    assert "mariadb.socket" in site.run("plan").stdout
    site.deploy()
    assert state(site) == CLOSED
    # what the package's own script does, and a boot after it
    site.host.sh("deb-systemd-helper unmask mariadb.socket; deb-systemd-helper enable mariadb.socket; true")
    reboot(site)
    assert eventually(lambda: state(site) == CLOSED)
    assert "no change" in site.deploy().stdout


def test_one_that_runs_all_the_same_is_drift_and_the_next_deploy_closes_it(site: Site) -> None:
    site.host.sh(
        "rm /etc/systemd/system/mariadb.socket; systemctl daemon-reload; systemctl stop mariadb; "
        "systemctl enable --quiet --now mariadb.socket; systemctl start mariadb"
    )
    assert state(site) == OPEN
    drift = site.run("drift")
    assert (drift.returncode, "mariadb.socket" in drift.stdout) == (7, True)
    site.deploy()
    assert state(site) == CLOSED


def test_the_way_back_to_nothing_opens_it_again(site: Site) -> None:
    done = site.run("rollback", "--to", "nothing")
    assert done.returncode == 0, done.stderr
    assert state(site) == OPEN

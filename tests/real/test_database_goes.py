"""A database server that the inventory no longer names: it stops and keeps its data; wanted again, it has it back."""

from __future__ import annotations

from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(400), pytest.mark.slow]

OURS = "find /etc/mysql/mariadb.conf.d /etc/systemd/system -name '90-deployer.cnf' -o -name 'mariadb.service.d'"


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("goes", snapshot=deployed), tmp_path_factory.mktemp("site"))
    found.write()
    return found


def posts(site: Site) -> int:
    return int(site.host.sh("mariadb -BN -e 'SELECT COUNT(*) FROM blog.posts'"))


def state(site: Site) -> str:
    return " ".join(site.host.sh("systemctl is-active mariadb; systemctl is-enabled mariadb; true").split())


def test_a_server_that_is_not_wanted_any_more_stops_and_keeps_its_data(site: Site) -> None:
    assert (posts(site), state(site)) == (100, "active enabled")
    site.write(apps={}, services={}, slo={}, target={"connections": 200})
    changes = {(one["kind"], one["verb"], one["name"]) for one in site.plan()["changes"]}
    assert ("unit", "stop", "mariadb.service") in changes
    assert not [one for one in changes if one[0] in ("database", "package")]
    site.deploy()
    assert state(site) == "inactive disabled"
    assert site.host.sh(OURS) == ""
    assert site.host.sh("pgrep mariadbd; true") == ""
    assert "no change" in site.deploy().stdout
    assert site.host.sh("ls -d /var/lib/mysql/blog; true").strip() == "/var/lib/mysql/blog"
    assert site.host.sh("systemctl --failed --no-legend --plain") == ""


def test_wanted_again_it_has_what_it_had(site: Site) -> None:
    site.write()
    site.deploy()
    assert (posts(site), state(site)) == (100, "active enabled")
    response, page = site.get("/")
    assert response.status == 200
    assert b"<article" in page
    assert "no change" in site.deploy().stdout

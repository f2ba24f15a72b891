"""A rival of the comparison, made for real: the release and data of ours on a Debian of its own, and its settings."""

from __future__ import annotations

from typing import Any

import pytest
from site_on_vps import Site

from deployer.comparison.contenders import make_rival, subject_of
from deployer.comparison.ground import Ground, fetch
from deployer.comparison.processor import processor_s
from deployer.comparison.rival import rivals
from deployer.inventory import load_inventory

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_a_rival_serves_our_pages_with_its_own_settings(
    vps: Any, deployed: str, with_servers: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rival")
    ours = Site(vps("ours", snapshot=deployed), folder)
    ours.write()
    release, page = ours.get("/healthz", Cookie="blog_session=x")[0].headers["X-Release"], ours.get("/")[1]
    fetch(ours.host, "tar -C / -cf - srv/blog", folder / "app.tar")
    fetch(ours.host, "mariadb-dump --single-transaction blog", folder / "data.sql")

    rival = Site(vps("rival", snapshot=with_servers), folder)
    rival.write()
    rival.host.sh("systemctl enable --now --quiet mariadb")
    ground = Ground(load_inventory([folder / "hosts.yml"]).entry("web1"))
    make_rival(ground, rival.host, subject_of(ground.entry), rivals()["articles"], folder)

    answered, same_page = rival.get("/")
    assert answered.status == 200
    assert same_page == page, "the same data, shown by the same release"
    assert release, "ours says which release it is"
    assert rival.get("/")[0].headers["X-Cache"] == "HIT"
    assert rival.get("/", Cookie="blog_session=x")[0].headers["X-Cache"] == "BYPASS"
    asked = "SELECT @@max_connections, @@innodb_buffer_pool_size >> 20, @@query_cache_size >> 20, @@query_cache_type"
    assert rival.host.sh(f"mariadb -NBe '{asked}'").split() == ["100", "512", "32", "ON"]
    assert "worker_connections 65535;" in rival.host.sh("nginx -T 2>/dev/null")
    assert int(rival.host.sh("pgrep --count --full 'gunicorn --workers 3'")) == 1 + 3
    units = {"nginx": "nginx.service", "app": "blog.service", "database": "mariadb.service"}
    before = processor_s(rival.host, units)
    assert all(taken > 0 for taken in before.values()), before
    for _ in range(30):
        rival.get("/", Cookie="blog_session=x")
    assert processor_s(rival.host, units)["app"] > before["app"], "making pages takes processor"
    assert "deployer" not in rival.host.sh("ls /etc /var/lib /etc/nginx"), "nothing of ours is there"

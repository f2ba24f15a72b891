"""A plan that is kept in a file: exactly what was shown is applied, or nothing."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("kept", snapshot=deployed), tmp_path_factory.mktemp("site"))
    found.write()
    return found


def kept(site: Site) -> str:
    path = site.folder / "p.json"
    done = site.run("plan", "--json", "--out", str(path))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text())["changes"] == json.loads(done.stdout)["changes"]
    return str(path)


def state(site: Site) -> str:
    return site.host.sh("cat /var/lib/deployer/manifest.json; cat /etc/nginx/nginx.conf; ls -l /srv/blog/current")


def test_what_was_shown_is_applied_whatever_the_inventory_says_by_then(site: Site) -> None:
    site.write(services__nginx={"keepalive_timeout_s": 33})
    template = site.source / "blog/templates/base.html"
    template.write_text(template.read_text().replace("</body>", "<p>kept in a file</p></body>"))
    plan = kept(site)
    site.write(services__nginx={"keepalive_timeout_s": 44})
    template.write_text(template.read_text().replace("kept in a file", "never shown"))
    site.deploy("--plan", plan)
    assert "keepalive_timeout 33" in site.host.sh("cat /etc/nginx/nginx.conf")
    assert b"kept in a file" in site.get("/", Cookie="blog_session=x")[1]
    again = site.deploy("--plan", plan, code=4)  # the host has moved: by this very plan
    assert "was the last deploy" in again.stderr or "changed on the host since" in again.stderr


def test_a_host_that_moved_is_left_alone(site: Site) -> None:
    plan = kept(site)
    site.host.sh("sed -i 's/keepalive_timeout 33/keepalive_timeout 11/' /etc/nginx/nginx.conf")
    before = state(site)
    done = site.deploy("--plan", plan, code=4)
    assert "/etc/nginx/nginx.conf" in done.stderr
    assert state(site) == before
    site.deploy()


def test_another_hosts_plan_a_changed_lock_and_garbage_are_refused_before_anything_is_sent(site: Site) -> None:
    lock = site.source / "requirements.lock"
    text = lock.read_text()
    lock.write_text("# of another time\n" + text)
    plan = kept(site)
    lock.write_text(text)
    before = state(site)
    done = site.deploy("--plan", plan, code=2)
    assert "lock file of blog is not the one" in done.stderr
    other = json.loads((site.folder / "p.json").read_text()) | {"host": "web2"}
    (site.folder / "other.json").write_text(json.dumps(other))
    assert "one of web2, not of web1" in site.deploy("--plan", str(site.folder / "other.json"), code=2).stderr
    assert "no plan of this deployer" in site.deploy("--plan", str(site.source / "requirements.lock"), code=2).stderr
    assert "cannot be read" in site.deploy("--plan", "/nowhere", code=2).stderr
    assert state(site) == before

"""The host loses power in the middle of a deploy: it boots as it was before, by itself."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from site_on_vps import Site

from deployer.sandbox.boot import start_host, stop_host
from deployer.sandbox.lifecycle import known_shape
from deployer.sandbox.places import places

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]


def cut_power(site: Site) -> None:
    stop_host(places(), site.host.name, gracefully=False)


def power_up(site: Site) -> None:
    start_host(known_shape(places(), site.host.name), places())


def test_a_power_cut_before_the_commit_is_taken_back_at_boot(vps: Any, deployed: str, tmp_path: Any) -> None:
    site = Site(vps("power", snapshot=deployed), tmp_path)
    site.write()
    before = site.host.sh("cat /etc/nginx/deployer/apps/blog.conf; readlink /srv/blog/current/*")
    data = "mariadb-dump --skip-comments --order-by-primary blog | sha256sum"
    held = site.host.sh(data)
    (site.source / "blog" / "extra.py").write_text("NEW = True\n")
    step = site.source / "blog/migrations/0004_moods.sql"
    step.write_text("CREATE TABLE moods (mood INT);\nUPDATE posts SET title = 'lost';\n")
    site.write(apps__blog__cache_s=9)
    command = "from deployer.cli import main; main()"
    deploy = subprocess.Popen(
        [sys.executable, "-c", command, "deploy", "--host", "web1", "--no-verify", "--inventory", "hosts.yml"],
        cwd=site.folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert deploy.stderr is not None
    for line in deploy.stderr:
        if "watching" in line:  # all is live, nothing is committed
            break
    cut_power(site)
    assert deploy.wait(120) == 6, deploy.stderr.read()  # from here nobody can know
    power_up(site)
    until = time.monotonic() + 40
    while time.monotonic() < until and '"restored"' not in site.host.sh("tail -1 /var/lib/deployer/audit.jsonl"):
        time.sleep(0.3)
    assert site.host.sh("cat /etc/nginx/deployer/apps/blog.conf; readlink /srv/blog/current/*") == before
    assert site.get("/")[0].status == 200
    assert site.host.sh(data) == held
    assert "was restored from the dump taken before" in site.host.sh("tail -1 /var/lib/deployer/audit.jsonl")
    running = site.host.sh("tr '\\0' ' ' < /proc/$(systemctl show -p MainPID --value app-blog)/environ")
    release = site.host.sh("sed -n s/^RELEASE=//p /srv/blog/current/code/.deployer-release").strip()
    assert f"RELEASE={release} " in running
    assert "no such" in site.host.sh("ls /etc/systemd/system/deployer-return.service 2>&1 || true").lower()
    site.write()
    (site.source / "blog" / "extra.py").unlink()
    step.unlink()
    assert site.plan()["changes"] == []

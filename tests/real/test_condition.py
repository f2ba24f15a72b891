"""Status, drift and logs of a deployed host: each change by hand is named, and nothing that nobody changed."""

from __future__ import annotations

import json
import subprocess
import time
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("condition", snapshot=deployed), tmp_path_factory.mktemp("site"))
    found.write()
    return found


def asked(site: Site, task: str, code: int = 0) -> dict[str, Any]:
    done = site.run(task, "--json")
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return dict(json.loads(done.stdout))


def test_a_deployed_host_runs_within_its_limits_and_has_not_drifted(site: Site) -> None:
    found = asked(site, "status")
    budget = json.loads(site.run("budget", "--json").stdout)["grants"]
    units = found["units"]
    assert units["mariadb.service"]["limit_mib"] == budget["mysql"]["memory_mib"]
    assert 20 < units["mariadb.service"]["anonymous_mib"] < units["mariadb.service"]["limit_mib"]
    assert {unit["active"] for unit in units.values()} == {"active"}
    assert found["last_transaction"]
    assert "mariadb.service" in site.run("status").stdout
    nothing = asked(site, "drift")
    assert nothing["findings"] == nothing["running"] == []
    assert "no drift" in site.run("drift").stdout


#: A process goes into the app's group, in either version of control groups, and wants 64 MiB: the kernel kills it.
WANTS_MORE = """
for group in /sys/fs/cgroup/memory/deployer.slice /sys/fs/cgroup/deployer.slice; do
    [ -d $group/app-blog.service ] && break
done
echo $$ > $group/app-blog.service/cgroup.procs
echo 1000 > /proc/self/oom_score_adj
python3 -c 'bytearray(64 << 20)' || true
"""


CHANGES = {
    "echo '# by hand' >> /etc/nginx/nginx.conf": ("/etc/nginx/nginx.conf", "changed by hand"),
    "chmod 666 /etc/mysql/mariadb.conf.d/90-deployer.cnf": ("/etc/mysql/mariadb.conf.d/90-deployer.cnf", "is 0666"),
    "rm /etc/logrotate.d/nginx": ("/etc/logrotate.d/nginx", "is gone"),
    "touch /etc/nginx/deployer/other.conf": ("/etc/nginx/deployer/other.conf", "none of deployer's"),
    "systemctl disable --quiet nginx": ("nginx.service", "would not start at boot"),
    "systemctl set-property mariadb CPUWeight=50": ("mariadb.service", "drop-in that is none of deployer's"),
    "systemctl stop app-blog.service app-blog.socket": ("app-blog.socket", "does not run"),
    "ln -sfn /tmp /srv/blog/current/code": ("/srv/blog/current/code", "leads to /tmp"),
}


def test_each_change_by_hand_is_named_and_a_deploy_takes_it_back(site: Site) -> None:
    for command in CHANGES:
        site.host.sh(command)
    site.host.sh("mariadb -e 'SET GLOBAL max_connections = 999'")
    found = asked(site, "drift", code=7)
    for name, what in CHANGES.values():
        assert any(one["name"] == name and what in one["what"] for one in found["findings"]), (name, found)
    assert {one["setting"] for one in found["running"]} >= {"max_connections"}
    shown = site.run("drift")
    assert shown.returncode == 7
    assert "runs with 999" in shown.stdout
    assert asked(site, "status", code=7)["units"]["app-blog.socket"]["active"] == "inactive"
    site.deploy()
    left = {one["name"] for one in asked(site, "drift", code=7)["findings"]}
    assert left <= {"/etc/nginx/deployer/other.conf", "mariadb.service"}  # of somebody else: named, not removed


def test_logs_are_read_for_one_unit_or_all_and_followed(site: Site) -> None:
    site.host.sh("logger --tag nginx-said x; systemd-cat --identifier=other true; systemctl reload nginx")
    of_nginx = site.run("logs", "--unit", "nginx", "--lines", "5").stdout
    assert "Reloaded nginx" in of_nginx
    assert len(of_nginx.splitlines()) <= 5
    assert "mariadb" in site.run("logs", "--lines", "500").stdout.lower()
    assert site.run("logs", "--unit", "nginx; reboot").returncode == 4
    assert site.run("logs", "--since", "$(reboot)").returncode == 4
    follower = subprocess.Popen(
        # who runs the tests in the background ignores Ctrl-C, and so would what they start
        ["env", "--default-signal=INT", *site.argv("logs", "--unit", "nginx", "--lines", "1", "--follow")],
        env=site.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert follower.stdout
    first = follower.stdout.readline()
    assert "nginx" in first
    time.sleep(1)
    site.host.sh("systemctl reload nginx")
    assert "eload" in follower.stdout.readline()
    follower.send_signal(2)
    assert follower.wait(20) == 130
    time.sleep(1)
    assert site.host.sh("pgrep -c journalctl || true").strip() == "0"


@pytest.mark.slow
def test_a_killed_app_is_named_with_what_the_budget_gave_it(site: Site) -> None:
    assert site.run("oom").returncode == 0
    used_mib = asked(site, "status")["units"]["app-blog.service"]["anonymous_mib"]
    site.host.sh(f"systemctl set-property --runtime app-blog.service MemoryMax={int(used_mib) + 4}M")
    site.host.sh(WANTS_MORE)
    site.host.sh("systemctl set-property --runtime app-blog.service MemoryMax=infinity")
    found = asked(site, "oom", code=7)
    assert {kill["unit"] for kill in found["kills"]} | set(found["uncounted"]) == {"app-blog.service"}
    shown = site.run("oom").stdout
    assert "app-blog.service" in shown
    assert "the budget counts on gunicorn master 18" in shown
    assert site.run("oom", "--since", "$(reboot)").returncode == 4


def test_a_watched_host_tells_a_line_each_second_and_ends_when_interrupted(site: Site) -> None:
    watcher = subprocess.Popen(
        ["env", "--default-signal=INT", *site.argv("watch")],
        env=site.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert watcher.stdout
    lines = [watcher.stdout.readline() for _ in range(3)]
    watcher.send_signal(2)
    assert watcher.wait(20) == 0
    assert all("mariadb" in line and "memory" in line for line in lines)

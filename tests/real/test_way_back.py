"""History, rollback and recover on a real local VPS: the host's own record leads back, and nobody notices."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from site_on_vps import Site, Visitors

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

WORKER = {"fetch": {"command": ["python", "-c", "import time; time.sleep(99999)"], "memory_mib": 32}}


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("back", snapshot=deployed), tmp_path_factory.mktemp("site"))
    found.write()
    assert not found.plan()["changes"]
    return found


def picture(site: Site) -> dict[str, str]:
    """Everything that a way back shall bring back, as text that can be compared."""
    units = "nginx mariadb app-blog.service app-blog.socket app-blog-fetch@1.service"
    return {
        "files": site.host.sh(
            "cd /; find etc/nginx etc/mysql etc/systemd etc/deployer etc/sysctl.d etc/logrotate.d srv/blog/current "
            "! -type d -printf '%p %M %u:%g %s %l\\n' | sort"
        ),
        "text": site.host.sh(
            "cd /; find etc/nginx etc/mysql etc/systemd etc/deployer -type f -exec sha256sum {} + | sort"
        ),
        "enabled": site.host.sh(f"for unit in {units}; do systemctl is-enabled $unit; done; true"),
        "active": site.host.sh(f"for unit in {units}; do systemctl is-active $unit; done; true"),
        "limits": site.host.sh("systemctl show -p MemoryMax nginx mariadb app-blog"),
        "pool": site.host.sh("mariadb -N -e 'SELECT @@innodb_buffer_pool_size' || true"),
    }


def run(site: Site, *words: str, code: int = 0) -> str:
    done = site.run(*words)
    assert done.returncode == code, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


def history(site: Site) -> list[dict[str, Any]]:
    return list(json.loads(run(site, "history", "--json"))["transactions"])


def release(site: Site, text: str) -> None:
    """Make the blog say something else on its front page."""
    template = site.source / "blog/templates/base.html"
    lines = [line for line in template.read_text().splitlines() if "release-mark" not in line]
    template.write_text("\n".join([*lines[:-1], f"<p class=release-mark>{text}</p>", lines[-1]]) + "\n")


def front(site: Site) -> str:
    return site.get("/", Cookie="blog_session=x")[1].decode()


def test_a_rollback_brings_back_files_units_release_and_running_settings(site: Site) -> None:
    first = picture(site)
    release(site, "the second")
    site.write(apps__blog__background=WORKER, services__nginx={"keepalive_timeout_s": 21})
    site.deploy()
    second = picture(site)
    assert {name for name in first if first[name] != second[name]} >= {"files", "text", "enabled", "active", "limits"}
    assert "the second" in front(site)
    assert "live" in run(site, "rollback")
    assert picture(site) == first
    assert "the second" not in front(site)
    run(site, "rollback")  # the way back from the way back
    assert picture(site) == second
    assert "the second" in front(site)
    assert not site.plan()["changes"]  # as if it had been deployed


def test_history_tells_who_did_what_from_where_and_what_is_live(site: Site) -> None:
    told = history(site)
    assert [one["live"] for one in told] == [True] + [False] * (len(told) - 1)
    assert told[0]["back_to"] == told[2]["transaction"]
    assert "start app-blog-fetch@1.service" in told[0]["units"]
    assert {one["outcome"] for one in told} == {"committed"}
    assert all(one["login"] == site.user and one["from"] for one in told)
    assert all("@" in one["who"] for one in told)
    shown = run(site, "history", "--limit", "2")
    assert told[0]["transaction"] in shown
    assert told[2]["transaction"] not in shown.replace(f"back to {told[2]['transaction']}", "")


def test_a_rollback_shows_its_plan_with_the_differences_and_changes_nothing(site: Site) -> None:
    before = picture(site)
    done = subprocess.run(
        [*site.argv("rollback")[:2], site.argv("rollback")[2], "--dry", *site.argv("rollback")[3:]],
        capture_output=True,
        text=True,
        env=site.environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "/etc/nginx/nginx.conf" in done.stdout
    assert "keepalive_timeout 21" in done.stdout
    assert "stop     app-blog-fetch@1.service" in done.stdout
    assert picture(site) == before


def test_visitors_do_not_notice_the_way_back(site: Site) -> None:
    before = picture(site)
    release(site, "one more")
    site.deploy()
    assert "one more" in front(site)
    with Visitors(site) as visitors:
        run(site, "rollback")
    visitors.assert_never_failed()
    assert picture(site) == before


def test_a_deploy_that_is_not_on_record_is_refused(site: Site) -> None:
    said = run(site, "rollback", "--to", "20200101t000000-abcdef", code=4)
    assert "no deploy 20200101t000000-abcdef on record" in said
    assert history(site)[0]["transaction"] in said


def test_what_does_not_get_healthy_on_the_way_back_is_taken_back(site: Site) -> None:
    before, live = picture(site), history(site)[0]["transaction"]
    old = site.host.sh("ls -d /srv/blog/releases/*").split()
    current = site.host.sh("readlink /srv/blog/current/code").strip()
    [other] = [path for path in old if path != current][:1]
    site.host.sh(f"mv {other}/blog/main.py {other}/blog/main.py.away")
    try:
        with Visitors(site) as visitors:
            run(site, "rollback", code=5)
        visitors.assert_never_failed()
    finally:
        site.host.sh(f"mv {other}/blog/main.py.away {other}/blog/main.py")
    assert picture(site) == before
    told = history(site)
    assert told[0]["outcome"] == "restored"
    assert not told[0]["live"]
    assert [one["transaction"] for one in told if one["live"]] == [live]


def test_a_dead_deploy_is_settled_by_recover(site: Site) -> None:
    before = picture(site)
    site.write(
        apps__blog__database__migrate=["python", "-c", "import time; time.sleep(120)"],
        apps__blog__background=WORKER,
        services__nginx={"keepalive_timeout_s": 22},
    )
    release(site, "the third")
    running = subprocess.Popen(
        site.argv("deploy", "--no-verify"),
        cwd=site.folder,
        env=site.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_for(lambda: "keepalive_timeout 22" in site.host.sh("cat /etc/nginx/nginx.conf"))
    assert "deploys now" in run(site, "history")
    assert "another deploy is running" in run(site, "recover", code=4)
    pid = json.loads(site.host.sh("cat /var/lib/deployer/lock"))["pid"]
    site.host.sh(f"kill -9 {pid}")
    running.communicate(timeout=120)
    assert running.returncode == 6
    assert "recover --host web1" in run(site, "history")
    assert "taken back" in run(site, "recover")
    assert picture(site) == before
    assert "nothing was left open" in run(site, "recover")
    site.write(apps__blog__background=WORKER, services__nginx={"keepalive_timeout_s": 21})


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.3)


@pytest.mark.slow
def test_the_way_back_to_nothing_leaves_nothing_of_ours_running_and_a_deploy_brings_all_back(site: Site) -> None:
    before = picture(site)
    said = json.loads(run(site, "rollback", "--to", "nothing", "--json"))
    assert said["outcome"] == "live"
    assert any("database" in line for line in said["plan"]["warnings"])  # what stays is said
    manifest = json.loads(site.host.sh("cat /var/lib/deployer/manifest.json"))
    assert manifest["owned"] == {}
    assert manifest["units"] == {}
    left = site.host.sh(
        "grep -rl deployer /etc/nginx /etc/systemd/system /etc/mysql /etc/sysctl.d /etc/logrotate.d; true"
    )
    assert set(left.split()) <= {"/etc/systemd/system/deployer-recover.service"}
    assert "app-blog" not in site.host.sh("systemctl list-units --plain --no-legend --state=active 'app-*'")
    site.deploy()
    assert {name: text for name, text in picture(site).items() if name != "files"} == {
        name: text for name, text in before.items() if name != "files"
    }
    assert "the third" in front(site)


@pytest.mark.slow
def test_a_record_that_is_gone_ends_the_way_and_says_so(site: Site) -> None:
    told = [one["transaction"] for one in history(site) if one["on_record"]]
    site.host.sh(f"rm -r /var/lib/deployer/transactions/{told[1]}")
    assert "no longer on record" in run(site, "rollback", "--to", told[2], code=4)

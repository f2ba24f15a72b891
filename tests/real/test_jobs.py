"""Background workers and timers of an app, deployed from an inventory: more of them, fewer, none, and one that dies."""

from __future__ import annotations

from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(400), pytest.mark.slow]

WORKS = ["python", "-c", "import time; time.sleep(1000000)"]
DIES = ["python", "-c", "raise SystemExit(3)"]
CLEANS = ["python", "-c", "open('/var/lib/app-blog/cleaned', 'a').write('x'); import time; time.sleep(100)"]
TIMER = {"clean": {"command": CLEANS, "on_calendar": "*-*-* 03:00:00", "memory_mib": 64}}


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("jobs", snapshot=deployed, memory_mib=1024), tmp_path_factory.mktemp("site"))
    found.write()
    return found


def want(site: Site, processes: int, command: list[str] = WORKS) -> None:
    worker = {"mail": {"command": command, "memory_mib": 32, "processes": processes}} if processes else {}
    site.write(apps__blog__background=worker, apps__blog__timers=TIMER if processes else {})


def running(site: Site) -> list[str]:
    """Units of the app's jobs that run or would at boot."""
    listed = site.host.sh(
        "systemctl list-units --plain --no-legend --state=active,activating,failed 'app-blog-*'; true"
    )
    return sorted(line.split()[0] for line in listed.splitlines())


def actions(site: Site) -> list[tuple[str, str]]:
    return [(one["verb"], one["name"]) for one in site.plan()["changes"] if one["kind"] == "unit"]


WORKERS = ["app-blog-mail@1.service", "app-blog-mail@2.service"]


def test_workers_and_timers_are_started_and_what_a_timer_starts_is_not(site: Site) -> None:
    want(site, 2)
    site.deploy()
    assert running(site) == ["app-blog-clean.timer", *WORKERS]
    assert site.host.sh(f"systemctl is-enabled app-blog-clean.timer {' '.join(WORKERS)}").split() == ["enabled"] * 3
    assert "no change" in site.deploy().stdout
    assert site.host.sh("ls /var/lib/app-blog/cleaned 2>/dev/null; true") == ""


def test_a_worker_that_dies_is_returned(site: Site) -> None:
    want(site, 2, DIES)
    done = site.deploy(code=5)
    assert "app-blog-mail@1.service died" in done.stderr
    assert running(site) == ["app-blog-clean.timer", *WORKERS]
    want(site, 2)
    assert "no change" in site.deploy().stdout


def test_fewer_workers_stop_the_last_and_none_take_the_timer_and_its_running_job_along(site: Site) -> None:
    want(site, 1)
    assert ("stop", WORKERS[1]) in actions(site)
    site.deploy()
    assert running(site) == ["app-blog-clean.timer", WORKERS[0]]
    site.host.sh("systemctl start --no-block app-blog-clean.service; sleep 2")
    assert site.host.sh("cat /var/lib/app-blog/cleaned") == "x"
    want(site, 0)
    site.deploy()
    assert running(site) == []
    assert site.host.sh("find /etc/systemd/system -name 'app-blog-*'; systemctl --failed --no-legend --plain") == ""
    assert "no change" in site.deploy().stdout
    assert site.get("/")[0].status == 200

"""`deployer deploy` on a real local VPS: it goes live, changes nothing twice; what breaks, visitors do not notice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from site_on_vps import NAME, Site, Visitors

from deployer import packing

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One host for this module; each test leaves it as deployed."""
    found = Site(vps.only, tmp_path_factory.mktemp("site"))
    found.write()
    return found


def restarts(site: Site) -> dict[str, str]:
    """When each service was started last: tells a restart from a reload."""
    units = "nginx mariadb app-blog"
    text = site.host.sh(f"systemctl show -p Id,ActiveEnterTimestampMonotonic,MainPID {units}")
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    return {block["Id"]: f"{block['MainPID']} {block['ActiveEnterTimestampMonotonic']}" for block in blocks}


def test_a_plan_changes_nothing(site: Site) -> None:
    before = site.host.sh("find /etc /srv /var/lib -xdev | sort; dpkg -l | wc -l")
    document = site.plan()
    assert len(document["changes"]) > 30
    assert site.run("plan", "--detailed-exitcode").returncode == 10
    assert site.host.sh("find /etc /srv /var/lib -xdev | sort; dpkg -l | wc -l") == before


def test_dry_deploys_only_plan(site: Site) -> None:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", "from deployer.cli import main; main()", "--dry", "deploy", "--host", "web1"],
        cwd=site.folder,
        capture_output=True,
        text=True,
        env={"DEPLOYER_INVENTORY": str(site.folder / "hosts.yml"), "PATH": "/usr/bin:/bin"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "package     install  nginx" in done.stdout
    assert site.plan()["changes"]


def test_a_first_deploy_goes_live(site: Site) -> None:
    done = site.deploy("--json")
    document = json.loads(done.stdout)
    assert document["outcome"] == "live"
    response, body = site.get("/")
    assert response.status == 200
    assert b"A small blog" in body
    assert (
        site.host.sh("systemctl is-enabled nginx mariadb app-blog.service app-blog.socket").split() == ["enabled"] * 4
    )


def test_a_second_deploy_changes_nothing_and_says_so(site: Site) -> None:
    before = (
        restarts(site),
        site.host.sh("find /etc /srv -xdev -not -type d -printf '%p %C@ %M\n' | sort; ls /var/lib/deployer"),
    )
    done = site.deploy()
    assert "no change" in done.stdout
    assert site.run("plan", "--detailed-exitcode").returncode == 0
    assert (
        restarts(site),
        site.host.sh("find /etc /srv -xdev -not -type d -printf '%p %C@ %M\n' | sort; ls /var/lib/deployer"),
    ) == before


def test_a_deploy_leaves_the_agent_for_the_next_login(site: Site) -> None:
    program = packing.agent_program()
    kept = site.host.sh(f"cd {packing.KEPT}; sha256sum *; stat -c '%a %U' . *").split()
    assert kept == [program.sha256, f"{program.sha256}.py", "700", "root", "600", "root"]


def test_secrets_stay_on_the_host(site: Site) -> None:
    assert site.host.sh("stat -c '%a %U' /etc/deployer/secrets/*").split() == ["600", "root"] * 2
    values = [
        site.host.sh(f"cat /etc/deployer/secrets/blog.{name}") for name in ("database_password", "session_secret")
    ]
    assert all(len(value) > 30 for value in values)
    seen = json.dumps(site.plan()) + site.deploy("--json").stdout
    seen += site.host.sh(
        "cat /var/lib/deployer/*.json*; journalctl --no-pager; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ"
    )
    for value in values:
        assert value not in seen


def test_the_budget_is_what_the_host_enforces(site: Site) -> None:
    document = json.loads(site.run("budget", "--json").stdout)
    limits = site.host.sh("systemctl show -p MemoryMax --value nginx mariadb app-blog deployer.slice").split()
    granted = [document["grants"][taker]["memory_mib"] << 20 for taker in ("nginx", "mysql", "blog")]
    assert [int(limit) for limit in limits] == [*granted, document["granted_mib"] << 20]
    assert sum(granted) <= document["usable_mib"] << 20
    groups = site.host.sh("systemctl show -p ControlGroup --value nginx mariadb app-blog").split()
    assert all(group.startswith("/deployer.slice/") for group in groups)
    real = site.host.sh(
        "cat /sys/fs/cgroup/memory/deployer.slice/nginx.service/memory.limit_in_bytes 2>/dev/null || "
        "cat /sys/fs/cgroup/deployer.slice/nginx.service/memory.max"
    )
    assert int(real) == granted[0]


def test_the_database_has_what_the_budget_says(site: Site) -> None:
    document = json.loads(site.run("budget", "--json").stdout)["numbers"]["mysql"]
    text = site.host.sh("mariadb -N -e 'SHOW GLOBAL VARIABLES'")
    shown = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    shown |= dict(
        line.split("=") for line in site.host.sh("systemctl show -p MemoryMax,LimitNOFILE,TasksMax mariadb").split()
    )
    environment = site.host.sh("systemctl show -p Environment --value mariadb")
    shown |= dict(one.split("=", 1) for one in environment.split() if one.startswith("MALLOC_ARENA_MAX="))
    factor = {"MiB": 1 << 20, "KiB": 1 << 10}
    for name, number in document.items():
        value, has = number["value"], shown[name]
        assert has == value if isinstance(value, str) else float(has) == value * factor.get(number["unit"], 1), name


def test_the_database_knows_what_the_seed_brought(site: Site) -> None:
    """Counted by itself it would be after ten seconds, and never if the server was restarted before."""
    counted = "SELECT n_rows FROM mysql.innodb_table_stats WHERE database_name = 'blog' AND table_name = 'posts'"
    assert int(site.host.sh(f'mariadb -NBe "{counted}"')) > 50
    assert int(site.host.sh("mariadb -NBe \"SHOW GLOBAL STATUS LIKE 'Com_analyze'\" | cut -f2")) >= 1


def test_the_app_is_locked_up(site: Site) -> None:
    line = site.host.sh("systemd-analyze security app-blog.service --no-pager | tail -1")
    assert float(re.search(r"(\d+\.\d)", line)[1]) <= 2.0, line
    assert site.host.sh("ps -o user= -C gunicorn | sort -u").split() == ["app-blog"]
    refused = (
        "sudo -u app-blog test -w /srv/blog/current/code -o -w /etc/deployer -o -r /etc/deployer/secrets && echo can"
    )
    assert site.host.sh(f"{refused}; true") == ""


def test_names_that_nobody_serves_get_no_answer_and_http_goes_to_https(site: Site) -> None:
    address = site.host.address
    assert "200" not in site.host.sh(f"curl -sk -o /dev/null -w '%{{http_code}}' https://{address}/; true")
    head = site.host.sh(f"curl -sI -H 'Host: {NAME}' 'http://127.0.0.1/a?b=c'")
    assert f"Location: https://{NAME}/a?b=c" in head
    assert site.host.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/; true") == "000"


def test_the_cache_serves_the_anonymous_and_never_the_logged_in(site: Site) -> None:
    site.get("/archive")
    assert site.get("/archive")[0].headers["X-Cache"] in ("HIT", "STALE")
    private, _ = site.get("/archive", Cookie="blog_session=mine")
    assert private.headers["X-Cache"] == "BYPASS"
    again, _ = site.get("/archive", Authorization="Basic eA==")
    assert again.headers["X-Cache"] == "BYPASS"
    assert site.get("/archive")[0].headers["X-Cache"] in ("HIT", "STALE", "EXPIRED")


def test_static_files_are_kept_long_if_their_address_has_a_version(site: Site) -> None:
    versioned, _ = site.get("/static/blog.css?v=1")
    assert versioned.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert site.get("/static/blog.css")[0].headers["Cache-Control"] == "public, max-age=3600"
    assert site.get("/static/blog.css", **{"Accept-Encoding": "gzip"})[0].headers["Content-Encoding"] == "gzip"


def test_a_visitor_who_asks_too_much_is_slowed_down_but_a_load_generator_is_not(site: Site) -> None:
    burst = (
        f"seq 300 | xargs -P 8 -n 50 sh -c 'for i; do echo url = https://{NAME}/archive?$i; done | "
        f'curl -sk --resolve {NAME}:443:127.0.0.1 -o /dev/null -w "%{{http_code}}\\n" -K -\' x | sort | uniq -c'
    )
    assert " 429" in site.host.sh(burst)
    codes = {site.get(f"/archive?{number}")[0].status for number in range(200)}
    assert codes == {200}


def test_drift_is_shown_and_undone(site: Site) -> None:
    site.host.sh("sed -i 's/worker_connections .*/worker_connections 7;/' /etc/nginx/nginx.conf")
    [file, unit] = site.plan()["changes"]
    assert (file["verb"], file["name"]) == ("change", "/etc/nginx/nginx.conf")
    assert "-    worker_connections 7;" in file["diff"]
    assert (unit["verb"], unit["name"]) == ("reload", "nginx.service")
    before = restarts(site)
    with Visitors(site) as visitors:
        site.deploy()
    visitors.assert_never_failed()
    assert restarts(site) == before
    assert "worker_connections 2064;" in site.host.sh("cat /etc/nginx/nginx.conf")


def test_a_template_that_nginx_refuses_ends_with_4_and_visitors_notice_nothing(site: Site) -> None:
    folder = site.folder / "templates/nginx"
    folder.mkdir(parents=True)
    # a key that nginx does not have, or has twice, is refused before the host is asked; variables only nginx knows
    own = (Path(__file__).parents[2] / "templates/nginx/proxy.conf.j2").read_text()
    broken = own + "proxy_set_header X-Broken $no_such_variable;\n"
    (folder / "proxy.conf.j2").write_text(broken)
    before = site.host.sh("find /etc /srv -xdev -not -type d -printf '%p %C@\n' | sort")
    try:
        site.write()
        with Visitors(site) as visitors:
            done = site.deploy(code=4)
    finally:
        (folder / "proxy.conf.j2").unlink()
    assert 'unknown "no_such_variable" variable' in done.stderr
    assert "untouched" in done.stderr
    visitors.assert_never_failed()
    assert site.host.sh("find /etc /srv -xdev -not -type d -printf '%p %C@\n' | sort") == before
    assert "no change" in site.deploy().stdout


def test_a_new_release_goes_live_and_visitors_notice_nothing(site: Site) -> None:
    before = restarts(site)
    (site.source / "blog/static/new.txt").write_text("new\n")
    with Visitors(site) as visitors:
        site.deploy()
    visitors.assert_never_failed()
    after = restarts(site)
    assert {unit for unit in after if after[unit] != before[unit]} == {"app-blog.service"}
    assert site.get("/static/new.txt")[1] == b"new\n"
    assert "no change" in site.deploy().stdout


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("dies after start", "import os, threading\nthreading.Timer(1.5, lambda: os._exit(3)).start()\n"),
        ("does not start", "raise RuntimeError('this release is broken')\n"),
    ],
)
def test_a_broken_app_ends_with_5_and_visitors_notice_nothing(site: Site, kind: str, code: str) -> None:
    main = site.source / "blog/main.py"
    good = main.read_text()
    live = site.host.sh("readlink /srv/blog/current/code")
    main.write_text(good + code)
    try:
        with Visitors(site) as visitors:
            done = site.deploy(code=5)
    finally:
        main.write_text(good)
    visitors.assert_never_failed()
    assert "restored" in done.stderr
    if kind == "does not start":
        assert "this release is broken" in done.stderr
    assert site.host.sh("readlink /srv/blog/current/code") == live
    assert site.host.sh("systemctl is-active app-blog nginx mariadb").split() == ["active"] * 3
    assert "no change" in site.deploy().stdout


def test_a_process_of_somebody_else_on_a_port_of_ours_is_named(site: Site) -> None:
    site.host.sh("systemctl stop nginx; systemd-run -q --unit=other python3 -m http.server 80; sleep 1")
    try:
        done = site.deploy(code=4)
        assert "port 80, which nginx needs, is held by python3" in done.stderr
    finally:
        site.host.sh("systemctl stop other; systemctl start nginx")
    assert "no change" in site.deploy().stdout


def test_a_second_deploy_at_the_same_time_is_refused(site: Site) -> None:
    site.host.sh(
        "sed -i '1i # drift' /etc/nginx/nginx.conf; "
        "systemd-run -q --unit=holder flock /var/lib/deployer/lock sleep 60; sleep 0.5"
    )
    try:
        done = site.deploy(code=4)
        assert "lock" in done.stderr.lower() or "another" in done.stderr.lower()
    finally:
        site.host.sh("systemctl stop holder")
    site.deploy()

"""Doctor on a deployed host: all agrees, until somebody changes a server behind its back; then that is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def site(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    found = Site(vps("doctor", snapshot=deployed), tmp_path_factory.mktemp("site"))
    found.write()
    return found


def differing(site: Site, code: int) -> set[tuple[str, str, str]]:
    done = site.run("doctor", "--json")
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["agrees"] is (code == 0)
    return {(one["server"], one["setting"], one["found"]) for one in document["settings"] if one["state"] == "differs"}


def test_a_deployed_host_agrees_and_tells_nearly_everything(site: Site) -> None:
    assert differing(site, 0) == set()
    document = json.loads(site.run("doctor", "--json").stdout)
    told = {(one["server"], one["setting"]) for one in document["settings"] if one["state"] == "ok"}
    assert [one["setting"] for one in document["settings"] if one["state"] == "not told"] == [
        "loose_innodb_buffer_pool_size_max"  # a key that MariaDB 10.11.19 has not and 11.8 has
    ]
    assert {
        ("mariadb", "innodb_buffer_pool_size"),
        ("mariadb", "max_connections"),
        ("nginx", "worker_connections"),
        ("systemd", "MemoryMax"),
        ("systemd", "TimeoutStopUSec"),
    } <= told
    assert {one["server"] for one in document["releases"] if one["proven"]} == {"mariadb", "nginx", "systemd"}
    assert "agrees with its budget" in site.run("doctor").stdout


def test_what_was_changed_behind_its_back_is_named(site: Site) -> None:
    site.host.sh("mariadb -e 'SET GLOBAL max_connections = 17'")
    site.host.sh("sed -i 's/worker_connections .*;/worker_connections 99;/' /etc/nginx/nginx.conf")
    site.host.sh("systemctl reload nginx && systemctl set-property --runtime app-blog.service MemoryMax=77M")
    assert differing(site, 7) == {
        ("mariadb", "max_connections", "17"),
        ("nginx", "worker_connections", "99"),
        ("systemd", "MemoryMax", str(77 << 20)),
    }


def test_what_a_command_line_or_another_file_says_is_named_and_no_password(site: Site) -> None:
    drop_in = "install -D /dev/stdin /run/systemd/system/{}.service.d/own.conf && systemctl daemon-reload"
    password = "--report-password=hunter2"
    for unit, line in (
        ("mariadb", f"Environment=MYSQLD_OPTS='--max-connections=19 {password}'"),
        ("app-blog", "Environment='GUNICORN_CMD_ARGS=--timeout 33 --env DB_PASSWORD=hunter2'"),
    ):
        site.host.sh(f"printf '[Service]\\n%s\\n' \"{line}\" | {drop_in.format(unit)}")
    site.host.sh("systemctl restart mariadb app-blog; echo net.core.somaxconn=64 > /etc/sysctl.d/99-own.conf")
    found = differing(site, 7)
    assert {
        ("mariadb", "max_connections", "19"),
        ("mariadb", "--max-connections", "19"),
        ("gunicorn", "--timeout", "33"),
        ("kernel", "net.core.somaxconn", "64"),
    } <= found, found
    assert "hunter2" not in site.run("doctor", "--json").stdout + site.run("doctor").stdout


def test_a_server_that_does_not_run_is_no_agreement(site: Site) -> None:
    site.host.sh("systemctl stop mariadb")
    done = site.run("doctor")
    assert done.returncode == 7, done.stdout
    assert "does not answer" in done.stdout

"""nginx and the database inside their sandboxes: little to gain for a burglar, and all of their work still done."""

from __future__ import annotations

import re
import time

import pytest
from site_on_vps import NAME, Site, Visitors, tls_connection

pytestmark = pytest.mark.real

#: The most that `systemd-analyze security` may say of a unit, from 0 (nothing is exposed) to 10.
MOST = {"nginx.service": 2.5, "mariadb.service": 2.5, "app-blog.service": 2.0}
LIVE = f"/etc/letsencrypt/live/{NAME}"
UPGRADED = "/var/lib/mysql/mysql_upgrade_info"


@pytest.fixture(scope="module")
def site(vps, deployed, tmp_path_factory):
    found = Site(vps("locked", snapshot=deployed), tmp_path_factory.mktemp("locked"))
    found.write()
    return found


def complaints(site: Site) -> list[str]:
    """Lines of the last minute and a half in which a service was denied something."""
    journal = site.host.sh("journalctl --since=-90s --no-pager -u nginx -u mariadb -u app-blog")
    errors = site.host.sh("cat /var/log/nginx/error.log*")
    pattern = re.compile(
        r"denied|not permitted|read-only file system|\[(alert|crit|emerg|error)\]|bad system call", re.IGNORECASE
    )
    # MariaDB says so of a file operation that a signal cut short (EINTR), under load; nothing was denied to it
    interrupted = re.compile(r"InnoDB: (Operating system error number 4 in|Error number 4 means 'Interrupted)")
    lines = [line for line in (journal + errors).splitlines() if not interrupted.search(line)]
    return [line for line in lines if pattern.search(line)]


@pytest.mark.parametrize("unit", MOST)
def test_a_unit_has_little_to_offer(site, unit):
    said = site.host.sh(f"systemd-analyze security {unit} --no-pager | tail -1")
    assert float(said.split(": ")[1].split()[0]) <= MOST[unit], said


def test_visitors_are_served_while_nginx_reloads_and_logs_are_rotated(site):
    with Visitors(site) as visitors:
        for _ in range(2):  # the second time, the logs belong to the workers already
            site.host.sh("systemctl reload nginx && logrotate --force /etc/logrotate.d/nginx")
            time.sleep(1)
    visitors.assert_never_failed()
    time.sleep(6)  # lines wait in a buffer for 5 s
    site.get("/")
    logs = site.host.sh("ls /var/log/nginx && stat -c '%U %a' /var/log/nginx/access.log")
    assert "access.log.1" in logs
    assert "www-data 640" in logs
    assert "GET / HTTP/1.1" in site.host.sh("zcat -f /var/log/nginx/access.log*")
    assert not complaints(site)


def test_a_log_that_outgrows_its_maxsize_is_put_aside_at_the_next_look_which_is_within_the_hour(site):
    assert "OnCalendar=*-*-* *:00:00 " in site.host.sh("systemctl show -p TimersCalendar logrotate.timer")
    assert site.host.sh("systemctl is-active logrotate.timer").strip() == "active"
    site.host.sh("rm -f /var/log/nginx/*.log.* && systemctl start logrotate.service")  # this day's is done
    kept = site.host.sh("ls /var/log/nginx")
    site.host.sh("systemctl start logrotate.service")
    assert site.host.sh("ls /var/log/nginx") == kept
    for _ in range(2):
        site.host.sh("head -c 22M /dev/zero >> /var/log/nginx/access.log && systemctl start logrotate.service")
    sizes = site.host.sh("stat -c '%s' /var/log/nginx/access.log.1 /var/log/nginx/access.log.2.gz").split()
    assert int(sizes[0]) >= 22 << 20 > 100 * int(sizes[1])
    assert int(site.host.sh("stat -c '%s' /var/log/nginx/access.log")) < 1 << 20
    site.host.sh("rm -f /var/log/nginx/*.log.*")


def test_nginx_writes_its_cache_and_what_is_uploaded(site):
    site.host.sh("systemctl stop nginx && rm -rf /var/cache/nginx/* /var/lib/nginx/* && systemctl start nginx")
    assert site.get("/")[0].status == 200
    assert site.get("/")[0].getheader("X-Cache") == "HIT"
    assert site.host.sh("find /var/cache/nginx/blog -type f -user www-data").strip()
    connection = tls_connection(site.host.address)
    connection.request("POST", "/", body=b"x" * 900_000, headers={"Host": NAME})
    assert connection.getresponse().status in {403, 404, 405}
    connection.close()
    assert "/var/lib/nginx/body/" in site.host.sh("cat /var/log/nginx/error.log")  # it was buffered to a file there
    assert not complaints(site)


def test_a_certificate_that_only_root_may_read_is_exchanged_while_it_runs(site):
    site.host.sh(f"mkdir -p {LIVE} && chmod 0700 /etc/letsencrypt/live")
    make = (
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN={NAME} "
        f"-keyout {LIVE}/privkey.pem -out {LIVE}/fullchain.pem 2>/dev/null && chmod 0600 {LIVE}/*"
    )
    site.host.sh(make)
    site.write(apps__blog__tls={"certificate_file": f"{LIVE}/fullchain.pem", "key_file": f"{LIVE}/privkey.pem"})
    site.deploy()
    before = shown_certificate(site)
    site.host.sh(f"{make} && systemctl reload nginx")
    time.sleep(1)
    assert shown_certificate(site) != before
    assert not complaints(site)


def shown_certificate(site: Site) -> bytes:
    connection = tls_connection(site.host.address)
    try:
        found: bytes = connection.sock.getpeercert(binary_form=True)
        return found
    finally:
        connection.close()


@pytest.mark.slow
def test_the_database_upgrades_its_tables_and_repairs_others(site):
    site.host.sh(f"rm -f {UPGRADED} && systemctl restart mariadb")
    for _ in range(60):
        if site.host.sh(f"cat {UPGRADED} 2>/dev/null || true").strip():
            break
        time.sleep(0.5)
    else:
        pytest.fail(f"Debian's upgrade of the tables left no mark in {UPGRADED}")
    site.host.sh("mariadb-upgrade --force")
    statements = (
        "CREATE DATABASE spare; USE spare; CREATE TABLE a (i INT PRIMARY KEY) ENGINE=MyISAM;"
        "INSERT INTO a SELECT seq FROM seq_1_to_1000; REPAIR TABLE a; OPTIMIZE TABLE a; ALTER TABLE a ENGINE=InnoDB;"
        "SELECT COUNT(*) FROM a WHERE i REGEXP '^[0-9]+$'; SET GLOBAL innodb_buffer_pool_size = 256 * 1024 * 1024;"
        "SELECT @@innodb_buffer_pool_size; DROP DATABASE spare;"
    )
    said = site.host.sh(f'mariadb --batch -e "{statements}"')
    assert "268435456" in said
    assert said.count("OK") == 2
    assert site.get("/", Cookie="blog_session=x")[0].status == 200
    assert not complaints(site)


def test_the_database_starts_without_a_warning(site):
    site.host.sh("systemctl restart mariadb")
    said = site.host.sh(
        "journalctl -u mariadb --no-pager _SYSTEMD_INVOCATION_ID=$(systemctl show -p InvocationID --value mariadb)"
    )
    assert "ready for connections" in said
    assert not re.findall(r".*\[(?:Warning|ERROR)\].*", said)


def test_the_processes_have_lost_what_they_do_not_need(site):
    worker = site.host.sh("cat /proc/$(pgrep -u www-data -x nginx | head -1)/status")
    database = site.host.sh("cat /proc/$(pidof mariadbd)/status")
    for status in (worker, database):
        assert re.search(r"CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"NoNewPrivs:\t1", status)
        assert re.search(r"Seccomp:\t2", status)


@pytest.mark.parametrize("process", ["mariadbd", "nginx"])
def test_the_system_is_read_only_for_it(site, process):
    inside = f"nsenter --target $(pidof -s {process}) --mount"
    for folder in ("/etc", "/usr", "/srv", "/var/lib"):
        assert site.host.sh(f"{inside} touch {folder}/spoilt 2>/dev/null; echo $?").strip() == "1", folder
    assert site.host.sh(f"{inside} ls -A /home /root").split() == ["/home:", "/root:"]

"""The example shop with packages fetched from its lock, on a real Debian's Node, MariaDB and Redis: without npm."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployer.npm import fetch_node_modules
from deployer.sandbox import SandboxHost

pytestmark = [pytest.mark.real, pytest.mark.slow]
SHOP = Path(__file__).parents[2] / "examples" / "shop"
PACKAGES = "nodejs mariadb-server redis-server curl"
UNIT = """
[Service]
User=shop
WorkingDirectory=/srv/shop
Environment=DB_NAME=shop DB_USER=shop REDIS_SOCKET=/run/redis/redis-server.sock
LoadCredential=database_password:/etc/shop-password
ExecStart=/usr/bin/node {script}
TimeoutStopSec=10
NoNewPrivileges=yes
ProtectSystem=strict
"""
WATCH = """
const { WebSocket } = require('ws');
const say = (text) => require('fs').appendFileSync('/tmp/live', text + '\\n');
new WebSocket('ws+unix:/run/shop.sock:/live').on('open', () => say('open')).on('message', say).on('close', say);
"""
SOCKET = "[Socket]\nListenStream=/run/shop.sock\n"


@pytest.fixture(scope="module")
def shop(vps: Any) -> SandboxHost:
    """A host with the shop: its source, node_modules as fetched, its servers, its units; nothing of it started yet."""
    host: SandboxHost = vps.only
    host.sh(
        "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; "
        f"apt-get install -y -qq --no-install-recommends {PACKAGES} >/dev/null",
        timeout_s=280,
    )
    facts = {"arch": host.sh("uname -m").strip(), "glibc": host.sh("getconf GNU_LIBC_VERSION").split()[1]}
    source = subprocess.run(
        ["tar", "-C", str(SHOP), "--exclude=node_modules", "-cf", "-", "."], capture_output=True, check=True
    )
    for tar in (source.stdout, fetch_node_modules("shop", SHOP / "package-lock.json", facts, print)):
        unpack = "mkdir -p /srv/shop && tar -C /srv/shop --no-same-owner -xf -"
        subprocess.run([*host.ssh_argv(), unpack], input=tar, check=True, timeout=60)
    units = {"shop.socket": SOCKET} | {
        f"{name}.service": UNIT.format(script=script)
        for name, script in (("shop", "server.js"), ("worker", "worker.js"), ("cleanup", "cleanup.js"))
    }
    for name, text in units.items():
        host.sh(f"cat > /etc/systemd/system/{name} <<'END'\n{text}\nEND")
    host.sh(
        "useradd --system shop; echo secret-of-the-shop > /etc/shop-password; "
        "mysql -e \"CREATE DATABASE shop; CREATE USER shop@localhost IDENTIFIED BY 'secret-of-the-shop'; "
        'GRANT ALL ON shop.* TO shop@localhost"; '
        "printf 'unixsocket /run/redis/redis-server.sock\\nunixsocketperm 777\\n' >> /etc/redis/redis.conf; "
        "systemctl restart redis-server; systemctl daemon-reload"
    )
    return host


def run_node(host: SandboxHost, script: str) -> str:
    """Run one of the shop's commands as its unit would."""
    words = "-p User=shop -p WorkingDirectory=/srv/shop -p LoadCredential=database_password:/etc/shop-password"
    environment = "-E DB_NAME=shop -E DB_USER=shop"
    return host.sh(f"systemd-run --quiet --wait --pipe {words} {environment} /usr/bin/node {script} 2>&1")


def watch(host: SandboxHost) -> None:
    """Begin to write what /live says to /tmp/live, and at the end why it ended."""
    host.sh(f"cat > /srv/shop/watch.cjs <<'END'\n{WATCH}\nEND\nrm -f /tmp/live")
    host.sh("cd /srv/shop; nohup timeout 60 node watch.cjs </dev/null >/dev/null 2>&1 &")
    host.sh("for _ in $(seq 50); do [ -s /tmp/live ] && exit; sleep 0.1; done; exit 1")


def ask(host: SandboxHost, path: str, more: str = "") -> str:
    return host.sh(
        f"curl -sS -w '\\n%{{http_code}} %{{redirect_url}}' --unix-socket /run/shop.sock {more} http://shop{path}"
    )


def test_its_own_tests_pass_there(shop):
    assert "# fail 0" in shop.sh("cd /srv/shop && node --test test/")


def test_an_order_goes_from_the_page_to_the_worker(shop):
    assert "0001_shop.sql" in run_node(shop, "migrate.js")
    assert "nothing to do" in run_node(shop, "migrate.js")
    assert "100 products" in run_node(shop, "seed.js")
    assert "nothing to do" in run_node(shop, "seed.js")
    shop.sh("systemctl start shop.socket worker")
    assert ask(shop, "/healthz").split() == ["ok", "200"]
    assert ">1000</span> in stock" in ask(shop, "/product/old-lamp")
    jar = "-b /tmp/jar -c /tmp/jar"
    for _ in range(2):
        assert ask(shop, "/cart", f"{jar} -d product=old-lamp").endswith("303 http://shop/cart")
    watch(shop)
    placed = ask(shop, "/order", f"{jar} -X POST")
    assert " http://shop/order/" in placed
    number = placed.rpartition("/")[2]
    shop.sh(
        "for _ in $(seq 50); do mysql shop -Ne 'SELECT status FROM orders' | grep -q paid && break; sleep 0.1; done"
    )
    assert "29.10 €. It is paid" in ask(shop, f"/order/{number}")
    assert ">998</span> in stock" in ask(shop, "/product/old-lamp")
    assert shop.sh("cat /tmp/live") == 'open\n{"id":72,"stock":998}\n'
    assert "There is nothing in it" in ask(shop, "/cart", jar)


@pytest.mark.parametrize(("server", "named"), [("mariadb", "database"), ("redis-server", "redis")])
def test_it_says_what_is_away_and_comes_back(shop, server, named):
    shop.sh(f"systemctl stop {server}")
    assert ask(shop, "/healthz").split() == [named, "unavailable", "503"]
    shop.sh(f"systemctl start {server}; sleep 1.5")
    assert ask(shop, "/healthz").split() == ["ok", "200"]
    assert ask(shop, "/").endswith("200 ")


def test_what_the_worker_was_never_told_of_is_found_again(shop):
    shop.sh(
        'mysql shop -e "INSERT INTO orders (number, status, total_cents, placed_at) '
        "VALUES ('forgotten', 'placed', 1, UTC_TIMESTAMP() - INTERVAL 1 HOUR), "
        "('ancient', 'paid', 1, UTC_TIMESTAMP() - INTERVAL 1 YEAR)\""
    )
    shop.sh("systemctl start cleanup; systemctl is-active worker; sleep 1")
    assert shop.sh(
        "mysql shop -Ne \"SELECT number, status FROM orders WHERE number REGEXP '^(forgotten|ancient)$'\""
    ) == ("forgotten\tpaid\n")


def test_it_ends_in_good_order(shop):
    watch(shop)
    shop.sh("systemctl stop shop.socket && timeout 10 systemctl stop shop worker")
    assert shop.sh("systemctl show -p Result --value shop worker").split() == ["success", "success"]
    assert shop.sh("cat /tmp/live").split()[-1] == "1001", "a visitor of /live is not told that the server goes"

"""A host as somebody has it who comes with a past: a sudo that asks, an nginx of their own, a process of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

PASSWORD = "correct horse"
VARIABLE = "WEB1_SUDO_PASSWORD"
CONF = "/etc/nginx/nginx.conf"
FORMER = f"/var/lib/deployer/former{CONF}"
#: Runs for as long as the host does and holds what `unmanaged_mib` declares.
PROCESS = """
systemd-run --quiet --unit=panel --property=Restart=always python3 -c '
import time
held = bytearray(b"x" * (200 << 20))
time.sleep(10_000)'
"""
#: nginx as they set it up once: a hand-edited file and a site that answers on its own port and on port 80.
NGINX = f"""
set -e
apt-get -qq update >/dev/null; apt-get -qq --no-install-recommends install nginx >/dev/null 2>&1
sed -i 's/worker_connections .*/worker_connections 333; # by hand, 2019/' {CONF}
chmod 0640 {CONF}
rm /etc/nginx/sites-enabled/default
cat > /etc/nginx/sites-available/mine <<'END'
server {{ listen 8080; location / {{ return 200 "mine since 2019\\n"; }} }}
END
ln -s /etc/nginx/sites-available/mine /etc/nginx/sites-enabled/mine
systemctl restart nginx
"""
LOOK = "find /etc/nginx /etc/systemd/system /srv -not -type d -printf '%p %s %m %u %l %T@\\n' 2>/dev/null | sort"


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    host = vps("stranger", sudo_password=PASSWORD)
    host.sh(NGINX + PROCESS)
    found = Site(host, tmp_path_factory.mktemp("site"))
    # 1000 visitors do not fit beside their 200 MiB; the refusal says how many do
    found.changes = {"unmanaged_mib": 200, "target__connections": 660, "ssh__sudo_password_env": VARIABLE}
    found.write()
    return found


def theirs(site: Site) -> str:
    return site.host.sh("curl -s http://127.0.0.1:8080/; true")


def test_what_else_lives_there_is_in_the_ledger_or_refused_with_what_would_make_it_fit(site: Site) -> None:
    document = json.loads(site.run("budget", "--json").stdout)
    assert {reserve["name"]: reserve["mib"] for reserve in document["reserves"]}["unmanaged"] == 200
    site.write(unmanaged_mib=260)
    try:
        done = site.run("deploy")
    finally:
        site.write()
    assert done.returncode == 3, done.stderr
    assert "does not fit into 1024 MiB" in done.stderr
    assert "-260 MiB  kept for unmanaged" in done.stderr
    assert "unmanaged_mib: 0, now 260) (then it fits)" in done.stderr
    assert "or a host with 2048 MiB" in done.stderr
    assert "host:  not contacted" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_plan_says_what_becomes_of_the_hand_edited_file(site: Site) -> None:
    before = site.host.sh(LOOK)
    done = site.run("plan", **{VARIABLE: PASSWORD})
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    assert f"{CONF} is not from deployer and will be replaced as a whole; the former one is kept as {FORMER}" in said
    assert "sites of your own are served no more, unless services.nginx names them" in said
    assert "- worker_connections 333; # by hand, 2019" in said
    assert "nginx.service" in said
    assert "package     install  nginx" not in done.stdout
    assert site.host.sh(LOOK) == before
    assert theirs(site) == "mine since 2019\n"


def test_after_a_deploy_that_fails_everything_of_theirs_is_back(site: Site) -> None:
    main = site.source / "blog/main.py"
    good = main.read_text()
    before, process = site.host.sh(LOOK), site.host.sh("systemctl show -p MainPID,NRestarts panel")
    content = site.host.sh(f"cat {CONF}")
    main.write_text(good + "raise RuntimeError('this release is broken')\n")
    try:
        done = site.deploy(code=5, **{VARIABLE: PASSWORD})
    finally:
        main.write_text(good)
    assert "this release is broken" in done.stderr
    assert f"{CONF} is not from deployer" in " ".join(done.stderr.split())
    assert site.host.sh(f"cat {CONF}") == content
    assert "/etc/nginx/deployer" not in site.host.sh(LOOK)
    releases = {line for line in site.host.sh(LOOK).splitlines() if not line.startswith("/srv/")}
    assert releases == set(before.splitlines())
    assert theirs(site) == "mine since 2019\n"
    assert site.host.sh("systemctl show -p MainPID,NRestarts panel") == process
    assert site.host.sh(f"test -e {FORMER} && echo kept; true") == ""  # it is where it was


def test_their_own_site_goes_on_beside_the_blog_where_the_inventory_names_it(site: Site) -> None:
    content = site.host.sh(f"cat {CONF}")
    process = site.host.sh("systemctl show -p MainPID,NRestarts panel")
    site.write(services__nginx={"include": ["/etc/nginx/sites-enabled/*"]})
    done = site.deploy(**{VARIABLE: PASSWORD})
    assert "served no more" not in done.stderr
    assert site.get("/")[0].status == 200
    assert theirs(site) == "mine since 2019\n"
    assert site.host.sh(f"cat {FORMER}") == content
    assert site.host.sh(f"stat -c %a {FORMER}").strip() == "640"
    # the budget held what it promised to leave: nobody was killed
    assert site.host.sh("systemctl show -p MainPID,NRestarts panel") == process
    assert PASSWORD not in site.host.sh("journalctl -b --no-pager; cat /var/lib/deployer/*.json*") + done.stderr
    again = site.deploy(**{VARIABLE: PASSWORD})
    assert "no change" in again.stdout
    assert "not from deployer" not in again.stderr

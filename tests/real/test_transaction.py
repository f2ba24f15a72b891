"""The agent's transaction on a real local VPS: whatever breaks, the host is old or new, and says which."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from typing import Any, Self

import pytest
from agent_client import Host, Plan, tar_of

pytestmark = pytest.mark.real

NGINX_CONF = """\
user www-data;
pid /run/nginx.pid;
worker_processes 1;
events { worker_connections 64; }
http {
    access_log off;
    server { listen 8080; root /srv/site; location /app { proxy_pass http://unix:/run/tx-app/app.sock; } }
}
"""
APP = """\
import http.server, socketserver, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"VERSION"
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def address_string(self): return "local"
    def log_message(self, *a): pass
class Server(socketserver.ThreadingUnixStreamServer): allow_reuse_address = True
import os
s = Server("/run/tx-app/app.sock", Answer); os.chmod("/run/tx-app/app.sock", 0o666)
BEHAVIOUR
s.serve_forever()
"""
UNIT = """\
[Unit]
Description=A trivial app
[Service]
ExecStart=/usr/bin/python3 /srv/RELEASE/app.py
User=txapp
RuntimeDirectory=tx-app
Restart=on-failure
RestartSec=200ms
[Install]
WantedBy=multi-user.target
"""
NGINX_TEST = {
    "name": "nginx -t",
    "argv": ["nginx", "-t"],
    "allowed": [r"nginx: the configuration file \S+ syntax is ok", r"nginx: configuration file \S+ test is successful"],
}


@pytest.fixture(scope="module")
def host(vps: Any) -> Host:
    return Host(str(vps.address), str(vps.key_file))


def app_plan(host: Host, name: str, version: str, behaviour: str = "", *, first: bool = False, **more: float) -> Plan:
    plan = Plan(name, **more)
    if first:
        plan.doc["packages"] = ["nginx-light", "python3-venv"]
        plan.doc["users"] = [{"name": "txapp", "home": "/srv"}]
        plan.doc["secrets"] = [{"path": "/var/lib/deployer/secrets/txapp", "bytes": 32}]
        plan.file(host, "/etc/nginx/nginx.conf", NGINX_CONF)
        plan.file(host, "/srv/site/index.html", "the site\n")
        plan.link(host, "/etc/nginx/current-site", "/srv/site")
        plan.doc["validators"] = [NGINX_TEST]
    release = f"/srv/releases/{name}"
    app = APP.replace("VERSION", version).replace("BEHAVIOUR", behaviour)
    plan.doc["releases"] = [
        {"app": "tx", "path": release, "blob": plan.blob(tar_of({"app.py": app.encode()})), "user": "txapp"}
    ]
    plan.file(host, "/etc/systemd/system/tx-app.service", UNIT.replace("RELEASE", f"releases/{name}"))
    plan.unit("tx-app.service")
    if first:
        plan.unit("nginx.service", "reload")
    plan.http(8080, "/", "the site")
    plan.http(0, "/", version, socket="/run/tx-app/app.sock")
    plan.http(8080, "/app", version)
    return plan


def picture(host: Host) -> str:
    """Everything that a deploy may change, as text that can be compared."""
    return host.sh(
        "cd /; find etc/nginx etc/systemd srv/site -printf '%p %M %u:%g %l %T@\n' | grep -v '^[^ ]* d' | sort; "
        "find etc/nginx etc/systemd srv/site -type f -exec sha256sum {} + | sort; "
        "systemctl is-enabled nginx tx-app; systemctl is-active nginx tx-app; "
        "cat /var/lib/deployer/manifest.json; true"
    )


def assert_nothing_is_left(host: Host) -> None:
    assert host.sh("systemctl list-units --all --plain --no-legend 'deployer-return-*' 'deployer-work-*'") == ""
    assert host.sh("find /etc /srv -name '.*.new' -o -name '.*.dpkg-old'") == ""
    assert host.sh("flock -n /var/lib/deployer/lock true && echo free") == "free"
    assert host.sh("test -e /usr/sbin/policy-rc.d && echo there; true") == ""


class Curl:
    """A loop beside a deploy that asks the site all the time."""

    def __init__(self, host: Host, path: str) -> None:
        self._host, self._url = host, f"http://{host.address}:8080{path}"
        self.codes: list[str] = []

    def __enter__(self) -> Self:
        loop = (
            f"while :; do curl -s -o /dev/null -m 5 -w '%{{http_code}}\\n' {self._url} || echo lost; sleep 0.02; done"
        )
        self._process = subprocess.Popen(["sh", "-c", loop], stdout=subprocess.PIPE, text=True, start_new_session=True)
        time.sleep(0.3)
        return self

    def __exit__(self, *_: object) -> None:
        import os
        import signal

        os.killpg(self._process.pid, signal.SIGTERM)
        self.codes = self._process.communicate()[0].split()


def test_a_package_that_does_not_exist_leaves_the_host_untouched(host: Host) -> None:
    plan = Plan("t00-package")
    plan.doc["packages"] = ["nginx-lihgt-of-nowhere"]
    plan.file(host, "/etc/tx-test.conf", "x\n")
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"], error["step"]) == ("preparation", "untouched", "packages")
    assert "nginx-lihgt-of-nowhere" in error["message"]
    assert host.sh("ls /etc/tx-test.conf 2>&1; true").endswith("No such file or directory")
    assert_nothing_is_left(host)


def test_a_package_of_another_series_is_not_installed(host: Host) -> None:
    plan = Plan("t00-series")
    plan.doc["packages"] = ["python3-venv", "nginx-light"]
    plan.doc["series"] = {"nginx-light": "1.2"}  # what there is begins with it, and is of another
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"], error["step"]) == ("preparation", "untouched", "packages")
    assert re.search(r"have nginx-light 1\.22\.\S+, but 1\.2 is declared", error["message"])
    assert "a package source that has 1.2" in error["next"]
    there = host.sh("dpkg-query -W -f '${db:Status-Status}\\n' nginx-light python3-venv 2>/dev/null; true")
    assert "installed" not in there.splitlines()
    assert_nothing_is_left(host)


def test_a_failed_first_deploy_leaves_no_file_no_unit_and_no_service(host: Host) -> None:
    plan = app_plan(host, "t01-first-fails", "one", "sys.exit(7)", first=True)
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("probe", "restored"), error
    assert "kept, doing nothing: packages: nginx-light" in error["detail"]
    assert host.sh("ls /etc/systemd/system/tx-app.service /srv/site /etc/nginx/current-site 2>/dev/null; true") == ""
    assert host.sh("systemctl is-active nginx tx-app; true") == "inactive\ninactive"
    assert host.sh("systemctl is-enabled nginx; true") == "disabled"
    assert "server {" not in host.sh("cat /etc/nginx/nginx.conf") or "8080" not in host.sh("cat /etc/nginx/nginx.conf")
    assert host.sh("ls /var/lib/deployer/manifest.json 2>/dev/null; true") == ""
    assert_nothing_is_left(host)


def test_a_first_deploy_goes_live(host: Host) -> None:
    answer = app_plan(host, "t02-first", "one", first=True).apply(host)
    assert answer["ok"]["outcome"] == "committed", answer
    assert host.sh("curl -s localhost:8080/app") == "one"
    assert host.sh("systemctl is-enabled nginx tx-app") == "enabled\nenabled"
    assert host.sh("stat -c '%a %U' /var/lib/deployer/secrets/txapp") == "600 root"
    manifest = json.loads(host.sh("cat /var/lib/deployer/manifest.json"))
    assert manifest["last_transaction"] == "t02-first"
    assert manifest["owned"]["/etc/nginx/current-site"] == "link:/srv/site"
    assert "tx-app.service" in manifest["units"]
    assert '"outcome": "committed"' in host.sh("tail -1 /var/lib/deployer/audit.jsonl")
    assert_nothing_is_left(host)


def test_an_update_goes_live_and_the_secret_stays(host: Host) -> None:
    secret = host.sh("sha256sum /var/lib/deployer/secrets/txapp")
    plan = app_plan(host, "t03-update", "two")
    plan.doc["secrets"] = [{"path": "/var/lib/deployer/secrets/txapp", "bytes": 32}]
    answer = plan.apply(host)
    assert answer["ok"]["outcome"] == "committed", answer
    assert host.sh("curl -s localhost:8080/app") == "two"
    assert host.sh("sha256sum /var/lib/deployer/secrets/txapp") == secret
    assert_nothing_is_left(host)


def test_what_the_validator_refuses_is_never_live(host: Host) -> None:
    before = picture(host)
    plan = Plan("t04-broken")
    plan.file(host, "/etc/nginx/nginx.conf", NGINX_CONF.replace("listen 8080;", "listen 8080; nonsense on;"))
    plan.doc["validators"] = [NGINX_TEST]
    plan.unit("nginx.service", "reload")
    with Curl(host, "/") as curl:
        error = plan.apply(host)["error"]
    assert (error["kind"], error["state"], error["step"]) == ("validation", "untouched", "validate")
    assert 'unknown directive "nonsense"' in error["message"]
    assert picture(host) == before
    assert set(curl.codes) == {"200"}
    assert len(curl.codes) > 5
    assert_nothing_is_left(host)


def test_a_warning_that_is_not_allowed_is_a_refusal(host: Host) -> None:
    plan = Plan("t05-warning")
    plan.file(
        host, "/etc/nginx/nginx.conf", NGINX_CONF.replace("access_log off;", "access_log off; types_hash_max_size 8;")
    )
    twice = "server { listen 8080; server_name a a; }"
    plan.doc["files"].clear()
    plan.file(host, "/etc/nginx/nginx.conf", NGINX_CONF.replace("access_log off;", "access_log off; " + twice))
    plan.doc["validators"] = [NGINX_TEST]
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("validation", "untouched")
    assert "warns" in error["message"]
    assert "conflicting server name" in error["message"]


def test_an_app_that_dies_after_its_start_is_returned_and_the_site_never_fails(host: Host) -> None:
    before = picture(host)
    plan = app_plan(
        host, "t06-dies", "three", "import threading; threading.Timer(1.0, lambda: os._exit(9)).start()", gate_s=4
    )
    with Curl(host, "/") as curl:
        error = plan.apply(host)["error"]
    assert (error["kind"], error["state"], error["step"]) == ("probe", "restored", "gate"), error
    assert "tx-app.service died" in error["message"]
    assert host.sh("curl -s localhost:8080/app") == "two"
    assert set(curl.codes) == {"200"}
    assert picture(host) == before
    assert_nothing_is_left(host)


def test_a_service_that_does_not_start_is_returned(host: Host) -> None:
    before = picture(host)
    plan = app_plan(host, "t07-no-start", "three")
    plan.doc["files"].clear()
    plan.file(host, "/etc/systemd/system/tx-app.service", "[Service]\nExecStart=/srv/nowhere\nType=exec\n")
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"], error["step"]) == ("activation", "restored", "activate"), error
    assert host.sh("curl -s localhost:8080/app") == "two"
    assert picture(host) == before


def test_a_moved_host_is_refused(host: Host) -> None:
    before = picture(host)
    plan = Plan("t08-moved")
    plan.file(host, "/srv/site/index.html", "new\n", before={"kind": "absent"})
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("outdated", "untouched")
    assert "/srv/site/index.html" in error["detail"]
    assert picture(host) == before


def test_a_held_lock_names_its_holder_and_nothing_is_touched(host: Host) -> None:
    before = picture(host)
    seen: list[dict[str, Any]] = []

    def meanwhile(event: dict[str, Any]) -> None:
        if event["message"] == "command wait" and not seen:
            first = host.agent
            second = Plan("t09-second")
            second.file(host, "/srv/site/index.html", "second\n")
            seen.append(second.apply(host)["error"])
            host.agent = first

    first = Plan("t09-first")
    first.doc["activations"] = [command("wait", ["sleep", "8"])]
    answer = first.apply(host, meanwhile)
    assert answer["ok"]["outcome"] == "committed", answer
    assert (seen[0]["kind"], seen[0]["state"]) == ("lock", "untouched")
    assert "tester@here" in seen[0]["message"]
    assert re.sub('"last_transaction": "[^"]*"', "", picture(host)) == re.sub('"last_transaction": "[^"]*"', "", before)


def command(name: str, argv: list[str], **more: Any) -> dict[str, Any]:
    default: dict[str, Any] = {
        "once": None,
        "user": "txapp",
        "cwd": "/",
        "credentials": {},
        "environment": {},
        "timeout_s": 60,
    }
    return {"kind": "command", "name": name, "argv": argv, **default, **more}


def test_a_command_reads_its_credential_runs_once_and_stays_in_its_memory(host: Host) -> None:
    check = 'test "$(cat $CREDENTIALS_DIRECTORY/password)" && test "$COLOUR" = blue && pwd && echo run >> /tmp/tx-once'
    for number in (1, 2):
        plan = Plan(f"t10-once-{number}")
        more: dict[str, Any] = {"once": "seed-1", "cwd": "/srv", "environment": {"COLOUR": "blue"}}
        more["credentials"] = {"password": "/var/lib/deployer/secrets/txapp"}
        plan.doc["activations"] = [command("seed", ["sh", "-c", check], **more)]
        answer = plan.apply(host)
        assert answer["ok"]["outcome"] == "committed", answer
    assert host.sh("cat /tmp/tx-once") == "run"
    assert json.loads(host.sh("cat /var/lib/deployer/manifest.json"))["done"] == ["seed-1"]
    plan = Plan("t10-memory")
    plan.doc["work"] = {"slice": "deployer-deploy.slice", "memory_max_mib": 32}
    plan.doc["activations"] = [command("hog", ["python3", "-c", "x = bytearray(200 << 20)"])]
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored")


def test_a_lost_connection_before_commit_returns_the_host(host: Host) -> None:
    before = picture(host)
    plan = app_plan(host, "t11-eof", "four")
    plan.doc["activations"].append(command("wait", ["sleep", "30"]))

    def cut(event: dict[str, Any]) -> None:
        if event["message"] == "command wait":
            assert host.agent
            host.agent.kill()

    assert "lost" in plan.apply(host, cut)
    wait_for(host, '"t11-eof"', seconds=20)
    assert picture(host) == before
    assert host.sh("curl -s localhost:8080/app") == "two"
    assert_nothing_is_left(host)


def killing_at_the_wait(host: Host) -> Callable[[dict[str, Any]], None]:
    """Give what kills the agent as soon as it runs the command that waits."""

    def kill(event: dict[str, Any]) -> None:
        if event["message"] == "command wait":
            pid = json.loads(host.sh("cat /var/lib/deployer/lock"))["pid"]
            host.sh(f"kill -9 {pid}")

    return kill


def test_the_timer_returns_the_host_when_the_agent_is_killed(host: Host) -> None:
    before = picture(host)
    plan = app_plan(host, "t12-killed", "five", return_after_s=1.0)
    plan.doc["return_after_s"] = 4.0
    plan.doc["activations"].append(command("wait", ["sleep", "100"]))

    assert "lost" in plan.apply(host, killing_at_the_wait(host))
    assert host.sh("curl -s localhost:8080/app") == "five"
    wait_for(host, '"t12-killed"', seconds=40)
    assert picture(host) == before
    assert host.sh("curl -s localhost:8080/app") == "two"
    time.sleep(1.5)
    assert_nothing_is_left(host)


def test_the_next_deploy_takes_back_what_a_killed_one_left(host: Host) -> None:
    before = picture(host)
    plan = app_plan(host, "t13-killed", "six")
    plan.doc["activations"].append(command("wait", ["sleep", "100"]))

    assert "lost" in plan.apply(host, killing_at_the_wait(host))
    empty = Plan("t13-next")
    answer = empty.apply(host)
    assert answer["ok"]["outcome"] == "committed", answer
    assert host.sh("curl -s localhost:8080/app") == "two"
    changed = '"last_transaction": "[^"]*"'
    assert re.sub(changed, "", picture(host)) == re.sub(changed, "", before)
    assert_nothing_is_left(host)


def test_a_full_disk_leaves_the_host_untouched(host: Host) -> None:
    host.sh("mkdir -p /etc/tx-small && mount -t tmpfs -o size=256k tmpfs /etc/tx-small")
    try:
        plan = Plan("t14-full")
        plan.file(host, "/srv/site/index.html", "new\n")
        plan.file(host, "/etc/tx-small/big.conf", "x" * 600_000)
        error = plan.apply(host)["error"]
        assert (error["kind"], error["state"], error["step"]) == ("disk_full", "untouched", "stage"), error
        assert host.sh("ls -A /etc/tx-small") == ""
        assert host.sh("cat /srv/site/index.html") == "the site"
        assert_nothing_is_left(host)
    finally:
        host.sh("umount /etc/tx-small; rmdir /etc/tx-small")


def test_absent_and_links_are_swapped_and_returned(host: Host) -> None:
    before = picture(host)
    plan = Plan("t15-links")
    plan.absent(host, "/srv/site/index.html")
    plan.link(host, "/etc/nginx/current-site", "/srv/elsewhere")
    plan.file(host, "/srv/new/dir/file", "new\n")
    plan.doc["activations"] = [command("fails", ["sh", "-c", "ls /srv/site; readlink /etc/nginx/current-site; exit 3"])]
    error = plan.apply(host)["error"]
    assert (error["kind"], error["state"]) == ("activation", "restored")
    assert error["detail"].splitlines()[0] == "/srv/elsewhere"
    assert picture(host) == before
    assert host.sh("ls -d /srv/new 2>/dev/null; true") == ""


def wait_for(host: Host, transaction: str, *, seconds: float) -> None:
    """Wait until a transaction stands in the audit log."""
    deadline = time.monotonic() + seconds
    while transaction not in host.sh("tail -1 /var/lib/deployer/audit.jsonl"):
        assert time.monotonic() < deadline, "it was not returned in time"
        time.sleep(0.3)

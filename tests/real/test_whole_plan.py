"""A whole host by one plan, over the transport: what visitors see while it goes well and while it breaks."""

from __future__ import annotations

import http.client
import json
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import blog_plan
import pytest
from agent_client import Host
from blog_plan import PASSWORD, REQUIREMENTS, VENV, added, command, release, whole

from deployer.errors import HostUntouched, PlanOutdated, PreparationFailed, RolledBack, ValidationFailed
from deployer.transport import Agent, Login, bare_connect, connect

pytestmark = [pytest.mark.real, pytest.mark.timeout(400), pytest.mark.slow]

CERTIFICATE = (
    "test -e /etc/ssl/blog.crt || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 "
    "-subj /CN=blog.test -keyout /etc/ssl/blog.key -out /etc/ssl/blog.crt 2>/dev/null"
)
#: Everything that a deploy may change, as text that can be compared.
PICTURE = (
    "cd /; find etc/nginx etc/systemd etc/deployer srv/blog/current -printf '%p %M %u:%g %l\n' | sort; "
    "find etc/nginx etc/systemd etc/deployer -type f -exec sha256sum {} + | sort; ls srv/blog/venvs; "
    "systemctl is-enabled nginx mariadb app-blog.socket app-blog.service; "
    "systemctl is-active nginx mariadb app-blog.socket app-blog.service; cat var/lib/deployer/manifest.json; true"
)
LEFT = (
    "systemctl list-units --all --plain --no-legend 'deployer-return-*' 'deployer-work-*'; "
    "find /etc /srv -name '.*.new' -o -name '.*.dpkg-old' -o -name '*.new' -path '/srv/blog/*' -o -name '*.aside'; "
    "flock -n /var/lib/deployer/lock true || echo locked; ls /usr/sbin/policy-rc.d 2>/dev/null; true"
)


class Site:
    """The host with the blog, and the login that the project uses."""

    def __init__(self, vps: Any, directory: Path) -> None:
        self.host = Host(str(vps.address), str(vps.key_file))
        self.known_hosts = directory / "known_hosts"
        scan = ["ssh-keyscan", "-T", "10", str(vps.address)]
        self.known_hosts.write_text(subprocess.run(scan, capture_output=True, text=True, check=True).stdout)
        self.login = Login(
            address=str(vps.address),
            user="root",
            key_files=(Path(vps.key_file),),
            known_hosts_files=(self.known_hosts,),
        )
        self.sh = self.host.sh
        self.sh(CERTIFICATE)

    @contextmanager
    def agent(self) -> Iterator[Agent]:
        with connect(self.login) as remote, remote.agent() as agent:
            yield agent

    def deploy(self, transaction: str, **options: Any) -> dict[str, Any]:
        with self.agent() as agent:
            return whole(agent, transaction, **options).send(agent)

    def picture(self) -> str:
        assert self.sh(LEFT) == ""
        return self.sh(PICTURE)


class Visitors:
    """Visitors who ask for a page all the time, each by a connection of its own."""

    def __init__(self, site: Site, count: int = 3, every_s: float = 0.05) -> None:
        self._address, self._count, self._every_s = site.login.address, count, every_s
        self._over = threading.Event()
        self.seen: Counter[str] = Counter()
        self.failures: list[str] = []
        self.longest_s = 0.0

    def __enter__(self) -> Self:
        self._threads = [threading.Thread(target=self._visit) for _ in range(self._count)]
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _visit(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not self._over.wait(self._every_s):
            began = time.monotonic()
            connection = http.client.HTTPSConnection(self._address, timeout=30, context=context)
            try:
                connection.request("GET", "/healthz", headers={"Host": "blog.test"})
                answer = connection.getresponse()
                answer.read()
                self.seen[answer.headers.get("X-Release", "")] += 1
                if answer.status != 200:
                    self.failures.append(f"{answer.status}")
            except OSError as error:
                self.failures.append(repr(error))
            finally:
                connection.close()
            self.longest_s = max(self.longest_s, time.monotonic() - began)


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The blog, deployed once."""
    found = Site(vps, tmp_path_factory.mktemp("whole"))
    answer = found.deploy("w01", code=release("w01"))
    assert answer["outcome"] == "committed"
    return found


def test_a_first_deploy_is_live_whole_and_the_next_has_nothing_to_do(site: Site) -> None:
    with site.agent() as agent:
        again = whole(agent, "w02").document
    assert not any(again[part] for part in ("packages", "files", "releases", "activations"))
    assert site.sh("curl -sk -o /dev/null -w %{http_code} -H 'Host: blog.test' https://127.0.0.1/") == "200"
    assert site.sh(f"stat -c '%a %U' {PASSWORD} /etc/deployer/secrets /etc/deployer") == "600 root\n700 root\n755 root"
    assert json.loads(site.sh("cat /var/lib/deployer/manifest.json"))["done"] == ["seed blog"]
    site.picture()


def test_the_password_is_nowhere_but_in_its_file(site: Site) -> None:
    words = f"p=$(cat {PASSWORD}); test ${{#p}} -ge 40; "
    everywhere = "/etc /srv /var/lib/deployer /var/log /run/systemd /proc/[0-9]*/environ /proc/[0-9]*/cmdline"
    found = site.sh(f"{words} printf %s $p | grep -rlsFf /dev/stdin {everywhere} --devices=skip || true")
    assert found == PASSWORD
    assert site.sh(f"{words} journalctl --no-pager | grep -cF -e $p || true") == "0"


def test_the_same_request_again_is_refused(site: Site) -> None:
    before = site.picture()
    with site.agent() as agent:
        request = whole(agent, "w03", nginx=blog_plan.NGINX.replace("512", "600"))
        request.send(agent)
        with pytest.raises(HostUntouched, match="has a transaction w03 already"):
            request.send(agent)
        request.transaction = "w03b"
        with pytest.raises(PlanOutdated, match="nginx\\.conf: the plan saw file"):
            request.send(agent)
        whole(agent, "w03c").send(agent)
    assert site.picture().replace("w03c", "w01") == before


def test_a_release_goes_live_without_a_lost_request(site: Site) -> None:
    with Visitors(site) as visitors:
        for name in ("w04a", "w04b"):
            site.deploy(name, code=release(name), gate_s=1.0)
    assert visitors.failures == []
    assert {"w04a", "w04b"} <= set(visitors.seen)
    # This plan has no candidate: who comes while the app starts again waits for that, and for nothing else.
    journal = site.sh("journalctl --unit=app-blog --output=json --lines=200 --no-pager")
    assert visitors.longest_s < 1.5 * longest_restart_s(journal), journal


def longest_restart_s(journal: str) -> float:
    """Return how long the app was away, from systemd's order to stop it to its own word that it is there again."""
    stopped_us, longest_us = None, 0
    for entry in map(json.loads, journal.splitlines()):
        at_us = int(entry["__MONOTONIC_TIMESTAMP"])
        if entry["MESSAGE"].startswith("Stopping app-blog.service"):
            stopped_us = at_us
        elif "Application startup complete" in entry["MESSAGE"] and stopped_us is not None:
            longest_us, stopped_us = max(longest_us, at_us - stopped_us), None
    return longest_us / 1e6


def test_what_nginx_refuses_is_never_live(site: Site) -> None:
    before = site.picture()
    broken = blog_plan.NGINX.replace("worker_connections 512", "worker_konnections 512")
    with Visitors(site) as visitors, pytest.raises(ValidationFailed, match="unknown directive") as caught:
        site.deploy("w05", nginx=broken, code=release("w05"))
    assert caught.value.exit_code == 4
    assert "step validate" in caught.value.where
    assert visitors.failures == []
    assert "w05" not in visitors.seen
    assert site.picture() == before


def test_an_app_that_dies_after_its_start_is_returned_and_no_visitor_notices(site: Site) -> None:
    before = site.picture()
    dies = added("blog/main.py", "import signal, threading\nthreading.Timer(1.2, os.kill, (os.getppid(), 9)).start()")
    with Visitors(site) as visitors, pytest.raises(RolledBack, match=r"app-blog.service died") as caught:
        site.deploy("w06", code=release("w06", dies), gate_s=4.0)
    assert caught.value.exit_code == 5
    assert visitors.failures == []
    assert visitors.seen["w04b"] > 5
    assert site.picture() == before


def test_an_app_that_does_not_start_is_returned_and_its_own_words_are_told(site: Site) -> None:
    before = site.picture()
    with Visitors(site) as visitors, pytest.raises(RolledBack, match="no_such_module"):
        site.deploy("w07", code=release("w07", added("blog/main.py", "import no_such_module")))
    assert visitors.failures == []
    assert "w07" not in visitors.seen
    assert site.picture() == before


def test_a_migration_that_fails_is_returned_with_its_own_words(site: Site) -> None:
    before = site.picture()
    with Visitors(site) as visitors, site.agent() as agent:
        request = whole(agent, "w08", code=release("w08"))
        fails = command("migrate blog", [f"{VENV}/bin/python", "-c", "raise SystemExit('no such column: mood')"])
        request.document["activations"].insert(0, fails)
        with pytest.raises(RolledBack, match="no such column: mood"):
            request.send(agent)
    assert visitors.failures == []
    assert site.picture() == before


def test_a_link_lost_in_the_middle_returns_the_host_by_itself(site: Site) -> None:
    before = site.picture()
    with Visitors(site) as visitors:
        with connect(site.login) as remote, remote.agent() as agent:
            request = whole(agent, "w09", code=release("w09"))
            request.document["activations"].append(command("wait", ["sleep", "60"]))

            def cut(event: Mapping[str, Any]) -> None:
                if event["message"] == "command wait":
                    raise ConnectionAbortedError

            with pytest.raises(ConnectionAbortedError):
                request.send(agent, cut)
        deadline = time.monotonic() + 30
        while '"w09"' not in site.sh("tail -1 /var/lib/deployer/audit.jsonl"):
            assert time.monotonic() < deadline
            time.sleep(0.5)
    assert visitors.failures == []
    assert site.picture() == before


def test_a_port_that_somebody_else_holds_is_named(site: Site) -> None:
    site.sh("systemctl stop nginx")
    before = site.picture()
    site.sh("systemd-run -q --unit=stranger python3 -m http.server 443; sleep 0.7")
    try:
        with pytest.raises(RolledBack, match="Address already in use"):
            site.deploy("w10", nginx=blog_plan.NGINX.replace("512", "700"))
        assert site.sh("systemctl is-active stranger") == "active"
    finally:
        site.sh("systemctl stop stranger")
    assert site.picture() == before
    site.sh("systemctl start nginx")


def test_a_disk_that_is_full_while_pip_works_leaves_nothing(site: Site) -> None:
    before = site.picture()
    other = REQUIREMENTS.read_bytes() + b"# another environment\n"
    site.sh("mkdir /srv/small; mount -t tmpfs -o size=30m tmpfs /srv/small")
    try:
        with Visitors(site) as visitors, pytest.raises(PreparationFailed, match="disk is full"):
            site.deploy("w11", code=release("w11"), requirements=other, venvs="/srv/small")
        assert site.sh("ls -A /srv/small") == ""
    finally:
        site.sh("umount /srv/small; rmdir /srv/small")
    assert visitors.failures == []
    assert site.sh("ls -d /srv/blog/releases/w11* 2>/dev/null; true") == ""
    assert site.picture() == before


def test_wheels_from_the_control_machine_need_no_way_out(site: Site, tmp_path: Path) -> None:
    other = REQUIREMENTS.read_bytes() + b"# by wheels\n"
    python = site.sh("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'")
    fetch = [sys.executable, "-m", "pip", "download", "-q", "--only-binary=:all:", "--no-deps", "--require-hashes"]
    fetch += [f"--python-version={python}", "--platform=manylinux_2_28_x86_64", "--platform=manylinux2014_x86_64"]
    fetch += ["--platform=manylinux_2_17_x86_64", f"--dest={tmp_path}", f"--requirement={REQUIREMENTS}"]
    subprocess.run(fetch, check=True, capture_output=True, timeout=300)
    site.sh(
        "test -e /etc/pip.conf && mv /etc/pip.conf /run/; ip route save table main > /run/routes; ip route del default"
    )
    try:
        out = f"{VENV}/bin/python -m pip download -q --no-deps --retries 0 --timeout 2 -d /run/pip fastapi"
        assert site.sh(f"timeout 20 {out} 2>/dev/null && echo there is a way out; true") == ""
        answer = site.deploy("w12", code=release("w12"), requirements=other, wheels=blog_plan.wheels_tar(tmp_path))
    finally:
        site.sh("test -e /run/pip.conf && mv /run/pip.conf /etc/; ip route restore < /run/routes 2>/dev/null; true")
    assert answer["outcome"] == "committed"
    assert "x-release: w12" in site.sh("curl -skI -H 'Host: blog.test' https://127.0.0.1/healthz | tr -d '\\r'")


def test_a_package_that_does_not_exist_is_told_in_apts_own_words(site: Site) -> None:
    before = site.picture()
    with site.agent() as agent:
        request = whole(agent, "w13")
        request.document["packages"] = ["blgo-server"]
        with pytest.raises(PreparationFailed, match="no blgo-server") as caught:
            request.send(agent)
    assert "Unable to locate package blgo-server" in str(caught.value)
    assert site.picture() == before


def test_asking_costs_at_most_three_bare_connections(site: Site) -> None:
    def took_s(work: Any) -> float:
        began = time.monotonic()
        work()
        return time.monotonic() - began

    def ask() -> None:
        with site.agent() as agent:
            whole(agent, "w14")

    pairs = [(took_s(lambda: bare_connect(site.login)), took_s(ask)) for _ in range(7)]
    bare_s, ask_s = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"bare {bare_s * 1000:.0f} ms, no-op {ask_s * 1000:.0f} ms, ratio {ask_s / bare_s:.2f}")
    assert ask_s <= 3 * bare_s

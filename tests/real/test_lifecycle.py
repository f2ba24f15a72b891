"""What becomes of a host over time: apps come, are renamed and go; the operator's machine dies.

The host has neither database nor certificate, and its apps are a few lines each: what is tested is what is left behind.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from site_on_vps import ROOT, Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"VERSION"})
"""


def tiny(name: str) -> dict[str, Any]:
    found = {"source": "tiny", "server_names": [f"{name}.example"], "gunicorn": {"module": "tiny:app", "workers": 1}}
    return {**found, "static": "static"} if name == "red" else found


def requirements() -> str:
    """The example's requirements, but only the server's."""
    wanted = ("gunicorn==", "uvicorn==", "uvicorn-worker==", "click==", "h11==", "packaging==")
    blocks = re.split(r"^(?=\S)", (ROOT / "examples/blog/requirements.lock").read_text(), flags=re.MULTILINE)
    return "".join(block for block in blocks if block.startswith(wanted))


def write(site: Site, *names: str, version: str = "one", environment: str = "") -> None:
    """Want these apps, of one version, on a host without a database."""
    folder = site.folder / "tiny"
    folder.mkdir(exist_ok=True)
    (folder / "tiny.py").write_text(APP.replace("VERSION", version))
    (folder / "static").mkdir(exist_ok=True)
    (folder / "static/file").write_text(version)
    (folder / "requirements.lock").write_text(f"{requirements()}# {environment}\n")
    apps = {name: tiny(name) for name in names}
    site.write(apps=apps, services={}, slo={}, target={"connections": 200})


def page(site: Site, name: str, path: str = "/") -> str:
    return site.host.sh(f"curl -s -m 5 -H 'Host: {name}.example' http://127.0.0.1{path}; true")


def begun(site: Site) -> subprocess.Popen[str]:
    """Start a deploy that a test is going to interrupt."""
    return subprocess.Popen(
        [sys.executable, "-c", "from deployer.cli import main; main()", "deploy", "--host", "web1", "--no-verify"],
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DEPLOYER_INVENTORY": str(site.folder / "hosts.yml")},
    )


def wait_for_line(deploy: subprocess.Popen[str], words: str) -> None:
    assert deploy.stderr
    seen = []
    for line in deploy.stderr:
        seen.append(line)
        if words in line:
            return
    pytest.fail(f"the deploy never came to {words!r}:\n{''.join(seen)}")


def wait_until_closed(site: Site) -> None:
    """Wait until no transaction of the host is open."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not site.host.sh('grep -L \'"state": "closed"\' /var/lib/deployer/transactions/*/journal.json; true'):
            return
        time.sleep(0.2)
    pytest.fail("the transaction stays open: " + site.host.sh("journalctl -b --no-pager | tail -50"))


def left_of(site: Site, name: str) -> str:
    """Whatever speaks of an app on the host, but for its data: releases, secrets, its user."""
    return site.host.sh(
        f"find /etc/systemd /etc/nginx /etc/deployer -name '*{name}*'; ls -d /srv/{name}/current 2>/dev/null; "
        f"systemctl list-units --all --plain --no-legend 'app-{name}.*' | grep -v not-found; true"
    )


@pytest.fixture(scope="module")
def site(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A host with the apps `red` and `blue`."""
    found = Site(vps.only, tmp_path_factory.mktemp("site"))
    write(found, "red", "blue")
    found.deploy()
    return found


def test_two_apps_live_beside_each_other_without_database_certificate_and_static_files(site: Site) -> None:
    assert [page(site, "red"), page(site, "blue")] == ["one", "one"]
    assert "no change" in site.deploy().stdout
    assert "mariadb" not in site.host.sh("dpkg -l 'mariadb-server*' 2>/dev/null; true")


@pytest.mark.slow
def test_a_renamed_app_leaves_nothing_of_its_old_name(site: Site) -> None:
    # red stays, has a new release, and its environment was lost
    site.host.sh("rm -r /srv/red/venvs/*")
    assert [page(site, "red", "/static/file?v=1") for _ in range(4)] == ["one"] * 4
    write(site, "red", "green", version="two")
    site.deploy()
    assert page(site, "red", "/static/file?v=2") == "two"
    assert [page(site, "red"), page(site, "green"), page(site, "blue")] == ["two", "two", ""]
    assert left_of(site, "blue") == ""


def test_an_operator_whose_machine_dies_while_packages_come_leaves_the_host_untouched(site: Site) -> None:
    before = page(site, "red")
    write(site, "red", "green", version="three", environment="another")
    deploy = begun(site)
    wait_for_line(deploy, "installing the Python packages")
    deploy.send_signal(signal.SIGKILL)
    deploy.wait()
    wait_until_closed(site)
    assert page(site, "red") == before
    left = "find /srv -name '*.new*' -o -name '*.aside'; systemctl list-units --no-legend 'deployer-work*'"
    assert site.host.sh(left) == ""


@pytest.mark.slow
def test_the_last_apps_take_nginx_with_them_even_one_that_was_disabled_by_hand(site: Site) -> None:
    site.host.sh("systemctl disable --now app-green.service app-green.socket")
    write(site)
    site.deploy()
    assert left_of(site, "red") + left_of(site, "green") == ""
    states = site.host.sh("systemctl is-active nginx; systemctl is-enabled nginx; true").split()
    assert states == ["inactive", "disabled"]
    assert site.host.sh("systemctl --failed --no-legend --plain") == ""

"""Secrets from outside on a real local VPS: the app reads them, they are rotated and returned, nobody else sees them.

A planted marker is looked for, on both sides, everywhere but where it belongs.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator
from typing import Any

import pytest
from planted import Planted, Watched
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(400)]

SECRETS = "/etc/deployer/secrets"
#: A worker that says what it reads, by a hash that nothing else uses: each start writes a line.
READER = """
import hashlib, os, time
for name in ("from_env", "from_file", "from_command"):
    text = open(os.environ["CREDENTIALS_DIRECTORY"] + "/" + name).read()
    open(os.environ["STATE_DIRECTORY"] + "/read." + name, "w").write(hashlib.sha512(text.encode()).hexdigest())
time.sleep(99999)
"""
FORMS = [
    "session_secret",
    {"name": "from_env", "env": "PLANTED"},
    {"name": "from_file", "file": "kept/secret"},
    {"name": "from_command", "command": ["cat", "kept/other"]},
]


class Planting:
    """A site whose app has three secrets from outside, and whoever looks for them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.planted = Planted()
        self.values: dict[str, str] = {}
        self.said = ""
        self.temporary = site.folder / "tmp"
        self.temporary.mkdir()
        (site.folder / "kept").mkdir()
        site.changes = {
            "apps__blog__secrets": FORMS,
            "apps__blog__background": {"reader": {"command": ["python", "-m", "blog.reader"], "memory_mib": 32}},
        }
        site.write()
        (site.source / "blog/reader.py").write_text(READER)

    def plant(self, *names: str) -> None:
        for name in names:
            self.values[name] = self.planted.new()
        (self.site.folder / "kept/secret").write_text(self.values["from_file"] + "\n")
        (self.site.folder / "kept/other").write_text(self.values["from_command"] + "\n")

    def run(self, task: str, *words: str, code: int = 0) -> str:
        """Run a task with somebody who looks at all processes; what it says is kept to be searched."""
        with Watched(self.planted) as watched:
            done = self.site.run(task, *words, PLANTED=self.values["from_env"], TMPDIR=str(self.temporary))
        self.said += done.stdout + done.stderr
        assert done.returncode == code, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert not watched.found
        assert watched.looks > 3
        return done.stdout if code == 0 else done.stderr

    def deploy(self, *words: str, code: int = 0) -> str:
        return self.run("deploy", "--no-verify", *words, code=code)

    def picture(self) -> dict[str, str]:
        """What the app read at its start, by name."""
        return {name: self.site.host.sh(f"cat /var/lib/app-blog/read.{name}") for name in self.values}

    def expected(self) -> dict[str, str]:
        return {name: hashlib.sha512(value.encode()).hexdigest() for name, value in self.values.items()}

    def strays_on_the_host(self) -> list[str]:
        """Files with a needle in them, but for the secrets themselves and the kept copies of transactions."""
        needles = "\n".join(self.planted.needles.values())
        half = len(needles) // 2
        host = self.site.host
        host.sh(f"umask 077; printf %s%s '{needles[:half]}' '{needles[half:]}' > /root/needles")
        found = host.sh(
            "journalctl --no-pager > /root/journal; systemctl show '*' > /root/shown; "
            "grep -rlaF -f /root/needles /etc /var /srv /tmp /run /root --exclude=needles 2>/dev/null; "
            "rm -f /root/needles /root/journal /root/shown"
        ).splitlines()
        kept = [path for path in found if path.startswith("/var/lib/deployer/transactions/") and "/before/" in path]
        for path in kept:
            assert host.sh(f"stat -c '%a %U' {path}").strip() == "600 root"
        return [path for path in found if path not in kept and not path.startswith((SECRETS, "/run/credentials/"))]

    def strays_here(self) -> list[str]:
        own = {self.site.folder / "kept/secret", self.site.folder / "kept/other"}
        files = [path for path in self.site.folder.rglob("*") if path.is_file() and path not in own]
        assert any(path.name == "hosts.yml" for path in files)
        return [str(path) for path in files if self.planted.seen_in(path.read_bytes())]


@pytest.fixture(scope="module")
def planting(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planting]:
    found = Planting(Site(vps("secrets", snapshot=deployed), tmp_path_factory.mktemp("site")))
    found.plant("from_env", "from_file", "from_command")
    return found


def test_the_look_out_sees_what_is_planted(planting: Planting) -> None:
    """Else finding nothing would mean nothing."""
    spare, planting.planted = planting.planted, Planted()
    value = planting.planted.new()
    host = planting.site.host
    with Watched(planting.planted) as watched:
        host.sh(
            f"PLANTED={value} python3 -c 'import time, tempfile; f = tempfile.TemporaryFile(); "
            f'f.write(b"{value}"); f.flush(); time.sleep(2)\'; true {value}'
        )
    assert {found.partition(" in the ")[2].split(" of ")[0] for found in watched.found} == {
        "argv",
        "environment",
        "a nameless file",
    }
    digest = hashlib.sha256(value.encode()).hexdigest()
    host.sh(f"mkdir -p /var/lib/deployer; echo {digest[:20]}''{digest[20:]} > /var/lib/deployer/stray")
    assert planting.strays_on_the_host() == ["/var/lib/deployer/stray"]
    host.sh("rm /var/lib/deployer/stray")
    planting.planted = spare


def test_the_app_reads_what_came_from_outside(planting: Planting) -> None:
    shown = planting.run("plan")
    assert "from the environment variable PLANTED" in shown
    assert json.loads(planting.deploy("--json"))["outcome"] == "live"
    assert planting.picture() == planting.expected()
    host = planting.site.host
    assert host.sh(f"stat -c '%a %U' {SECRETS}/blog.*").split() == ["600", "root"] * 5
    assert host.sh(f"cat {SECRETS}/blog.from_command") == planting.values["from_command"]


def test_nothing_is_done_for_a_secret_that_is_the_same(planting: Planting) -> None:
    planting.run("plan", "--detailed-exitcode")
    planting.run("drift")


def test_a_rotated_secret_is_read_and_a_kept_plan_does_not_hold_it(planting: Planting) -> None:
    planting.plant("from_env", "from_file")
    path = planting.site.folder / "p.json"
    planting.run("plan", "--json", "--out", str(path))
    document = json.loads(path.read_text())
    moved = [(change["kind"], change["verb"], change["name"]) for change in document["changes"]]
    assert moved[:2] == [("secret", "change", f"{SECRETS}/blog.{name}") for name in ("from_env", "from_file")]
    assert {name for kind, _, name in moved if kind == "unit"} >= {"app-blog.service", "app-blog-reader@1.service"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    planting.deploy("--plan", str(path))
    assert planting.picture() == planting.expected()
    assert "source" in path.read_text()


def test_a_failed_deploy_brings_the_former_secret_back_and_tells_nobody(planting: Planting) -> None:
    before = dict(planting.values)
    planting.plant("from_env")
    planting.site.write(apps__blog__health_path="/nowhere")
    assert "restored" in planting.deploy(code=5)
    planting.values |= {"from_env": before["from_env"]}
    assert planting.picture() == planting.expected()
    assert planting.site.host.sh(f"cat {SECRETS}/blog.from_env") == before["from_env"]
    planting.site.write()
    planting.run("plan", "--detailed-exitcode")


def test_what_was_changed_by_hand_is_drift_and_is_mended(planting: Planting) -> None:
    host = planting.site.host
    host.sh(f"echo by hand > {SECRETS}/blog.from_file")
    assert f"{SECRETS}/blog.from_file" in planting.site.run("drift").stdout
    planting.deploy()
    assert planting.picture() == planting.expected()


def test_a_rollback_brings_the_former_secret_back(planting: Planting) -> None:
    before = planting.values["from_command"]
    planting.plant("from_command")
    planting.deploy()
    assert planting.picture() == planting.expected()
    planting.run("rollback")
    planting.values["from_command"] = before
    planting.plant()
    assert planting.picture() == planting.expected()


def test_a_program_that_fails_is_named_and_what_it_said_is_not(planting: Planting) -> None:
    (planting.site.folder / "tell").write_text(
        f"#!/bin/sh\ncat {planting.site.folder}/kept/other\ncat $0 >&2\nexit 3\n"
    )
    (planting.site.folder / "tell").chmod(0o755)
    planting.site.write(apps__blog__secrets=["session_secret", {"name": "from_command", "command": ["./tell"]}])
    said = planting.run("deploy", "--json", code=2)
    assert "./tell ended with status 3" in said
    planting.site.write()


def test_no_secret_is_anywhere_but_where_it_belongs(planting: Planting) -> None:
    for task in ("status", "history", "drift"):
        planting.run(task, "--json")
    planting.run("logs", "--lines", "500")
    assert len(planting.planted.values) == 7
    assert len(planting.said) > 5000
    assert not planting.planted.seen_in(planting.said)
    assert planting.strays_on_the_host() == []
    assert planting.strays_here() == []
    host = planting.site.host
    assert host.sh("stat -c '%a %U' /var/lib/deployer /var/lib/deployer/secrets.key").split() == [
        "700",
        "root",
        "600",
        "root",
    ]
    kept = host.sh("stat -c '%a %U' /var/lib/deployer/transactions/*/before/*").splitlines()
    assert set(kept) == {"600 root"}


def test_a_source_that_is_taken_away_leaves_the_value_and_a_secret_that_goes_takes_it_along(planting: Planting) -> None:
    """Last: it takes the secrets away."""
    host, site = planting.site.host, planting.site
    site.write(apps__blog__secrets=["session_secret", "from_file", *FORMS[1:2], *FORMS[3:]])
    planting.run("plan", "--detailed-exitcode")
    site.write(apps__blog__secrets=["session_secret"], apps__blog__background={})
    planting.deploy()
    assert host.sh(f"ls {SECRETS}").split() == ["blog.database_password", "blog.session_secret"]

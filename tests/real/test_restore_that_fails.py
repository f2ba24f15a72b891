"""A database that cannot be put back: nobody says it was, and what is said to do then works (MariaDB, a local VPS)."""

from __future__ import annotations

import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from failing_steps import history
from site_on_vps import Site

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

STEP = "0004_moods.sql"
#: Long enough in its middle that something can be broken meanwhile.
FAILS = (
    "ALTER TABLE posts ADD COLUMN mood INT;\nUPDATE posts SET mood = 7;\nSELECT SLEEP(6);\nSELECT no FROM nowhere;\n"
)
IN_ITS_MIDDLE = "until mariadb -e 'SHOW PROCESSLIST' | grep -q SLEEP; do sleep 0.05; done"
NEWEST_DUMP = "$(ls -t /var/lib/deployer/dumps/*.before.gz | head -1)"
CANNOT_START = "/run/systemd/system/mariadb.service.d/broken.conf"
#: Some seconds of work for who puts it back.
BALLAST = "CREATE TABLE blog.ballast AS SELECT seq, REPEAT(MD5(seq), 40) AS text FROM mysql.seq_1_to_20000"


@pytest.fixture(scope="module")
def host_of_the_module(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(vps("unrestored", snapshot=deployed), tmp_path_factory.mktemp("site"))
    site.write()
    return site


@pytest.fixture
def site(host_of_the_module: Site) -> Iterator[Site]:
    """The blog as it was deployed; each test leaves a host that a deploy finds in order."""
    yield host_of_the_module
    (host_of_the_module.source / "blog/migrations" / STEP).unlink(missing_ok=True)
    assert "no change" in host_of_the_module.deploy().stdout


def data(site: Site) -> str:
    return site.host.sh("mariadb-dump --skip-comments --order-by-primary --routines blog | sha256sum").strip()


@contextmanager
def broken_meanwhile(site: Site, command: str) -> Iterator[None]:
    """Run a command on the host once the migration is in its middle, and say so if it fails."""
    failed: list[Exception] = []

    def run() -> None:
        try:
            site.host.sh(f"timeout 90 sh -c {shlex.quote(f'{IN_ITS_MIDDLE}; {command}')}")
        except Exception as error:  # noqa: BLE001 - it is raised below, where the test sees it
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join()
    if failed:
        raise failed[0]


def deploy_that_cannot_be_taken_back(site: Site, broken_by: str) -> str:
    (site.source / "blog/migrations" / STEP).write_text(FAILS)
    with broken_meanwhile(site, broken_by):
        said = site.deploy(code=6).stderr
    assert "the database blog cannot be put back" in said
    assert "0004_moods.sql, statement" in said  # why it was to be put back is not lost over it
    assert "was restored" not in said
    return said


def commands(said: str, program: str) -> list[str]:
    """Give the lines after `next:` that begin with a program, as a person would type them."""
    _, _, rest = said.partition("  next:  ")
    return [line.strip() for line in rest.splitlines() if line.strip().startswith(program)]


def run_as_said(site: Site, line: str, code: int = 0) -> str:
    """Run a line of `deployer ...` on this machine."""
    _, task, *options = shlex.split(line, comments=True)
    assert options[:2] == ["--host", "web1"]
    done = site.run(task, *options[2:])
    assert done.returncode == code, f"ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_a_damaged_dump_is_noticed_before_anything_is_dropped_and_a_person_has_the_last_word(site: Site) -> None:
    before = data(site)
    said = deploy_that_cannot_be_taken_back(site, f"truncate -s -200 {NEWEST_DUMP}")
    assert "the database blog is as its migration left it, at 3 recorded steps" in said
    assert re.search(r"the dump of the database blog is (damaged|not whole)", said)
    assert "mood" in site.host.sh("mariadb -N blog -e 'SHOW COLUMNS FROM posts'")  # as the migration left it, and whole
    assert site.host.sh("mariadb -N blog -e 'SELECT COUNT(*) FROM posts WHERE mood = 7'").strip() == "100"
    assert site.get("/", Cookie="blog_session=x")[0].status == 200  # the release before, as far as it can
    again, leave = commands(said, "deployer recover")[0], commands(said, "deployer recover")[-1]
    assert "was left open and cannot be taken back" in site.deploy(code=6).stderr
    assert "cannot be put back" in run_as_said(site, again.partition(" --leave-database")[0], code=6)
    assert "no transaction that was left open" in site.run("recover", "--leave-database", "shop").stderr
    site.host.sh("mariadb blog -e 'ALTER TABLE posts DROP mood'")  # the person's own way of putting it right
    assert "the database blog was left as it stands" in run_as_said(site, leave)
    last = history(site)[0]
    assert last["outcome"] == "restored"
    assert "was left as it stands, as somebody asked for: at 3 recorded steps" in last["databases"][0]
    assert last["problem"] == "migrate blog ended with status 1"  # why it all began, not why it took so long
    assert data(site) == before


@pytest.mark.slow
def test_a_server_that_does_not_come_up_again_leaves_the_rest_to_what_is_said(site: Site) -> None:
    before = data(site)
    broken = f"mkdir -p {CANNOT_START.rpartition('/')[0]}; printf '[Service]\\nExecStartPre=false\\n' > {CANNOT_START}"
    said = deploy_that_cannot_be_taken_back(
        site, f"{broken}; systemctl daemon-reload; systemctl kill -s KILL mariadb.service"
    )
    assert "mariadb.service does not run" in said
    again = commands(said, "deployer recover")[0]
    assert "cannot be put back" in run_as_said(site, again, code=6)  # nothing is better as yet
    site.host.sh(f"rm {CANNOT_START}; systemctl daemon-reload; systemctl reset-failed mariadb.service")
    for line in commands(said, "systemctl restart"):
        site.host.sh(line)
    assert "was restored from the dump taken before its migration" in run_as_said(site, again)
    assert data(site) == before
    assert site.get("/", Cookie="blog_session=x")[0].status == 200


@pytest.mark.slow
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_server_that_dies_while_it_is_put_back_is_told_and_put_back_in_the_end(site: Site, *, by_hand: bool) -> None:
    site.host.sh(f'mariadb -e "{BALLAST}"')
    before = data(site)
    try:
        restoring = "grep -q '\"restoring\"' /var/lib/deployer/transactions/*/journal.json"
        dies = f"until {restoring}; do :; done; sleep 0.3; systemctl kill -s KILL mariadb.service"
        said = deploy_that_cannot_be_taken_back(site, dies)
        assert "putting the database blog back ended with status" in said
        site.host.sh("timeout 60 sh -c 'until mariadb-admin ping; do systemctl start mariadb; sleep 1; done'")
        assert data(site) != before
        again, leave = commands(said, "deployer recover")
        if by_hand:
            [typed] = commands(said, "gzip -dc")
            site.host.sh(typed)
            assert "was left as it stands" in run_as_said(site, leave)
        else:
            assert "was restored from the dump" in run_as_said(site, again)
        assert data(site) == before
        assert site.get("/", Cookie="blog_session=x")[0].status == 200
    finally:
        site.host.sh("mariadb -e 'DROP TABLE IF EXISTS blog.ballast'")

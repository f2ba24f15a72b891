"""Hosts set up by hand with PostgreSQL, MySQL 9 and SQLite are taken over with all their rows, and given back."""

from __future__ import annotations

import json
import time
from http.client import HTTPException
from typing import Any

import by_hand
import pytest
from hand_made import MYSQL, NEW_FILE, POSTGRESQL, SQLITE, TakenFrom

from deployer.agent.dumppostgresql import PostgreSQLDumper

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(500)]

STOP = ("--stop", by_hand.UNIT)
FOLDERS = "find /etc /srv -path /etc/deployer -prune -o -type f -printf '%p %s %m %u\\n' | sort"
#: Files that a deploy makes or changes besides its own: system users, which stay after a failure.
ACCOUNTS = tuple(f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid"))


@pytest.fixture(scope="module", params=[POSTGRESQL, MYSQL, SQLITE], ids=["postgresql-15", "mysql-9.7", "sqlite"])
def site(request: pytest.FixtureRequest, vps: Any, tmp_path_factory: pytest.TempPathFactory) -> TakenFrom:
    made = request.param
    host = vps("hand", suite=made.suite)
    made.set_up(host)
    found = TakenFrom(host, tmp_path_factory.mktemp("site"), by_hand=made)
    found.write()
    wait_until_served_by(found, "hand")
    return found


def served(site: TakenFrom, path: str = "/") -> dict[str, Any]:
    return dict(json.loads(site.get(path)[1]))


def wait_until_served_by(site: TakenFrom, who: str) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            if served(site)["served_by"] == who:
                return
        except (OSError, HTTPException, ValueError):
            pass  # it is starting
        time.sleep(0.2)
    pytest.fail(f"it is not served by {who}")


def told(site: TakenFrom) -> str:
    """All rows of all databases, and who may do what in them."""
    return site.host.sh(site.by_hand.told)


def rows(site: TakenFrom) -> str:
    """All rows of all databases alone."""
    return "\n".join(told(site).splitlines()[:2])


def state(site: TakenFrom) -> list[str]:
    units = f"{by_hand.UNIT} nginx {site.by_hand.server}"
    return site.host.sh(f"systemctl is-active {units}; systemctl is-enabled {by_hand.UNIT} nginx; true").split()


def login_by_hand(site: TakenFrom) -> str:
    return site.host.sh(site.by_hand.login).strip()


def test_the_page_shows_every_file_that_is_replaced_and_changes_nothing(site: TakenFrom) -> None:
    before, files = told(site), site.host.sh(FOLDERS)
    said = site.adopt()
    plain = " ".join(said.split())
    assert site.by_hand.outranking[0] in plain
    assert "- worker_connections 333; # by hand, 2019" in plain
    assert "not read /etc/nginx/conf.d/blog.conf" in plain
    assert all(text in plain for text in site.by_hand.page), plain
    assert "shop" in plain
    assert "stays, no app of the inventory" in plain
    assert f"--stop {by_hand.UNIT}" in said
    document = site.adopt_document(*STOP)
    owned = {line.split()[0] for line in files.splitlines()}
    changed = {one["name"] for one in document["plan"]["changes"] if one["kind"] == "file"} & owned
    assert changed == {one["path"] for one in document["files"] if one["fate"] in ("replaced", "removed")}
    assert "/etc/nginx/nginx.conf" in changed
    assert by_hand.PASSWORD not in said + json.dumps(document)
    assert (told(site), site.host.sh(FOLDERS)) == (before, files)
    assert served(site) == {"served_by": "hand", "posts": by_hand.POSTS}


def test_a_draft_of_the_inventory_names_the_server_and_its_databases(site: TakenFrom) -> None:
    draft = site.folder / "draft.yml"
    site.adopt("--write-inventory", str(draft))
    text = draft.read_text()
    assert {
        "postgresql": 'postgresql: {version: "15"}',
        "mysql": 'flavour: mysql, version: "9.7"',
        "sqlite": "sqlite: {}",
    }[next(iter(site.by_hand.services))] in text
    assert "holds blog, shop" in text or not site.by_hand.is_shared
    assert by_hand.PASSWORD not in text


def test_a_takeover_that_fails_leaves_the_site_by_hand_serving(site: TakenFrom) -> None:
    site.host.sh(site.by_hand.outranking[1])
    source = site.source / "myblog.py"
    text = source.read_text()
    source.write_text("raise RuntimeError('it does not start')\n" + text)
    files, before, was = site.host.sh(FOLDERS), told(site), state(site)
    try:
        said = site.adopt(*STOP, "--apply", code=5)
    finally:
        source.write_text(text)
    assert "it does not start" in said
    assert state(site) == was
    wait_until_served_by(site, "hand")
    assert told(site) == before
    assert login_by_hand(site) == str(by_hand.POSTS)
    left = [line for line in site.host.sh(FOLDERS).splitlines() if not line.startswith(("/srv/blog/", *ACCOUNTS))]
    assert set(left) <= set(files.splitlines())


def test_it_is_taken_over_with_all_its_rows_and_those_who_came_still_get_in(site: TakenFrom) -> None:
    before = rows(site)
    said = site.adopt(*STOP, "--apply")
    assert "web1: live" in said
    assert rows(site) == before
    assert served(site) == {"served_by": "deployer", "posts": by_hand.POSTS}
    if site.by_hand.login_when_taken:
        assert site.host.sh(site.by_hand.login_when_taken).strip() == str(by_hand.POSTS)
    assert state(site) == ["inactive", "active", "active", "disabled", "enabled"]
    assert "by hand, 2019" in site.host.sh("cat /var/lib/deployer/former/etc/nginx/nginx.conf")
    drift = json.loads(site.run("drift", "--json").stdout)
    assert drift["findings"] == []
    assert not site.plan()["changes"]
    assert "no change" in site.deploy().stdout
    assert by_hand.PASSWORD not in said


def test_what_a_person_types_makes_a_database_anew_in_which_the_app_acts_for_its_owner(site: TakenFrom) -> None:
    if site.by_hand is not POSTGRESQL:
        return  # elsewhere a user is no part of a database
    before = told(site)
    site.host.sh("cd /; runuser -u postgres -- pg_dump blog | gzip > /tmp/blog.gz; chmod 644 /tmp/blog.gz")
    place = {"name": "blog", "user": "app-blog", "before": {"owner": "blog"}}
    site.host.sh(f"cd /; {PostgreSQLDumper().by_hand(place, '/tmp/blog.gz')}")
    assert told(site) == before
    assert served(site) == {"served_by": "deployer", "posts": by_hand.POSTS}
    assert not site.plan()["changes"]


def test_a_rollback_to_nothing_gives_the_site_by_hand_back_with_what_was_written_meanwhile(site: TakenFrom) -> None:
    assert served(site, "/write") == {"served_by": "deployer", "posts": by_hand.POSTS + 1}
    before = rows(site)
    done = site.run("rollback", "--to", "nothing")
    assert done.returncode == 0, done.stderr
    wait_until_served_by(site, "hand")
    assert state(site) == ["active", "active", "active", "enabled", "enabled"]
    assert "worker_connections 333; # by hand" in site.host.sh("cat /etc/nginx/nginx.conf")
    posts = by_hand.POSTS + site.by_hand.is_shared  # a copy stays behind
    assert served(site) == {"served_by": "hand", "posts": posts}
    assert login_by_hand(site) == str(posts)
    if site.by_hand.is_shared:
        assert rows(site) == before
        # a table that the new app made is the old one's too
        site.host.sh(site.by_hand.login.replace("SELECT COUNT(*) FROM posts", "DROP TABLE later"))


def test_it_is_taken_over_a_second_time(site: TakenFrom) -> None:
    before = rows(site)
    assert "web1: live" in site.adopt(*STOP, "--apply")
    assert rows(site) == before
    assert served(site) == {"served_by": "deployer", "posts": by_hand.POSTS + site.by_hand.is_shared}
    if not site.by_hand.is_shared:  # what visitors wrote between the two is put aside, not lost
        assert site.host.sh(f"ls {NEW_FILE}.before-*")

"""Migrations that fail on a local VPS with MariaDB, which undoes no CREATE and no ALTER: the outcome says what is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from failing_steps import STEPS, add, history, kill_the_agent_in_its_migration, return_now, take_away
from site_on_vps import Site, Visitors

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

#: As a return leaves the host that dies once it has begun to put the database back.
DIES_AGAIN = """\
set -e; cd /var/lib/deployer/transactions/; cd $(ls -t | head -1)
python3 - <<'END'
import json
journal = json.load(open("journal.json"))
[note] = journal["migrations"]
note["state"], note["failed"] = "restoring", note["dump"]
json.dump(journal, open("journal.json", "w"))
END
systemctl stop 'deployer-work-*'; mariadb -e 'KILL USER blog; DROP DATABASE blog'
"""


@pytest.fixture(scope="module")
def host_of_the_module(vps: Any, deployed: str, tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = Site(vps("migrated", snapshot=deployed), tmp_path_factory.mktemp("site"))
    site.write()
    assert not site.plan()["changes"]
    return site


@pytest.fixture
def site(host_of_the_module: Site) -> Iterator[Site]:
    """The blog as it was deployed; its new steps are taken away after each test."""
    yield host_of_the_module
    take_away(host_of_the_module)
    host_of_the_module.write()
    assert "no change" in host_of_the_module.deploy().stdout


def data(site: Site) -> str:
    """All that the database holds, by its checksum."""
    return site.host.sh("mariadb-dump --skip-comments --order-by-primary --routines blog | sha256sum").strip()


def dumps(site: Site) -> list[str]:
    return site.host.sh("ls /var/lib/deployer/dumps 2>/dev/null; true").split()


def test_a_step_that_fails_half_way_is_taken_back_with_the_dump_of_before(site: Site) -> None:
    before = data(site)
    add(site, STEPS)
    with Visitors(site) as visitors:
        said = site.deploy(code=5).stderr
    visitors.assert_never_failed()
    assert data(site) == before
    assert "database blog was restored from the dump taken before its migration" in said
    assert "at 3 recorded steps, the last: 3 0003_users.sql" in said
    assert "0005_posts.sql, statement 3" in said
    [transaction] = [one for one in history(site)[:1] if one["outcome"] == "restored"]
    assert "was restored from the dump" in transaction["databases"][0]
    failed = f"/var/lib/deployer/dumps/blog.{transaction['transaction']}.failed.gz"
    assert failed in said
    assert "`mood`" in site.host.sh(f"gzip -dc {failed}")
    assert set(site.host.sh("stat -c '%a %U' /var/lib/deployer/dumps /var/lib/deployer/dumps/*").split()) == {
        "700",
        "600",
        "root",
    }


@pytest.mark.parametrize("dies_again", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_killed_agent_leaves_the_migration_to_the_timer(site: Site, *, dies_again: bool) -> None:
    before, known = data(site), history(site)[0]["transaction"]
    kill_the_agent_in_its_migration(site, "mariadb", data, before)
    if dies_again:
        site.host.sh(DIES_AGAIN)
    return_now(site, known)
    assert data(site) == before
    last = history(site)[0]
    assert last["outcome"] == "restored"
    assert "was restored from the dump" in last["databases"][0]
    assert site.get("/", Cookie="blog_session=x")[0].status == 200


def test_a_database_that_cannot_be_dumped_refuses_the_deploy_untouched(site: Site) -> None:
    fill = "CREATE TABLE blog.ballast AS SELECT seq, REPEAT(MD5(seq), 40) AS text FROM mysql.seq_1_to_8000"
    site.host.sh(f'mariadb -e "{fill}; ANALYZE TABLE blog.ballast" >/dev/null')
    before, kept = data(site), dumps(site)
    add(site, STEPS)
    site.write(apps__blog__database__dump_room_mib=16)
    try:
        said = site.deploy(code=4).stderr
        assert "dump_room_mib is 16" in said
        assert "before_migration: steps" in said
        assert (data(site), dumps(site)) == (before, kept)
    finally:
        site.host.sh("mariadb -e 'DROP TABLE blog.ballast'")


def test_by_steps_the_outcome_says_at_which_step_the_database_stands(site: Site) -> None:
    before, kept = data(site), dumps(site)
    add(site, STEPS)
    site.write(apps__blog__database__before_migration="steps")
    with Visitors(site) as visitors:
        said = site.deploy(code=5).stderr
    visitors.assert_never_failed()
    try:
        assert "the database blog stays at 4 recorded steps, the last: 4 0004_moods.sql" in said
        assert "before its migration it stood at 3 recorded steps" in said
        assert dumps(site) == kept
        assert data(site) != before
    finally:
        site.host.sh("mariadb blog -e 'DROP TABLE moods; ALTER TABLE posts DROP mood'")
        site.host.sh("mariadb blog -e 'DELETE FROM schema_migrations WHERE version = 4'")
    assert data(site) == before


@pytest.mark.slow
def test_a_release_that_fails_later_without_a_migration_keeps_what_visitors_wrote(site: Site) -> None:
    before = data(site)
    main = site.source / "blog/main.py"
    text = main.read_text()
    main.write_text("raise SystemExit('does not start')\n")
    try:
        said = site.deploy(code=5).stderr
    finally:
        main.write_text(text)
    assert "the database blog stays as before its migration, at 3 recorded steps" in said
    assert data(site) == before
    assert not any(name.endswith(f"{history(site)[0]['transaction']}.failed.gz") for name in dumps(site))


@pytest.mark.slow
def test_three_dumps_are_kept_and_a_way_back_names_them(site: Site) -> None:
    for number in range(4):
        (site.source / "blog/static/mark.txt").write_text(f"{number}\n")
        site.deploy()
    assert len([name for name in dumps(site) if name.endswith(".before.gz")]) == 3
    done = site.run("rollback")
    assert done.returncode == 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "wrote stays in its database; the dump taken before is /var/lib/deployer/dumps/blog." in said
    site.deploy()

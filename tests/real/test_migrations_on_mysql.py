"""Migrations that fail on a local VPS with MySQL 9: the dump of before brings back whatever it may hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from example_on_vps import Example, ExampleVisitors
from failing_steps import STEPS, add, history, kill_the_agent_in_its_migration, return_now, take_away
from site_on_vps import Site
from suite_checks import BLOG, Case, deployed_on

from deployer.agent.dumpmariadb import MySQLDumper

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.slow, pytest.mark.timeout(400)]

CASE = Case(
    app="blog",
    said=BLOG,
    changes={
        "services__nginx__version": "1.30",
        "services__mysql__flavour": "mysql",
        "services__mysql__version": "9.7",
    },
    killed=(),
    refused=("", ""),
    broken=("", b""),
)
#: What a dump spoils or leaves out most easily: bytes that are no text, signs of four bytes, columns that nobody sees
#: or that the server fills, a zero that is no date and one that is no next number, and what others wrote to be run.
RARE = """
SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO';
CREATE TABLE rare (
    id INT AUTO_INCREMENT PRIMARY KEY, raw LONGBLOB, sign VARCHAR(20), doc JSON, longer INT AS (LENGTH(words)) STORED,
    bits BIT(9), spot POINT NOT NULL SRID 4326, near VECTOR(3), hidden INT DEFAULT 3 INVISIBLE, day DATE, words TEXT,
    SPATIAL INDEX (spot), FULLTEXT INDEX (words), KEY next_bits ((bits + 1)), CHECK (bits IS NOT NULL)
) AUTO_INCREMENT = 7;
INSERT INTO rare (id, raw, sign, doc, bits, spot, near, hidden, day, words) VALUES
    (0, 0x00ff0a0d1a5c27, '\U0001f986', '{"a": [1, null]}', b'101', ST_SRID(POINT(1, 2), 4326),
     STRING_TO_VECTOR('[1,2.5,3]'), 9, '0000-00-00', 'it''s a \\\\ and a line\\nand more');
CREATE TABLE parts (a INT, b CHAR(36) DEFAULT (UUID())) PARTITION BY HASH (a) PARTITIONS 3;
INSERT INTO parts (a) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) SELECT i FROM n;
CREATE VIEW z_view AS SELECT p.title FROM posts p JOIN rare r;
CREATE VIEW a_view AS SELECT * FROM z_view;
CREATE DEFINER = 'left'@'elsewhere' TRIGGER rare_in BEFORE INSERT ON rare FOR EACH ROW SET NEW.hidden = 5;
CREATE DEFINER = 'left'@'elsewhere' PROCEDURE clean_up () DELETE FROM parts WHERE a < 0;
CREATE FUNCTION twice_of (a INT) RETURNS INT DETERMINISTIC RETURN a * 2;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY STARTS '2030-01-01 00:00:00' DO CALL clean_up();
"""


@pytest.fixture(scope="module")
def host_of_the_module(vps: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Example]:
    with deployed_on("sid", CASE, vps, tmp_path_factory.mktemp("blog")) as deployed:
        site = deployed.site
        site.host.sh(f"mysql --default-character-set=utf8mb4 blog <<'END'\n{RARE}END")
        yield site


@pytest.fixture
def site(host_of_the_module: Example) -> Iterator[Example]:
    """The blog as it was deployed; its new steps are taken away after each test."""
    yield host_of_the_module
    take_away(host_of_the_module)
    host_of_the_module.write()
    assert "no change" in host_of_the_module.deploy().stdout


def data(site: Site) -> str:
    """All that the database holds and who may do what in it, by its checksum.

    A column that was made anew is told with the character set of its collation: that is the same column.
    """
    dump = "mysqldump --skip-comments --order-by-primary --routines --events --hex-blob"
    dump += " --set-gtid-purged=OFF --databases blog"
    users = "SELECT User, Host, HEX(authentication_string) FROM mysql.user; SHOW GRANTS FOR blog@localhost"
    same = "sed 's/ CHARACTER SET [a-z0-9]* COLLATE / COLLATE /g'"
    return site.host.sh(f'{{ {dump} | {same}; mysql -e "{users}"; }} | sha256sum').strip()


def assert_it_was_put_back(site: Example, before: str) -> None:
    last = history(site)[0]
    assert last["outcome"] == "restored"
    assert "was restored from the dump taken before its migration" in last["databases"][0]
    assert "at 3 recorded steps, the last: 3 0003_users.sql" in last["databases"][0]
    assert data(site) == before
    assert site.status("/") == 200


def test_the_database_knows_what_the_seed_brought(site: Example) -> None:
    counted = "SELECT n_rows FROM mysql.innodb_table_stats WHERE database_name = 'blog' AND table_name = 'posts'"
    assert int(site.sh(f'mysql -NBe "{counted}"')) > 50
    assert int(site.sh("mysql -NBe \"SHOW GLOBAL STATUS LIKE 'Com_analyze'\" | cut -f2")) >= 1


def test_a_step_that_fails_half_way_is_taken_back_with_the_dump_of_before(site: Example) -> None:
    before = data(site)
    add(site, STEPS)
    with ExampleVisitors(site) as visitors:
        said = site.deploy(code=5).stderr
    visitors.assert_never_failed()
    assert "0005_posts.sql, statement 3" in said
    assert "database blog was restored from the dump taken before its migration" in said
    failed = f"/var/lib/deployer/dumps/blog.{history(site)[0]['transaction']}.failed.gz"
    assert failed in said
    assert "`mood`" in site.sh(f"gzip -dc {failed}")
    assert_it_was_put_back(site, before)


def test_a_killed_agent_leaves_the_migration_to_the_timer(site: Example) -> None:
    before, known = data(site), history(site)[0]["transaction"]
    kill_the_agent_in_its_migration(site, "mysql", data, before)
    return_now(site, known)
    assert_it_was_put_back(site, before)


def test_by_steps_the_outcome_says_at_which_step_the_database_stands(site: Example) -> None:
    before = data(site)
    add(site, STEPS)
    site.write(apps__blog__database__before_migration="steps")
    said = site.deploy(code=5).stderr
    assert "the database blog stays at 4 recorded steps, the last: 4 0004_moods.sql" in said
    assert data(site) != before
    site.sh("mysql blog -e 'DROP TABLE moods; ALTER TABLE posts DROP mood'")
    site.sh("mysql blog -e 'DELETE FROM schema_migrations WHERE version = 4'")
    assert data(site) == before


def test_what_a_person_types_puts_it_back_too(site: Example) -> None:
    before = data(site)
    (site.source / "blog/static/mark.txt").write_text("a release with a dump before its migration\n")
    site.deploy()
    dump = f"/var/lib/deployer/dumps/blog.{history(site)[0]['transaction']}.before.gz"
    site.sh("mysql blog -e 'DROP TABLE post_tags, tags; CREATE TABLE more (a INT)'")
    site.sh(MySQLDumper().by_hand({"name": "blog"}, dump))
    assert data(site) == before

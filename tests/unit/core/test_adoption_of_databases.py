"""What becomes of databases and files by hand: MySQL, PostgreSQL, SQLite and uploads."""

from __future__ import annotations

from typing import Any

import pytest
from adoptions import FILE, POSTGRESQL, SERVER, SITE, adopted, lacks, rendered, survey
from hosts import app

from deployer.adoption import Adoption
from deployer.app import AppDatabase
from deployer.services.mysql import MysqlSettings
from deployer.services.postgresql import PostgresqlSettings
from deployer.services.sqlite import SqliteSettings


def test_mysql_keeps_the_password_by_hand_beside_the_apps_unless_there_is_no_place_for_a_second():
    mysql = {**SERVER, "flavour": "mysql", "version": "9.7.1"}
    of = rendered(mysql=MysqlSettings(flavour="mysql", version="9.7"), memory_mib=2048)
    assert "besides its own, which stays valid" in adopted(survey(databases=[mysql]), of).data[0].what
    full = survey(databases=[{**mysql, "alone": ["blog@localhost"]}])
    assert "in the place of its own" in adopted(full, of).data[0].what


def on_postgresql(**changes: Any) -> tuple[Adoption, str]:
    of = rendered(
        apps={"blog": app(database=AppDatabase(server="postgresql"))},
        mysql=None,
        settings={"postgresql": PostgresqlSettings()},
    )
    server = {**POSTGRESQL, **{key: value for key, value in changes.items() if key != "settings"}}
    told = survey(databases=[server], settings=changes.get("settings", []))
    found = adopted(told, of, stop=("myblog.service",))
    return found, lacks(found)


def test_an_app_acts_as_the_role_to_whom_its_database_belongs():
    found, lacking = on_postgresql()
    assert not lacking
    assert "role app-blog is made, logs in by its system user, and acts as role blog" in found.data[0].what
    assert "before its line 90: local blog blog scram-sha-256" in found.data[0].what
    own = {**POSTGRESQL["databases"][0], "owner": "app-blog"}
    assert "it belongs to role app-blog" in on_postgresql(databases=[own])[0].data[0].what


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": "17.2"}, 'write services.postgresql.version: "17"'),
        ({"data": "/data/pg"}, "PostgreSQL's data lie in /data/pg"),
        (
            {"databases": [{**POSTGRESQL["databases"][0], "owner": "postgres", "owner_may_all": True}]},
            "belongs to role postgres, which may do everything",
        ),
        (
            {"rules": [{"line": 7, "databases": "blog,x", "users": "all", "method": "md5"}, *POSTGRESQL["rules"]]},
            "pg_hba.conf, line 7, wants md5 of role app-blog",
        ),
        ({"rules": [{"line": 7, "databases": "shop", "users": "all", "method": "md5"}, *POSTGRESQL["rules"]]}, ""),
    ],
)
def test_what_would_keep_an_app_out_of_postgresql_is_lacking(changes, said):
    _, lacking = on_postgresql(**changes)
    assert (said in lacking) if said else not lacking


@pytest.mark.parametrize(
    ("file", "after_include", "counts"),
    [
        ("/etc/postgresql/15/main/postgresql.conf", False, False),
        ("/etc/postgresql/15/main/postgresql.conf", True, True),
        ("/etc/postgresql/15/main/conf.d/10-mine.conf", False, False),
        ("/etc/postgresql/15/main/conf.d/99-mine.conf", False, True),
        ("/var/lib/postgresql/15/main/postgresql.auto.conf", True, True),
    ],
)
def test_a_setting_of_postgresql_that_is_read_after_ours_has_to_go(file, after_include, counts):
    line = {"file": file, "line": 3, "name": "max_connections", "value": "500", "after_include": after_include}
    found, lacking = on_postgresql(settings=[line])
    assert ("max_connections = 500" in lacking) is counts
    shadowed = [one.what for one in found.files if one.path == file]
    assert bool(shadowed) is not counts
    assert not shadowed or "(now )" not in shadowed[0]  # it is ours of that server that counts


def test_a_main_file_of_postgresql_that_leaves_our_folder_out_is_lacking():
    line = {"file": "/etc/postgresql/15/main/postgresql.conf", "line": 0, "name": "include_dir", "value": "",
            "after_include": True}  # fmt: skip
    assert "does not read the folder conf.d beside it" in on_postgresql(settings=[line])[1]


def on_sqlite(*files: dict[str, Any], **choices: Any) -> Adoption:
    of = rendered(
        apps={"blog": app(database=AppDatabase(server="sqlite"))}, mysql=None, settings={"sqlite": SqliteSettings()}
    )
    return adopted(survey(databases=[], sqlite=list(files)), of, **choices)


def test_an_app_gets_a_copy_of_the_file_of_the_service_that_stops_for_it():
    found = on_sqlite(FILE, stop=("myblog.service",))
    first = found.plan.document["activations"][:2]
    assert [one["kind"] for one in first] == ["stop", "copy"]  # before anything of the inventory starts
    assert (first[1]["from"], first[1]["owner"]) == ("/srv/x/data/blog.db", "www-data")
    assert (first[1]["to"], first[1]["user"]) == ("/var/lib/app-blog/blog.db", "app-blog")
    assert "app blog gets a copy, /var/lib/app-blog/blog.db" in found.data[-1].what
    left = on_sqlite(FILE, leave=("myblog.service",))
    assert "no app of the inventory gets it" in left.data[-1].what
    assert "copy" not in [one["kind"] for one in left.plan.document["activations"]]


def test_which_file_it_is_is_a_question_unless_one_is_called_as_the_database():
    a, b = ({**FILE, "file": f"/srv/x/{name}.db"} for name in ("posts", "stats"))
    stop = ("myblog.service",)
    assert "a copy of one of these files: /srv/x/posts.db, /srv/x/stats.db" in lacks(on_sqlite(a, b, stop=stop))
    assert on_sqlite(a, b, stop=stop, drop=("/srv/x/stats.db",)).is_ready
    assert on_sqlite(a, FILE, stop=stop).is_ready


def test_a_folder_that_nginx_served_comes_with_the_command_that_gives_it_to_the_app():
    found = adopted(survey(sites=[{**SITE, "roots": ["/srv/x/uploads/"]}]), stop=("myblog.service",))
    said = "cp -a /srv/x/uploads /var/lib/app-blog/uploads && chown -R app-blog: /var/lib/app-blog/uploads"
    assert said in " ".join(found.advice)
